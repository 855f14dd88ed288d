//! Cuts a script into tokens, by the rules of GRUB's own lexer.
//!
//! A [`Word`] keeps what is still to be expanded: whether a part was quoted decides later whether it
//! is split at blanks and whether an empty one counts.

use std::iter::Peekable;
use std::str::Chars;

use anyhow::{bail, Result};

/// The smallest thing that the parser sees.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Newline,
    Semicolon,
    Open,
    Close,
    Word(Word),
    End,
}

/// One argument as it was written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Word(pub(super) Vec<Part>);

/// A piece of a word.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    /// Characters outside of quotes.
    Plain(String),
    /// What stood in quotes or behind a backslash. It makes an argument even if it is empty.
    Quoted(String),
    /// The value of a variable.
    Variable { name: String, quoted: bool },
}

impl Word {
    /// The text of a word that has neither quotes nor variables: only such a word can be a keyword.
    pub(super) fn plain(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Part::Plain(text)] => Some(text),
            _ => None,
        }
    }

    fn push_plain(&mut self, c: char) {
        match self.0.last_mut() {
            Some(Part::Plain(text)) => text.push(c),
            _ => self.0.push(Part::Plain(c.into())),
        }
    }

    fn push_quoted(&mut self, c: char) {
        match self.0.last_mut() {
            Some(Part::Quoted(text)) => text.push(c),
            _ => self.0.push(Part::Quoted(c.into())),
        }
    }
}

/// Reads tokens from a text.
pub(super) struct Lexer<'a> {
    chars: Peekable<Chars<'a>>,
    /// The line of the next character, from 1.
    pub(super) line: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            chars: text.chars().peekable(),
            line: 1,
        }
    }

    pub(super) fn token(&mut self) -> Result<Token> {
        while let Some(&c) = self.chars.peek() {
            let token = match c {
                ' ' | '\t' => {
                    self.next();
                    continue;
                }
                '#' => {
                    while self.chars.next_if(|&c| c != '\n').is_some() {}
                    continue;
                }
                '\n' => Token::Newline,
                ';' => Token::Semicolon,
                '{' => Token::Open,
                '}' => Token::Close,
                // GRUB has tokens for these, and no rule that takes them.
                '|' | '&' | '<' | '>' => bail!("line {}: `{c}` must be quoted", self.line),
                _ => {
                    let word = self.word()?;
                    // Nothing but a continued line.
                    if word.0.is_empty() {
                        continue;
                    }
                    return Ok(Token::Word(word));
                }
            };
            self.next();
            return Ok(token);
        }
        Ok(Token::End)
    }

    fn next(&mut self) -> Option<char> {
        let c = self.chars.next();
        if c == Some('\n') {
            self.line += 1;
        }
        c
    }

    fn word(&mut self) -> Result<Word> {
        let mut word = Word::default();
        while let Some(c) = self.chars.next_if(|c| !" \t\n;{}|&<>".contains(*c)) {
            match c {
                '\\' => match self.next() {
                    Some('\n') => {}
                    escaped => word.push_quoted(escaped.unwrap_or('\\')),
                },
                '\'' => self.single_quoted(&mut word)?,
                '"' => self.double_quoted(&mut word)?,
                // `$"..."` is a text that GRUB would translate.
                '$' if self.chars.next_if_eq(&'"').is_some() => self.double_quoted(&mut word)?,
                '$' => self.variable(&mut word, false)?,
                _ => word.push_plain(c),
            }
        }
        Ok(word)
    }

    fn single_quoted(&mut self, word: &mut Word) -> Result<()> {
        let start = self.line;
        word.0.push(Part::Quoted(String::new()));
        loop {
            match self.next() {
                Some('\'') => return Ok(()),
                Some(c) => word.push_quoted(c),
                None => bail!("line {start}: the quote is not closed"),
            }
        }
    }

    fn double_quoted(&mut self, word: &mut Word) -> Result<()> {
        let start = self.line;
        word.0.push(Part::Quoted(String::new()));
        loop {
            match self.next() {
                Some('"') => return Ok(()),
                Some('$') => self.variable(word, true)?,
                Some('\\') => match self.chars.next_if(|c| "$\\\"\n".contains(*c)) {
                    Some('\n') => self.line += 1,
                    Some(c) => word.push_quoted(c),
                    // Before anything else a backslash is a character.
                    None => word.push_quoted('\\'),
                },
                Some(c) => word.push_quoted(c),
                None => bail!("line {start}: the quote is not closed"),
            }
        }
    }

    /// What follows a `$`.
    fn variable(&mut self, word: &mut Word, quoted: bool) -> Result<()> {
        let mut name = String::new();
        let braces = self.chars.next_if_eq(&'{').is_some();
        let first = self.chars.peek().copied().unwrap_or('\0');
        if "?#*@".contains(first) {
            name.push(first);
            self.next();
        } else {
            let digits = first.is_ascii_digit();
            while let Some(c) = self.chars.next_if(|c| match digits {
                true => c.is_ascii_digit(),
                false => c.is_ascii_alphanumeric() || *c == '_',
            }) {
                name.push(c);
            }
        }
        if name.is_empty() || braces && self.chars.next_if_eq(&'}').is_none() {
            bail!("line {}: `$` without the name of a variable", self.line);
        }
        word.0.push(Part::Variable { name, quoted });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Word> {
        let mut lexer = Lexer::new(text);
        std::iter::from_fn(|| match lexer.token().unwrap() {
            Token::Word(word) => Some(word),
            _ => None,
        })
        .collect()
    }

    #[test]
    fn quotes_and_escapes_end_where_grub_ends_them() {
        let quoted = |text: &str| Part::Quoted(text.into());
        let plain = |text: &str| Part::Plain(text.into());
        for (text, parts) in [
            (r"a\ b", vec![plain("a"), quoted(" "), plain("b")]),
            (r"'a\'", vec![quoted(r"a\")]),
            (r#""a\b\"\\\$""#, vec![quoted(r#"a\b"\$"#)]),
            ("a\\\nb", vec![plain("ab")]),
            ("\"a\\\nb\"", vec![quoted("ab")]),
            ("''", vec![quoted("")]),
            ("a#b", vec![plain("a#b")]),
        ] {
            assert_eq!(words(text), [Word(parts)], "{text}");
        }
    }

    #[test]
    fn a_variable_ends_where_its_name_ends() {
        let variable = |name: &str, quoted| Part::Variable {
            name: name.into(),
            quoted,
        };
        assert_eq!(
            words(r#"$a-${b}c"$1x""#),
            [Word(vec![
                variable("a", false),
                Part::Plain("-".into()),
                variable("b", false),
                Part::Plain("c".into()),
                Part::Quoted(String::new()),
                variable("1", true),
                Part::Quoted("x".into()),
            ])]
        );
    }

    #[test]
    fn a_comment_begins_only_where_a_word_may_begin() {
        assert_eq!(words("# all of it"), []);
        assert_eq!(words("a # rest").len(), 1);
    }

    #[test]
    fn what_grub_cannot_read_is_an_error_with_its_line() {
        for (text, error) in [
            ("\n'a", "line 2: the quote is not closed"),
            ("\"a\n\n", "line 1: the quote is not closed"),
            ("a $ b", "line 1: `$` without the name of a variable"),
            ("${a b}", "line 1: `$` without the name of a variable"),
            ("\n\n a | b", "line 3: `|` must be quoted"),
        ] {
            let mut lexer = Lexer::new(text);
            let said = loop {
                match lexer.token() {
                    Ok(Token::End) => break String::new(),
                    Ok(_) => {}
                    Err(said) => break said.to_string(),
                }
            };
            assert_eq!(said, error, "{text}");
        }
    }
}
