//! Invariant 4: no third-party type in a public signature, ndarray only in `*_array` functions.
//!
//! `unreachable_pub` is denied, so `pub` without a restriction is public indeed.

use super::tokens::{Source, Token};

const BANNED: [&str; 9] =
    ["arrow", "kuva", "lightgbm3", "linfa", "ndarray16", "parquet", "petal", "rusqlite", "ureq"];

/// Checks the public items of a library.
pub(crate) fn check(source: &Source) -> Vec<String> {
    if source.library().is_none() {
        return Vec::new();
    }
    let imports = imports(source);
    let mut problems = Vec::new();
    let mut index = 0;
    while index < source.tokens.len() {
        let is_public = source.tokens[index].word() == Some("pub") && !source.is_test(index);
        if is_public && !source.matches(index + 1, &["("]) {
            let end = item_end(source, index + 1);
            problems.extend(check_item(source, index + 1, end, &imports));
        }
        index += 1;
    }
    problems
}

/// A name that a `use` brings into the file, with the crate it comes from.
#[derive(Debug, PartialEq)]
struct Import {
    name: String,
    krate: String,
}

fn check_item(source: &Source, start: usize, end: usize, imports: &[Import]) -> Vec<String> {
    let item = &source.tokens[start..end];
    let is_use = item.first().and_then(Token::word) == Some("use");
    let is_fn_for_arrays = item.windows(2).any(|pair| {
        let name = pair[1].word().unwrap_or_default();
        pair[0].word() == Some("fn") && (name.ends_with("_array"))
    });
    let mut found: Vec<&str> = Vec::new();
    for (offset, token) in item.iter().enumerate() {
        let Some(word) = token.word() else { continue };
        let is_path = source.matches(start + offset + 1, &[":", ":"]);
        let is_root = offset < 2 || !item[offset - 2..offset].iter().all(|it| it.is(':'));
        let imported = imports.iter().find(|it| it.name == word && is_root && !is_use);
        let krate = match imported {
            Some(import) => import.krate.as_str(),
            None if is_path && is_root => word,
            None => continue,
        };
        if is_banned(krate) || krate == "ndarray" && !is_fn_for_arrays {
            found.push(krate);
        }
    }
    found.sort_unstable();
    found.dedup();
    found.iter().map(|krate| format!("{}: {krate} in a public signature", source.at(start))).collect()
}

fn is_banned(krate: &str) -> bool {
    BANNED
        .iter()
        .any(|it| krate.strip_prefix(it).is_some_and(|rest| rest.is_empty() || rest.starts_with('_')))
}

/// The end of the public part of the item that starts after `pub`.
fn item_end(source: &Source, start: usize) -> usize {
    let words = ["unsafe", "async", "extern", "const"];
    let is_fn = source.tokens[start..]
        .iter()
        .take(6)
        .find(|it| !matches!(it, Token::Text(_)) && it.word().is_none_or(|word| !words.contains(&word)));
    let kind = match is_fn.and_then(Token::word) {
        Some("fn") => "fn",
        _ => source.tokens.get(start).and_then(Token::word).unwrap_or_default(),
    };
    let stop: &[char] = match kind {
        "fn" => &['{', ';'],
        "struct" | "union" => &['(', '{', ';'],
        "const" | "static" => &['=', ';'],
        "use" | "type" => &[';'],
        "mod" => return start,
        // Variants and trait items are public with their owner.
        "enum" | "trait" => {
            let open = source.tokens[start..].iter().position(|it| it.is('{') || it.is(';'));
            return open.map_or(start, |offset| source.closing(start + offset));
        }
        _ => &[',', ';', '}', ')'],
    };
    let mut depth = 0i32;
    for (offset, token) in source.tokens[start..].iter().enumerate() {
        let Token::Sign(sign) = token else { continue };
        if depth == 0 && stop.contains(sign) {
            return start + offset;
        }
        let is_arrow = offset > 0 && *sign == '>' && source.tokens[start + offset - 1].is('-');
        match sign {
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            '>' if !is_arrow => depth -= 1,
            _ => {}
        }
    }
    source.tokens.len()
}

fn imports(source: &Source) -> Vec<Import> {
    let mut imports = Vec::new();
    for index in 0..source.tokens.len() {
        if source.tokens[index].word() == Some("use") {
            let mut at = index + 1;
            use_tree(source, &mut at, None, &mut imports);
        }
    }
    imports.retain(|it| is_banned(&it.krate) || it.krate == "ndarray");
    imports
}

/// Reads `a::b::{c, d as e, self}` from `at` on.
fn use_tree(source: &Source, at: &mut usize, krate: Option<&str>, imports: &mut Vec<Import>) {
    let mut krate = krate.map(str::to_owned);
    let mut name: Option<String> = None;
    while let Some(token) = source.tokens.get(*at) {
        match token {
            Token::Word(word) => {
                // `self` means the name before it; an alias replaces the name.
                if word != "self" && word != "as" {
                    krate.get_or_insert_with(|| word.clone());
                    name = Some(word.clone());
                }
                *at += 1;
            }
            Token::Sign(':') => *at += 1,
            Token::Sign('{') => {
                *at += 1;
                let parent = name.take();
                while source.tokens.get(*at).is_some_and(|it| !it.is('}') && !it.is(';')) {
                    if source.matches(*at, &["self"])
                        && let (Some(name), Some(krate)) = (&parent, &krate)
                    {
                        imports.push(Import { name: name.clone(), krate: krate.clone() });
                    }
                    use_tree(source, at, krate.as_deref(), imports);
                    if source.tokens.get(*at).is_some_and(|it| it.is(',')) {
                        *at += 1;
                    }
                }
                *at += 1;
            }
            Token::Sign('*') => *at += 1,
            _ => break,
        }
    }
    if let (Some(name), Some(krate)) = (name, krate) {
        imports.push(Import { name, krate });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[track_caller]
    fn check_text(text: &str, problems: usize) {
        let found = check(&Source::new(Path::new("crates/tsc-x/src/lib.rs"), text));
        assert_eq!(found.len(), problems, "{found:?}");
    }

    #[test]
    fn a_third_party_type_in_a_public_signature_is_a_problem() {
        check_text("pub fn plot(p: &kuva::Plot) {}", 1);
        check_text("use kuva::Plot;\npub fn plot(p: &Plot) {}", 1);
        check_text("use kuva::{render::{self, Plot as P}, Scene};\npub fn plot() -> Option<P> {}", 1);
        check_text("use kuva::{render::{self}};\npub fn plot() -> render::Plot {}", 1);
        check_text("pub use rusqlite::Error;", 1);
        check_text("pub struct Store { pub db: rusqlite::Connection, x: u8 }", 1);
        check_text("pub struct Store(pub ureq::Agent);", 1);
        check_text("pub enum Cause { Sql(rusqlite::Error), Other }", 1);
        check_text("pub trait Fit { fn fit(&self, x: linfa::Dataset<f64, f64>); }", 1);
        check_text("pub type Tree = petal_neighbors::BallTree<f64>;", 1);
        check_text("pub const unsafe fn raw() -> lightgbm3_sys::BoosterHandle { x }", 1);
        check_text("use arrow_array::RecordBatch;\npub fn rows(b: RecordBatch) -> u8 { 0 }", 1);
    }

    #[test]
    fn private_use_is_no_problem() {
        check_text("use kuva::Plot;\nfn plot(p: &Plot) {}\npub(crate) fn p(p: &Plot) {}", 0);
        check_text("pub fn plot(arrow: &str) { kuva::render(arrow) }", 0);
        check_text("pub struct Store { db: rusqlite::Connection }", 0);
        check_text("pub struct Store(rusqlite::Connection);", 0);
        check_text("pub struct PetalHdbscan { pub min: usize }", 0);
        check_text("pub const LIMIT: usize = rusqlite::LIMIT;", 0);
        check_text("pub mod petal;", 0);
        check_text("#[cfg(test)] mod tests { pub fn plot(p: &kuva::Plot) {} }", 0);
        check_text("pub fn doc() {} // kuva::Plot\nfn f() -> kuva::Plot {}", 0);
    }

    #[test]
    fn ndarray_appears_only_in_functions_named_after_arrays() {
        check_text("use ndarray::ArrayView2;\npub fn from_array(v: ArrayView2<'_, f64>) -> Self {}", 0);
        check_text("pub fn as_array(self) -> ndarray::ArrayView2<'a, f64> {}", 0);
        check_text("pub fn proba_array(&self) -> ndarray::Array1<f64> {}", 0);
        check_text("use ndarray::ArrayView2;\npub fn fit(v: ArrayView2<'_, f64>) {}", 1);
        check_text("pub struct M { pub values: ndarray::Array2<f64> }", 1);
    }
}
