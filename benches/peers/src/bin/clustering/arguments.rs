use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context, Result};

/// The `key=value` arguments of one measurement.
#[derive(Debug)]
pub(crate) struct Arguments(BTreeMap<String, String>);

impl Arguments {
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self> {
        let pair = |word: String| {
            let (key, value) = word.split_once('=').with_context(|| format!("`{word}` is not key=value"))?;
            Ok((key.to_owned(), value.to_owned()))
        };
        words.map(pair).collect::<Result<_>>().map(Self)
    }

    pub(crate) fn text(&self, key: &str) -> Result<&str> {
        self.0.get(key).map(String::as_str).with_context(|| format!("{key}= is missing"))
    }

    pub(crate) fn path(&self, key: &str) -> Result<PathBuf> {
        self.text(key).map(PathBuf::from)
    }

    pub(crate) fn number(&self, key: &str) -> Result<usize> {
        let text = self.text(key)?;
        text.parse().with_context(|| format!("{key}={text} is no whole number"))
    }
}
