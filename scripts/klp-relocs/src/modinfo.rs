//! The `.modinfo` section: `key=value` strings, each ended by a NUL.

/// What a module says about itself.
#[derive(Debug, Default)]
pub struct ModInfo(Vec<(String, String)>);

impl ModInfo {
    /// Parses the section's bytes. The padding between entries and strings without `=` are skipped,
    /// as the kernel does.
    pub fn parse(section: &[u8]) -> Self {
        let entries = section.split(|&byte| byte == 0);
        let pairs = entries.filter_map(|entry| {
            let text = String::from_utf8_lossy(entry);
            let (key, value) = text.split_once('=')?;
            Some((key.to_owned(), value.to_owned()))
        });
        Self(pairs.collect())
    }

    /// The values of all entries with this key, in order.
    pub fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        let entries = self.0.iter().filter(move |(k, _)| k == key);
        entries.map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_of_a_key_is_found() {
        let info = ModInfo::parse(b"livepatch=Y\0\0import_ns=A\0import_ns=B=C\0junk\0");
        assert_eq!(info.values("livepatch").collect::<Vec<_>>(), ["Y"]);
        assert_eq!(info.values("import_ns").collect::<Vec<_>>(), ["A", "B=C"]);
        assert_eq!(info.values("junk").count(), 0);
    }
}
