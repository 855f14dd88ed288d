//! What words become: expanded when a command is run, and put together again as a command line.

use super::lexer::{Part, Word};

/// What words may refer to.
pub(super) trait Values {
    /// The value of a variable by name, `?` among them.
    fn variable(&self, name: &str) -> Option<String>;
    /// The arguments of the function or menu entry that is run.
    fn parameters(&self) -> &[String];
}

/// The arguments that words stand for.
///
/// As in GRUB, a variable outside of quotes is split at blanks and those at its ends are dropped; a
/// word of nothing but empty variables is no argument, and an empty pair of quotes is one. Wildcards
/// stay as they are: GRUB itself expands them only with a module that has to be asked for.
pub(super) fn expand(words: &[Word], values: &dyn Values) -> Vec<String> {
    let mut arguments = Arguments::default();
    for word in words {
        arguments.next();
        for part in &word.0 {
            match part {
                Part::Plain(text) | Part::Quoted(text) => arguments.append(text),
                Part::Variable { name, quoted } => {
                    for (index, value) in lookup(name, *quoted, values).iter().enumerate() {
                        if index > 0 {
                            arguments.next();
                        }
                        match quoted {
                            true => arguments.append(value),
                            false => arguments.append_split(value),
                        }
                    }
                }
            }
        }
    }
    arguments.next();
    arguments.done
}

/// The values of a variable: one, or for `$@` one for each argument.
fn lookup(name: &str, quoted: bool, values: &dyn Values) -> Vec<String> {
    let parameters = values.parameters();
    match name {
        "#" => vec![parameters.len().to_string()],
        "@" => parameters.to_vec(),
        "*" if quoted => vec![parameters.join(" ")],
        "*" => parameters.to_vec(),
        _ => match name.parse::<usize>() {
            Ok(number) => number
                .checked_sub(1)
                .and_then(|index| parameters.get(index))
                .into_iter()
                .cloned()
                .collect(),
            Err(_) => values
                .variable(name)
                .into_iter()
                .filter(|value| !value.is_empty())
                .collect(),
        },
    }
}

#[derive(Default)]
struct Arguments {
    done: Vec<String>,
    /// The argument that is built, if anything is known to be in it.
    current: Option<String>,
}

impl Arguments {
    fn next(&mut self) {
        self.done.extend(self.current.take());
    }

    fn append(&mut self, text: &str) {
        self.current.get_or_insert_default().push_str(text);
    }

    fn append_split(&mut self, text: &str) {
        for (index, piece) in text.split_ascii_whitespace().enumerate() {
            if index > 0 {
                self.next();
            }
            self.append(piece);
        }
    }
}

/// One line of arguments, as GRUB's loaders put it together for what they start: an argument with a
/// blank gets double quotes, and quotes and backslashes get a backslash.
pub(super) fn command_line(arguments: &[String]) -> String {
    let words: Vec<_> = arguments.iter().map(|word| escape(word)).collect();
    words.join(" ")
}

fn escape(word: &str) -> String {
    let mut escaped = String::new();
    for c in word.chars() {
        if matches!(c, '\\' | '\'' | '"') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    match word.contains(' ') {
        true => format!("\"{escaped}\""),
        false => escaped,
    }
}

/// The number that a text begins with, as GRUB's `strtoul` finds it: `0x` means base 16, another
/// leading `0` base 8. `None` if there is none, or none of 64 bits.
pub(super) fn leading_number(text: &str) -> Option<u64> {
    let text = text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\u{b}');
    let (digits, base) = match text.as_bytes() {
        [b'0', b'x', ..] => (&text[2..], 16),
        [b'0', b'0'..=b'7', ..] => (text, 8),
        _ => (text, 10),
    };
    let end = digits
        .find(|c: char| !c.is_digit(base))
        .unwrap_or(digits.len());
    u64::from_str_radix(&digits[..end], base).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grub::lexer::{Lexer, Token};

    struct Given;

    impl Values for Given {
        fn variable(&self, name: &str) -> Option<String> {
            match name {
                "spaced" => Some(" a  b ".into()),
                "empty" => Some(String::new()),
                _ => None,
            }
        }

        fn parameters(&self) -> &[String] {
            static PARAMETERS: std::sync::LazyLock<Vec<String>> =
                std::sync::LazyLock::new(|| vec!["one two".into(), "three".into()]);
            &PARAMETERS
        }
    }

    fn expanded(text: &str) -> Vec<String> {
        let mut lexer = Lexer::new(text);
        let mut words = Vec::new();
        while let Token::Word(word) = lexer.token().unwrap() {
            words.push(word);
        }
        expand(&words, &Given)
    }

    #[test]
    fn words_expand_as_in_grub() {
        for (text, arguments) in [
            ("$spaced", vec!["a", "b"]),
            ("\"$spaced\"", vec![" a  b "]),
            ("p${spaced}q", vec!["pa", "bq"]),
            ("$empty $unset x", vec!["x"]),
            ("\"$empty\" '' x", vec!["", "", "x"]),
            ("$#", vec!["2"]),
            ("$1", vec!["one", "two"]),
            ("\"$1\" $3", vec!["one two"]),
            ("\"$@\"", vec!["one two", "three"]),
            ("$@", vec!["one", "two", "three"]),
            ("\"[$*]\"", vec!["[one two three]"]),
            ("$0", vec![]),
        ] {
            assert_eq!(expanded(text), arguments, "{text}");
        }
    }

    #[test]
    fn a_command_line_keeps_its_arguments_apart() {
        let line =
            |words: &[&str]| command_line(&words.iter().map(|&w| w.to_owned()).collect::<Vec<_>>());
        assert_eq!(line(&["placeholder", "a=b"]), "placeholder a=b");
        assert_eq!(line(&["a b", "c"]), r#""a b" c"#);
        assert_eq!(line(&[r#"x="y z""#]), r#""x=\"y z\"""#);
        assert_eq!(line(&["it's", r"c:\d"]), r"it\'s c:\\d");
        assert_eq!(line(&[""]), "");
        assert_eq!(line(&[]), "");
    }

    #[test]
    fn numbers_are_read_in_the_base_that_they_show() {
        for (text, number) in [
            ("0", Some(0)),
            ("12>3", Some(12)),
            (" 7", Some(7)),
            ("0x1F", Some(31)),
            ("010", Some(8)),
            ("08", Some(8)),
            ("", None),
            ("-1", None),
            ("0x", None),
            ("+1", None),
            ("99999999999999999999", None),
            ("é", None),
        ] {
            assert_eq!(leading_number(text), number, "{text}");
        }
    }
}
