//! The little of JSON that `cargo metadata` and the benchmarks need; a JSON crate would double xtask's build.

use std::{iter::Peekable, str::Chars};

use anyhow::{Context, Result, bail};

/// A JSON value; numbers stay text until somebody computes with them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads one document.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut parser = Parser { rest: text.chars().peekable() };
        let value = parser.value(0)?;
        match parser.next_token() {
            None => Ok(value),
            Some(more) => bail!("`{more}` after the end of the JSON document"),
        }
    }

    /// The member of an object; `Null` where there is none.
    pub(crate) fn get(&self, key: &str) -> &Json {
        let Json::Object(members) = self else { return &Json::Null };
        members.iter().find(|(name, _)| name == key).map_or(&Json::Null, |(_, value)| value)
    }

    /// The text of a string.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Json::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a number.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Json::Number(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The members of a list; none for anything else.
    pub(crate) fn list(&self) -> &[Json] {
        match self {
            Json::List(items) => items,
            _ => &[],
        }
    }

    /// The members of an object; none for anything else.
    pub(crate) fn members(&self) -> &[(String, Json)] {
        match self {
            Json::Object(members) => members,
            _ => &[],
        }
    }
}

/// Deeper nesting is no output of cargo's, and would end in a stack overflow.
const MAX_DEPTH: usize = 100;

struct Parser<'a> {
    rest: Peekable<Chars<'a>>,
}

impl Parser<'_> {
    fn value(&mut self, depth: usize) -> Result<Json> {
        if depth > MAX_DEPTH {
            bail!("JSON is nested deeper than {MAX_DEPTH}");
        }
        match self.next_token().context("JSON ends too early")? {
            '{' => {
                let members = self.sequence('}', |parser| {
                    let Json::Text(name) = parser.value(depth + 1)? else { bail!("a JSON key is no text") };
                    parser.expect(':')?;
                    Ok((name, parser.value(depth + 1)?))
                })?;
                Ok(Json::Object(members))
            }
            '[' => Ok(Json::List(self.sequence(']', |parser| parser.value(depth + 1))?)),
            '"' => Ok(Json::Text(self.string()?)),
            first => self.word(first),
        }
    }

    fn sequence<T>(&mut self, end: char, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = Vec::new();
        self.skip_space();
        if self.rest.next_if_eq(&end).is_some() {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            match self.next_token() {
                Some(',') => {}
                Some(found) if found == end => return Ok(items),
                found => bail!("JSON has {found:?} where `,` or `{end}` belongs"),
            }
        }
    }

    fn string(&mut self) -> Result<String> {
        let mut text = String::new();
        loop {
            match self.rest.next().context("JSON ends inside a string")? {
                '"' => return Ok(text),
                '\\' => match self.rest.next().context("JSON ends inside a string")? {
                    'n' => text.push('\n'),
                    't' => text.push('\t'),
                    'r' => text.push('\r'),
                    'b' => text.push('\u{8}'),
                    'f' => text.push('\u{c}'),
                    'u' => text.push(self.unicode()?),
                    plain => text.push(plain),
                },
                plain => text.push(plain),
            }
        }
    }

    fn unicode(&mut self) -> Result<char> {
        let high = self.hex4()?;
        if !(0xd800..0xdc00).contains(&high) {
            return char::from_u32(high).context("JSON has half a character");
        }
        self.expect('\\')?;
        self.expect('u')?;
        let low = self.hex4()?.checked_sub(0xdc00).context("JSON has half a character")?;
        char::from_u32(0x10000 + ((high - 0xd800) << 10) + low).context("JSON has half a character")
    }

    fn hex4(&mut self) -> Result<u32> {
        let digits: String = self.rest.by_ref().take(4).collect();
        u32::from_str_radix(&digits, 16).with_context(|| format!("`{digits}` is not hexadecimal"))
    }

    fn word(&mut self, first: char) -> Result<Json> {
        let mut word = String::from(first);
        while let Some(c) = self.rest.next_if(|c| c.is_ascii_alphanumeric() || "+-.".contains(*c)) {
            word.push(c);
        }
        match word.as_str() {
            "null" => Ok(Json::Null),
            "true" => Ok(Json::Bool(true)),
            "false" => Ok(Json::Bool(false)),
            number if number.parse::<f64>().is_ok() => Ok(Json::Number(word)),
            other => bail!("`{other}` is no JSON value"),
        }
    }

    fn expect(&mut self, wanted: char) -> Result<()> {
        match self.next_token() {
            Some(found) if found == wanted => Ok(()),
            found => bail!("JSON has {found:?} where `{wanted}` belongs"),
        }
    }

    fn skip_space(&mut self) {
        while self.rest.next_if(|c| c.is_ascii_whitespace()).is_some() {}
    }

    fn next_token(&mut self) -> Option<char> {
        self.skip_space();
        self.rest.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_is_read() {
        let json = Json::parse(
            r#" {"a": [1, -2.5e3, true, null], "b\n": "\u00e9\ud83d\ude00\"", "c": {}, "d": []} "#,
        );
        let json = json.unwrap();
        assert_eq!(json.get("a").list()[1], Json::Number("-2.5e3".into()));
        assert_eq!(json.get("a").list()[2..], [Json::Bool(true), Json::Null]);
        assert_eq!(json.get("b\n").text(), Some("é😀\""));
        assert_eq!(json.get("c").members(), []);
        assert_eq!(json.get("d"), &Json::List(Vec::new()));
        assert_eq!((json.get("a").list()[1].number(), json.get("c").number()), (Some(-2500.0), None));
        assert_eq!(json.get("absent"), &Json::Null);
    }

    #[test]
    fn broken_documents_are_errors() {
        for text in ["", "{", "[1,]", "{\"a\" 1}", "\"open", "nul", "1 2", "\"\\ud83dx\"", "[1 2]"] {
            assert!(Json::parse(text).is_err(), "{text}");
        }
        assert!(Json::parse(&"[".repeat(100_000)).is_err());
    }
}
