//! The options of a command, told from its arguments by GRUB's rules.

/// An option that a command knows.
pub(super) struct Known {
    long: &'static str,
    short: Option<char>,
    value: Value,
}

impl Known {
    pub(super) const fn new(long: &'static str, short: Option<char>, value: Value) -> Self {
        Self { long, short, value }
    }
}

/// Whether an option has a value.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Value {
    None,
    Required,
    Optional,
}

/// What was given to a command.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Given {
    options: Vec<(&'static str, Option<String>)>,
    /// The arguments, and what looks like an option and is none that the command knows.
    pub(super) arguments: Vec<String>,
}

impl Given {
    /// Whether an option is there.
    pub(super) fn has(&self, long: &str) -> bool {
        self.options.iter().any(|(name, _)| *name == long)
    }

    /// The value of an option; the last one counts.
    pub(super) fn value(&self, long: &str) -> Option<&str> {
        let mut named = self.options.iter().rev().filter(|(name, _)| *name == long);
        named.next()?.1.as_deref()
    }
}

/// Reads arguments. The value of a long option may follow as the next one, if it begins with no dash.
pub(super) fn read(arguments: &[String], known: &[Known]) -> Given {
    let mut given = Given::default();
    let mut rest = arguments.iter().peekable();
    while let Some(argument) = rest.next() {
        if argument == "--" {
            given.arguments.extend(rest.cloned());
            break;
        }
        if let Some(long) = argument.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            if let Some(option) = known.iter().find(|option| option.long == name) {
                let value = value.or_else(|| {
                    let next =
                        rest.next_if(|next| option.value != Value::None && !next.starts_with('-'));
                    next.cloned()
                });
                given.options.push((option.long, value));
                continue;
            }
        } else if let Some(options) = shorts(argument, known) {
            for (index, option) in options.iter().enumerate() {
                let value = match option.value {
                    Value::Required if index + 1 == options.len() => rest.next().cloned(),
                    Value::Optional if index + 1 == options.len() => {
                        rest.next_if(|next| !next.starts_with('-')).cloned()
                    }
                    _ => None,
                };
                given.options.push((option.long, value));
            }
            continue;
        }
        given.arguments.push(argument.clone());
    }
    given
}

/// The options of `-abc`, if all of them are known.
fn shorts<'a>(argument: &str, known: &'a [Known]) -> Option<Vec<&'a Known>> {
    let letters = argument.strip_prefix('-').filter(|l| !l.is_empty())?;
    letters
        .chars()
        .map(|letter| known.iter().find(|option| option.short == Some(letter)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [Known; 3] = [
        Known::new("set", Some('s'), Value::Optional),
        Known::new("hint", None, Value::Required),
        Known::new("fs-uuid", Some('u'), Value::None),
    ];

    fn given(text: &str) -> Given {
        let words: Vec<_> = text.split(' ').map(str::to_owned).collect();
        read(&words, &KNOWN)
    }

    #[test]
    fn values_follow_or_are_joined() {
        for text in [
            "--set=root --fs-uuid --hint=hd0 1234",
            "--set root --fs-uuid --hint hd0 1234",
            "-u -s root --hint=hd0 1234",
            "-us root --hint=hd0 1234",
        ] {
            let given = given(text);
            assert_eq!(given.value("set"), Some("root"), "{text}");
            assert!(given.has("fs-uuid") && given.value("hint") == Some("hd0"));
            assert_eq!(given.arguments, ["1234"]);
        }
        let bare = given("--set --fs-uuid 1234");
        assert!(bare.has("set") && bare.value("set").is_none());
        assert_eq!(bare.arguments, ["1234"]);
    }

    #[test]
    fn what_is_not_known_is_an_argument() {
        assert_eq!(
            given("--new=1 -x - -ux").arguments,
            ["--new=1", "-x", "-", "-ux"]
        );
        assert_eq!(given("-- --set").arguments, ["--set"]);
    }
}
