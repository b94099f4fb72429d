//! Rust source as words: comments gone, strings marked, tests told apart.

use std::{
    iter::Peekable,
    path::{Path, PathBuf},
    str::Chars,
};

/// A word, a sign or a string of a source file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    /// Identifier, keyword or number.
    Word(String),
    /// One character of punctuation.
    Sign(char),
    /// The content of a string literal, escapes as written.
    Text(String),
}

impl Token {
    /// The identifier; nothing for signs and strings.
    pub(crate) fn word(&self) -> Option<&str> {
        match self {
            Token::Word(word) => Some(word),
            _ => None,
        }
    }

    /// Whether this is that sign.
    pub(crate) fn is(&self, sign: char) -> bool {
        *self == Token::Sign(sign)
    }
}

/// A source file with its tokens.
#[derive(Debug)]
pub(crate) struct Source {
    /// Relative to the root.
    pub(crate) path: PathBuf,
    pub(crate) tokens: Vec<Token>,
    /// Line of each token, from 1.
    lines: Vec<usize>,
    /// Whether each token is part of a `#[cfg(test)]` item.
    tests: Vec<bool>,
}

impl Source {
    /// Reads a source file.
    pub(crate) fn new(path: &Path, text: &str) -> Self {
        let mut lexer =
            Lexer { rest: text.chars().peekable(), line: 1, tokens: Vec::new(), lines: Vec::new() };
        lexer.run();
        let all_tests = path.components().any(|it| it.as_os_str() == "tests" || it.as_os_str() == "tests.rs");
        let mut source = Self {
            path: path.to_owned(),
            tests: vec![all_tests; lexer.tokens.len()],
            tokens: lexer.tokens,
            lines: lexer.lines,
        };
        source.mark_tests();
        source
    }

    /// The crate's folder name, for files under `crates/NAME/src`.
    pub(crate) fn library(&self) -> Option<&str> {
        let mut parts = self.path.iter();
        let (first, name, src) = (parts.next()?, parts.next()?, parts.next()?);
        (first == "crates" && src == "src").then(|| name.to_str()).flatten()
    }

    /// `path:line` of a token.
    pub(crate) fn at(&self, index: usize) -> String {
        let line = self.lines.get(index).or(self.lines.last()).copied().unwrap_or(1);
        format!("{}:{line}", self.path.display())
    }

    /// Whether a token is compiled into tests only.
    pub(crate) fn is_test(&self, index: usize) -> bool {
        self.tests[index]
    }

    /// Whether the tokens from `index` on are these words and signs.
    pub(crate) fn matches(&self, index: usize, pattern: &[&str]) -> bool {
        pattern.iter().enumerate().all(|(offset, wanted)| match self.tokens.get(index + offset) {
            Some(Token::Word(word)) => word == wanted,
            Some(Token::Sign(sign)) => wanted.chars().eq([*sign]),
            _ => false,
        })
    }

    /// Where the group that opens at `index` closes.
    pub(crate) fn closing(&self, index: usize) -> usize {
        let mut depth = 0usize;
        for (offset, token) in self.tokens[index..].iter().enumerate() {
            match token {
                Token::Sign('(' | '[' | '{') => depth += 1,
                Token::Sign(')' | ']' | '}') => {
                    depth -= 1;
                    if depth == 0 {
                        return index + offset;
                    }
                }
                _ => {}
            }
        }
        self.tokens.len() - 1
    }

    fn mark_tests(&mut self) {
        let mut index = 0;
        while index < self.tokens.len() {
            if !self.matches(index, &["#", "[", "cfg", "(", "test", ")", "]"]) {
                index += 1;
                continue;
            }
            let ends = |it: &Token| it.is(';') || it.is('{');
            let end = self.tokens[index..].iter().position(ends).map_or(index, |offset| index + offset);
            let end = if self.tokens[end].is('{') { self.closing(end) } else { end };
            self.tests[index..=end].fill(true);
            index = end + 1;
        }
    }
}

struct Lexer<'a> {
    rest: Peekable<Chars<'a>>,
    line: usize,
    tokens: Vec<Token>,
    lines: Vec<usize>,
}

impl Lexer<'_> {
    fn run(&mut self) {
        while let Some(c) = self.next() {
            match c {
                '/' if self.rest.peek() == Some(&'/') => while self.next().is_some_and(|c| c != '\n') {},
                '/' if self.rest.peek() == Some(&'*') => self.block_comment(),
                '"' => self.string(),
                '\'' => self.character_or_lifetime(),
                c if c.is_alphanumeric() || c == '_' => self.word(c),
                c if c.is_whitespace() => {}
                c => self.push(Token::Sign(c)),
            }
        }
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        self.line += usize::from(c == '\n');
        Some(c)
    }

    fn push(&mut self, token: Token) {
        self.tokens.push(token);
        self.lines.push(self.line);
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        let mut last = '/';
        while let Some(c) = self.next() {
            match (last, c) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ => {
                    last = c;
                    continue;
                }
            }
            if depth == 0 {
                return;
            }
            // Neither half may count for the next pair.
            last = ' ';
        }
    }

    fn word(&mut self, first: char) {
        let mut word = String::from(first);
        while let Some(c) = self.rest.next_if(|c| c.is_alphanumeric() || *c == '_') {
            word.push(c);
        }
        match (word.as_str(), self.rest.peek()) {
            ("r" | "br" | "cr", Some('"' | '#')) => self.raw(&word),
            // `b"..."`: the string follows as a token of its own.
            ("b" | "c", Some('"')) => {}
            _ => self.push(Token::Word(word)),
        }
    }

    /// A raw string, or a raw identifier such as `r#type`.
    fn raw(&mut self, prefix: &str) {
        let mut hashes = 0;
        while self.rest.next_if_eq(&'#').is_some() {
            hashes += 1;
        }
        if self.rest.next_if_eq(&'"').is_none() {
            if self.rest.peek().is_none_or(|c| !c.is_alphabetic()) {
                self.push(Token::Word(prefix.to_owned()));
            }
            return;
        }
        let end = format!("\"{}", "#".repeat(hashes));
        let mut text = String::new();
        while let Some(c) = self.next() {
            text.push(c);
            if text.ends_with(&end) {
                text.truncate(text.len() - end.len());
                break;
            }
        }
        self.push(Token::Text(text));
    }

    fn string(&mut self) {
        let mut text = String::new();
        while let Some(c) = self.next() {
            match c {
                '"' => break,
                '\\' => {
                    text.push(c);
                    text.extend(self.next());
                }
                c => text.push(c),
            }
        }
        self.push(Token::Text(text));
    }

    /// `'a'` and `'\n'` are one character; `'a` of a lifetime has no closing quote.
    fn character_or_lifetime(&mut self) {
        match self.next() {
            Some('\\') => {
                self.next();
                while self.next().is_some_and(|c| c != '\'') {}
            }
            Some(c) if self.rest.next_if_eq(&'\'').is_none() && (c.is_alphabetic() || c == '_') => {
                while self.rest.next_if(|c| c.is_alphanumeric() || *c == '_').is_some() {}
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let source = Source::new(Path::new("crates/tsc-x/src/lib.rs"), text);
        source.tokens.iter().filter_map(|it| it.word().map(str::to_owned)).collect()
    }

    #[test]
    fn comments_and_strings_hold_no_words() {
        assert_eq!(words("a /* unsafe /* unsafe */ unsafe */ b // unsafe\nc"), ["a", "b", "c"]);
        assert_eq!(words(r###"x("unsafe \" unsafe", r#"unsafe " unsafe"#, b"unsafe") y"###), ["x", "y"]);
        assert_eq!(
            words("fn f<'unsafe_>(c: &'unsafe_ str) { '\"'; '\\''; '\\u{1F600}'; g }"),
            ["fn", "f", "c", "str", "g"]
        );
        assert_eq!(words("r#type r b"), ["type", "r", "b"]);
    }

    #[test]
    fn what_is_compiled_into_tests_only_is_marked() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { {} } }\nfn c() {}\n#[cfg(test)] mod more;";
        let source = Source::new(Path::new("crates/tsc-x/src/lib.rs"), text);
        let live: Vec<_> = (0..source.tokens.len()).filter(|it| !source.is_test(*it)).collect();
        let words: Vec<_> = live.iter().filter_map(|it| source.tokens[*it].word()).collect();
        assert_eq!(words, ["fn", "a", "fn", "c"]);
        let b = source.tokens.iter().position(|it| it.word() == Some("b")).unwrap();
        assert_eq!(source.at(b), "crates/tsc-x/src/lib.rs:3");
        assert_eq!(source.library(), Some("tsc-x"));
    }
}
