//! What `cargo metadata` and `cargo tree` say about the workspace.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context, Result};
use xshell::Shell;

use crate::{json::Json, workspace::cargo};

/// A package of the workspace or one it depends on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) is_member: bool,
    /// Native library, or name taken to be unique in a build.
    pub(crate) links: Option<String>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) features: BTreeMap<String, Vec<String>>,
    pub(crate) targets: Vec<Target>,
}

/// A dependency as the manifest declares it, whatever the features.
#[derive(Debug, Clone)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) is_dev: bool,
}

/// A library, binary, example, test or bench.
#[derive(Debug, Clone, Default)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) required_features: Vec<String>,
    pub(crate) path: PathBuf,
}

impl Package {
    /// The targets of one kind.
    pub(crate) fn targets(&self, kind: &str) -> impl Iterator<Item = &Target> {
        self.targets.iter().filter(move |target| target.kind == kind)
    }
}

/// Every package of the lock file.
pub(crate) fn packages(sh: &Shell) -> Result<Vec<Package>> {
    parse(
        &cargo(sh, ["metadata", "--format-version=1", "--locked"])
            .quiet()
            .read()
            .context("Cargo.lock must be up to date with the manifests; `cargo metadata` brings it there")?,
    )
}

fn parse(text: &str) -> Result<Vec<Package>> {
    let json = Json::parse(text).context("output of cargo metadata")?;
    let members = json.get("workspace_members").list();
    let packages: Vec<_> = json
        .get("packages")
        .list()
        .iter()
        .map(|it| Package {
            name: owned(it.get("name")),
            version: owned(it.get("version")),
            is_member: members.contains(it.get("id")),
            links: it.get("links").text().map(str::to_owned),
            dependencies: it.get("dependencies").list().iter().map(dependency).collect(),
            features: it.get("features").members().iter().map(|(k, v)| (k.clone(), texts(v))).collect(),
            targets: it.get("targets").list().iter().map(target).collect(),
        })
        .collect();
    packages.iter().any(|it| it.is_member).then_some(packages).context("cargo metadata names no member")
}

fn dependency(json: &Json) -> Dependency {
    Dependency { name: owned(json.get("name")), is_dev: json.get("kind").text() == Some("dev") }
}

fn target(json: &Json) -> Target {
    Target {
        name: owned(json.get("name")),
        kind: json.get("kind").list().first().map(owned).unwrap_or_default(),
        required_features: texts(json.get("required-features")),
        path: owned(json.get("src_path")).into(),
    }
}

fn owned(json: &Json) -> String {
    json.text().unwrap_or_default().to_owned()
}

fn texts(json: &Json) -> Vec<String> {
    json.list().iter().map(owned).collect()
}

/// A package that a build with some features really compiles on this machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Built {
    pub(crate) name: String,
    pub(crate) version: String,
}

/// The packages, build dependencies included, that `cargo build` with these flags compiles.
pub(crate) fn tree(sh: &Shell, selection: &[&str]) -> Result<Vec<Built>> {
    let fixed = ["tree", "--locked", "--edges=normal,build", "--prefix=none", "--format={p}"];
    let output = cargo(sh, fixed.iter().chain(selection)).quiet().read()?;
    parse_tree(&output).with_context(|| format!("output of cargo tree {}", selection.join(" ")))
}

fn parse_tree(output: &str) -> Result<Vec<Built>> {
    // `name v1.2.3 (path or note) (*)`, a line a package and repeated ones marked.
    let mut built = Vec::new();
    for line in output.lines().filter(|line| !line.is_empty()) {
        let mut words = line.split(' ');
        let name = words.next().unwrap_or_default().to_owned();
        let version = words.next().and_then(|it| it.strip_prefix('v'));
        let version = version.with_context(|| format!("`{line}` has no version"))?.to_owned();
        built.push(Built { name, version });
    }
    built.sort();
    built.dedup();
    Ok(built)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_links_and_kinds_come_from_the_metadata() {
        let text = r#"{"packages": [
            {"id": "a#1", "name": "tsc-a", "version": "0.1.0", "links": null,
             "dependencies": [{"name": "serde", "kind": null}, {"name": "proptest", "kind": "dev"}],
             "features": {"default": ["x"], "x": []},
             "targets": [{"name": "quick", "kind": ["example"], "required-features": ["x"], "src_path": "/r/quick.rs"}]},
            {"id": "b#1", "name": "libsqlite3-sys", "version": "0.30.1", "links": "sqlite3",
             "dependencies": [], "features": {}, "targets": []}],
            "workspace_members": ["a#1"]}"#;
        let packages = parse(text).unwrap();
        assert_eq!((packages[0].is_member, packages[1].is_member), (true, false));
        assert_eq!(packages[0].dependencies.iter().map(|it| it.is_dev).collect::<Vec<_>>(), [false, true]);
        assert_eq!(packages[0].features["default"], ["x"]);
        assert_eq!(packages[0].targets("example").next().unwrap().required_features, ["x"]);
        assert_eq!(packages[1].links.as_deref(), Some("sqlite3"));
    }

    #[test]
    fn repeated_lines_of_the_tree_count_once() {
        let text = "tsc-core v0.1.0 (/r/crates/tsc-core)\nserde v1.0.2\n\nserde v1.0.2 (*)\n";
        let built = parse_tree(text).unwrap();
        assert_eq!(built.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["serde", "tsc-core"]);
        assert!(parse_tree("serde").is_err());
    }
}
