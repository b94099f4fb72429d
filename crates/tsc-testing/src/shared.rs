use std::path::{Path, PathBuf};

/// Path of reference data such as `conformance/hdbscan` or `data/physionet2012`.
///
/// Looks below `TSC_SHARED`, then (for `data/..`) below `TSC_DATA`, then below the folder `shared`
/// beside the repository. `None`, after one printed line, where the data are absent.
///
/// # Panics
///
/// If the data are absent and the environment says `CI=true`: a check must not be skipped there.
#[must_use]
pub fn shared(relative: &str) -> Option<PathBuf> {
    let found = candidates(relative, &|name| std::env::var_os(name).map(PathBuf::from))
        .into_iter()
        .find(|path| path.exists());
    if found.is_none() {
        let required = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!required, "reference data {relative} are absent, and CI=true; set TSC_SHARED");
        report_skip(relative);
    }
    found
}

fn candidates(relative: &str, env: &dyn Fn(&str) -> Option<PathBuf>) -> Vec<PathBuf> {
    if let Some(root) = env("TSC_SHARED") {
        return vec![root.join(relative)];
    }
    let data = env("TSC_DATA").and_then(|data| {
        let rest = Path::new(relative).strip_prefix("data").ok()?;
        Some(data.join(rest))
    });
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(relative);
    data.into_iter().chain([beside]).collect()
}

#[expect(clippy::print_stderr, reason = "a skipped check must be visible in the test output")]
fn report_skip(relative: &str) {
    eprintln!("skipped: reference data {relative} are absent (set TSC_SHARED to the folder that holds them)");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tsc_shared_decides_alone_and_tsc_data_holds_the_data_folder() {
        let both = |name: &str| match name {
            "TSC_SHARED" => Some(PathBuf::from("a")),
            "TSC_DATA" => Some(PathBuf::from("b")),
            _ => None,
        };
        assert_eq!(candidates("data/nhs", &both), [PathBuf::from("a/data/nhs")]);
        let data = |name: &str| (name == "TSC_DATA").then(|| PathBuf::from("b"));
        assert_eq!(candidates("data/nhs", &data)[0], PathBuf::from("b/nhs"));
        assert_eq!(candidates("conformance/drift", &data).len(), 1);
        let beside = &candidates("data/nhs", &|_| None)[0];
        assert!(beside.ends_with("shared/data/nhs"));
    }
}
