//! The parameters of a test, from the kernel's command line: `vmtest.NAME=VALUE`.
//!
//! Not `rkexec.NAME=`: that would be a parameter of the module, which modprobe reads there too.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::{anyhow, Context, Result};

/// What all the names start with.
pub const PREFIX: &str = "vmtest.";

/// The `vmtest.` parameters of one command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(BTreeMap<String, String>);

impl Params {
    /// Those that the running kernel was given.
    ///
    /// # Errors
    ///
    /// `/proc/cmdline` cannot be read.
    pub fn of_this_kernel() -> Result<Self> {
        let line = std::fs::read_to_string("/proc/cmdline").context("/proc/cmdline")?;
        Ok(Self::parse(&line))
    }

    /// Those in `line`. The last one of a name counts.
    pub fn parse(line: &str) -> Self {
        let pairs = line.split_ascii_whitespace().filter_map(|word| {
            let (name, value) = word.strip_prefix(PREFIX)?.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        });
        Self(pairs.collect())
    }

    /// The value of `name`, or `None` if it was not given.
    ///
    /// # Errors
    ///
    /// It was given, and is not a `T`.
    pub fn get<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        let parse = |value: &String| {
            value
                .parse()
                .map_err(|_| anyhow!("{PREFIX}{name}={value} makes no sense"))
        };
        self.0.get(name).map(parse).transpose()
    }

    /// The value of `name`.
    ///
    /// # Errors
    ///
    /// It was not given, or is not a `T`.
    pub fn need<T: FromStr>(&self, name: &str) -> Result<T> {
        self.get(name)?
            .with_context(|| format!("{PREFIX}{name}= is missing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_among_other_words() {
        let params = Params::parse("quiet vmtest.a=1 root=/dev/x vmtest.b=c=d vmtest.a=2 vmtest.e");
        assert_eq!(params.need::<u32>("a").unwrap(), 2);
        assert_eq!(params.need::<String>("b").unwrap(), "c=d");
        assert_eq!(params.get::<String>("e").unwrap(), None);
        assert!(params.need::<u32>("b").is_err());
        assert!(params.need::<u32>("missing").is_err());
    }
}
