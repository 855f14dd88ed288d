//! GRUB's `test` command, also written `[ ... ]`.

use super::files::Kind;
use super::words::leading_number;

/// How deep parentheses may be nested, as in GRUB.
const MAX_DEPTH: usize = 100;

/// Whether a condition holds. `kind` says what there is under a name of GRUB's.
///
/// There is no precedence but that `-o` binds less than what is beside it, and what is not known is a
/// text, which holds if it is not empty. Ages of files (`-nt`, `-ot`) and GRUB's order of versions
/// (`-pgt`, `-plt`) do not hold.
pub(super) fn holds(arguments: &[String], kind: &dyn Fn(&str) -> Option<Kind>) -> bool {
    let arguments = match arguments {
        [inner @ .., last] if last == "]" => inner,
        all => all,
    };
    let mut test = Test {
        rest: arguments,
        kind,
        depth: 0,
    };
    test.expression()
}

struct Test<'a> {
    rest: &'a [String],
    kind: &'a dyn Fn(&str) -> Option<Kind>,
    depth: usize,
}

impl Test<'_> {
    /// Up to the closing parenthesis or the end.
    fn expression(&mut self) -> bool {
        let (mut any, mut all, mut invert) = (false, true, false);
        while let [first, rest @ ..] = self.rest {
            let value = if let Some(value) = self.comparison() {
                self.rest = &self.rest[3..];
                value
            } else if let Some(value) = self.property() {
                self.rest = &self.rest[2..];
                value
            } else {
                self.rest = rest;
                match first.as_str() {
                    ")" => break,
                    "(" if self.depth < MAX_DEPTH => {
                        self.depth += 1;
                        let value = self.expression();
                        self.depth -= 1;
                        value
                    }
                    "!" => {
                        invert = !invert;
                        continue;
                    }
                    "-a" => continue,
                    "-o" => {
                        any |= all;
                        all = true;
                        continue;
                    }
                    text => !text.is_empty(),
                }
            };
            all &= value != invert;
            invert = false;
        }
        any || all
    }

    /// Two values with an operator between them.
    fn comparison(&self) -> Option<bool> {
        let [left, operator, right, ..] = self.rest else {
            return None;
        };
        let numbers = || (number(left), number(right));
        Some(match operator.as_str() {
            "=" | "==" => left == right,
            "!=" => left != right,
            "<" => left < right,
            "<=" => left <= right,
            ">" => left > right,
            ">=" => left >= right,
            "-eq" => numbers().0 == numbers().1,
            "-ne" => numbers().0 != numbers().1,
            "-lt" => numbers().0 < numbers().1,
            "-le" => numbers().0 <= numbers().1,
            "-gt" => numbers().0 > numbers().1,
            "-ge" => numbers().0 >= numbers().1,
            "-pgt" | "-plt" => false,
            // A number of seconds may follow at once.
            age if age.starts_with("-nt") || age.starts_with("-ot") => false,
            _ => return None,
        })
    }

    /// What is asked of one value.
    fn property(&self) -> Option<bool> {
        let [operator, value, ..] = self.rest else {
            return None;
        };
        Some(match operator.as_str() {
            "-n" => !value.is_empty(),
            "-z" => value.is_empty(),
            "-e" => (self.kind)(value).is_some(),
            "-d" => (self.kind)(value) == Some(Kind::Directory),
            "-f" => matches!((self.kind)(value), Some(Kind::File { .. })),
            "-s" => matches!((self.kind)(value), Some(Kind::File { len }) if len > 0),
            _ => return None,
        })
    }
}

/// The number that a text begins with, 0 if there is none.
fn number(text: &str) -> i128 {
    match text.strip_prefix('-') {
        Some(text) => -i128::from(leading_number(text).unwrap_or(0)),
        None => leading_number(text).unwrap_or(0).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words at blanks; `''` is an empty one.
    fn test(condition: &str) -> bool {
        let words: Vec<_> = condition
            .split(' ')
            .map(|word| word.replace("''", ""))
            .collect();
        holds(&words, &|name| match name {
            "/file" => Some(Kind::File { len: 3 }),
            "/empty" => Some(Kind::File { len: 0 }),
            "/dir" => Some(Kind::Directory),
            _ => None,
        })
    }

    #[test]
    fn conditions_hold_as_in_grub() {
        for condition in [
            "a = a ]",
            "a == a",
            "a != b",
            "2 -lt 10",
            "-2 -lt 1",
            "10 -ge 0xa",
            "x = y -o a = a",
            "a = a -a b = b",
            "! a = b",
            "! -f /none",
            "-f /file",
            "-s /file",
            "-e /dir",
            "-d /dir",
            "-n x",
            "-z ''",
            "text",
            "( a = b -o a = a ) -a -n x",
            "! ( a = b )",
            "a < b",
            "= = =",
        ] {
            assert!(test(condition), "{condition}");
        }
        for condition in [
            "a = b ]",
            "a = a -a a = b",
            "! a = a",
            "-s /empty",
            "-f /dir",
            "-d /file",
            "-e /none",
            "-n ''",
            "-z x",
            "''",
            "( a = a ) -a a = b",
            "/file -nt /none",
            "10 -lt 9",
        ] {
            assert!(!test(condition), "{condition}");
        }
    }

    #[test]
    fn nothing_holds_and_nesting_ends() {
        assert!(holds(&[], &|_| None));
        assert!(test(&vec!["("; 100_000].join(" ")));
    }
}
