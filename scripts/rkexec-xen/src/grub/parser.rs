//! Builds statements of tokens.

use std::rc::Rc;

use anyhow::{bail, Result};

use super::lexer::{Lexer, Token, Word};

/// How deep statements may stand in each other. GRUB gives up at about the same depth.
const MAX_DEPTH: usize = 64;

/// Statements in a row. Shared: functions and entries of the menu keep theirs.
pub(super) type Block = Rc<Vec<Statement>>;

/// One statement.
#[derive(Debug, PartialEq)]
pub(super) enum Statement {
    /// A command or the call of a function, with the body that `menuentry` takes.
    Command {
        words: Vec<Word>,
        body: Option<Block>,
    },
    /// Conditions with what each leads to, and what is done if none holds.
    If {
        branches: Vec<(Block, Block)>,
        otherwise: Block,
    },
    /// `while`, or `until` if it goes on as long as the condition does not hold.
    While {
        until: bool,
        condition: Block,
        body: Block,
    },
    For {
        name: String,
        words: Vec<Word>,
        body: Block,
    },
    Function {
        name: String,
        body: Block,
    },
}

/// Words that begin no command. They are words like others anywhere else.
const RESERVED: [&str; 11] = [
    "case", "do", "done", "elif", "else", "esac", "fi", "in", "select", "then", "[[",
];

/// Reads a whole script.
///
/// # Errors
///
/// What is not GRUB script, with its line. GRUB would leave such a statement out and go on; what it
/// makes of the rest is nothing to build a restart on.
pub(super) fn parse(text: &str) -> Result<Block> {
    let mut parser = Parser {
        lexer: Lexer::new(text),
        token: Token::Newline,
        depth: 0,
    };
    let block = parser.block()?;
    match parser.token {
        Token::End => Ok(block),
        _ => parser.unexpected("the end"),
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The token that is looked at.
    token: Token,
    depth: usize,
}

impl Parser<'_> {
    fn advance(&mut self) -> Result<Token> {
        let next = self.lexer.token()?;
        Ok(std::mem::replace(&mut self.token, next))
    }

    /// Statements up to what cannot begin one.
    fn block(&mut self) -> Result<Block> {
        if self.depth == MAX_DEPTH {
            bail!("line {}: nested too deeply", self.lexer.line);
        }
        self.depth += 1;
        let mut block = Vec::new();
        loop {
            self.separators()?;
            match &self.token {
                Token::Word(word) if !word.plain().is_some_and(|w| RESERVED.contains(&w)) => {}
                _ => break,
            }
            block.push(self.statement()?);
            if let Token::Word(_) | Token::Open = self.token {
                return self.unexpected("the end of the command");
            }
        }
        self.depth -= 1;
        Ok(Rc::new(block))
    }

    fn separators(&mut self) -> Result<()> {
        while let Token::Newline | Token::Semicolon = self.token {
            self.advance()?;
        }
        Ok(())
    }

    fn statement(&mut self) -> Result<Statement> {
        let keyword = match &self.token {
            Token::Word(word) => word.plain().unwrap_or_default().to_owned(),
            _ => String::new(),
        };
        match keyword.as_str() {
            "if" => self.conditional(),
            "while" | "until" => {
                self.advance()?;
                Ok(Statement::While {
                    until: keyword == "until",
                    condition: self.block()?,
                    body: self.loop_body()?,
                })
            }
            "for" => {
                self.advance()?;
                let name = self.name()?;
                self.keyword("in")?;
                let words = self.words()?;
                self.separators()?;
                Ok(Statement::For {
                    name,
                    words,
                    body: self.loop_body()?,
                })
            }
            "function" => {
                self.advance()?;
                let name = self.name()?;
                while self.token == Token::Newline {
                    self.advance()?;
                }
                if self.token != Token::Open {
                    return self.unexpected("`{`");
                }
                let body = self.body()?;
                Ok(Statement::Function { name, body })
            }
            _ => {
                let words = self.words()?;
                let body = match self.token {
                    Token::Open => Some(self.body()?),
                    _ => None,
                };
                Ok(Statement::Command { words, body })
            }
        }
    }

    fn conditional(&mut self) -> Result<Statement> {
        let mut branches = Vec::new();
        let mut otherwise = Block::default();
        // Behind `if`, then behind each `elif`.
        loop {
            self.advance()?;
            let condition = self.block()?;
            self.keyword("then")?;
            branches.push((condition, self.block()?));
            if !self.at("elif") {
                break;
            }
        }
        if self.at("else") {
            self.advance()?;
            otherwise = self.block()?;
        }
        self.keyword("fi")?;
        Ok(Statement::If {
            branches,
            otherwise,
        })
    }

    fn loop_body(&mut self) -> Result<Block> {
        self.keyword("do")?;
        let body = self.block()?;
        self.keyword("done")?;
        Ok(body)
    }

    /// `{ ... }`, looking at the brace.
    fn body(&mut self) -> Result<Block> {
        self.advance()?;
        let body = self.block()?;
        if self.token != Token::Close {
            return self.unexpected("`}`");
        }
        self.advance()?;
        Ok(body)
    }

    fn words(&mut self) -> Result<Vec<Word>> {
        let mut words = Vec::new();
        while let Token::Word(_) = self.token {
            if let Token::Word(word) = self.advance()? {
                words.push(word);
            }
        }
        Ok(words)
    }

    fn name(&mut self) -> Result<String> {
        match &self.token {
            Token::Word(word) if word.plain().is_some() => {
                let name = word.plain().unwrap_or_default().to_owned();
                self.advance()?;
                Ok(name)
            }
            _ => self.unexpected("a name"),
        }
    }

    fn at(&self, keyword: &str) -> bool {
        matches!(&self.token, Token::Word(word) if word.plain() == Some(keyword))
    }

    fn keyword(&mut self, keyword: &str) -> Result<()> {
        if !self.at(keyword) {
            return self.unexpected(&format!("`{keyword}`"));
        }
        self.advance()?;
        Ok(())
    }

    fn unexpected<T>(&self, wanted: &str) -> Result<T> {
        // The lexer is behind the token already.
        let line = self.lexer.line - usize::from(self.token == Token::Newline);
        let found = match &self.token {
            Token::Newline => "the end of the line".into(),
            Token::Semicolon => "`;`".into(),
            Token::Open => "`{`".into(),
            Token::Close => "`}`".into(),
            Token::End => "the end of the file".into(),
            Token::Word(word) => match word.plain() {
                Some(text) => format!("`{text}`"),
                None => "a word".to_owned(),
            },
        };
        bail!("line {line}: {found} stands where {wanted} should be")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_words_behind_a_command() {
        let block = parse("echo if then fi done\nset in=for").unwrap();
        assert_eq!(block.len(), 2);
    }

    #[test]
    fn blocks_may_stand_on_one_line_or_on_many() {
        for text in [
            "if a; then b; elif c; then d; else e; fi",
            "if a\nthen\n\n b\nelif c\nthen d\nelse\n e\nfi\n",
        ] {
            let block = parse(text).unwrap();
            let [Statement::If {
                branches,
                otherwise,
            }] = block.as_slice()
            else {
                panic!("{block:?}")
            };
            assert_eq!((branches.len(), otherwise.len()), (2, 1));
        }
        for text in [
            "menuentry 'a' { true }",
            "menuentry 'a'{\n true\n}",
            "function f\n{\n true\n}",
            "for x in a b; do true; done",
            "until true\ndo\n true\ndone",
        ] {
            assert_eq!(parse(text).unwrap().len(), 1, "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_line() {
        for (text, error) in [
            ("true\n}", "line 2: `}` stands where the end should be"),
            ("fi", "line 1: `fi` stands where the end should be"),
            (
                "if a\nthen b\n",
                "line 3: the end of the file stands where `fi` should be",
            ),
            (
                "if a; then b; fi c",
                "line 1: `c` stands where the end of the command should be",
            ),
            (
                "menuentry a {\n",
                "line 2: the end of the file stands where `}` should be",
            ),
            ("function {", "line 1: `{` stands where a name should be"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), error, "{text}");
        }
        let deep = "if a; then ".repeat(1000);
        assert_eq!(
            parse(&deep).unwrap_err().to_string(),
            "line 1: nested too deeply"
        );
    }
}
