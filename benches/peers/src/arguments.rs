use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context, Result};

/// The `key=value` arguments of one measurement.
#[derive(Debug)]
pub struct Arguments(BTreeMap<String, String>);

impl Arguments {
    /// Reads words such as those of the command line.
    ///
    /// # Errors
    ///
    /// If a word is not `key=value`.
    pub fn parse(words: impl Iterator<Item = String>) -> Result<Self> {
        let pair = |word: String| {
            let (key, value) = word.split_once('=').with_context(|| format!("`{word}` is not key=value"))?;
            Ok((key.to_owned(), value.to_owned()))
        };
        words.map(pair).collect::<Result<_>>().map(Self)
    }

    /// The value of a key.
    ///
    /// # Errors
    ///
    /// If the key is missing.
    pub fn text(&self, key: &str) -> Result<&str> {
        self.0.get(key).map(String::as_str).with_context(|| format!("{key}= is missing"))
    }

    /// A file in the folder `dir`, where inputs and outputs of a case are.
    ///
    /// # Errors
    ///
    /// If `dir` is missing.
    pub fn file(&self, name: &str) -> Result<PathBuf> {
        self.text("dir").map(|dir| PathBuf::from(dir).join(name))
    }

    /// The whole number of a key.
    ///
    /// # Errors
    ///
    /// If the key is missing or its value is no whole number.
    pub fn number(&self, key: &str) -> Result<usize> {
        let text = self.text(key)?;
        text.parse().with_context(|| format!("{key}={text} is no whole number"))
    }
}
