//! What has become of each cycle, in a file: so that a thousand of them may take several evenings.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use fs_err::{self as fs, File, OpenOptions};
use serde::{Deserialize, Serialize};

/// One cycle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub cycle: u32,
    /// What was done, and by which version.
    pub group: String,
    pub call: String,
    pub version: String,
    pub seconds: f64,
    /// Whether the first machine never came to it, and it was done on a second one.
    pub twice: bool,
    /// Why it has failed, if it has.
    pub failed: Option<String>,
}

/// The file, open at its end, and what was in it.
pub struct Journal {
    file: File,
    entries: BTreeMap<u32, Entry>,
}

impl Journal {
    /// The one at `path`: from its beginning if it is to be a new one. The last line may be half: the machine
    /// was switched off.
    pub fn open(path: &Path, new: bool) -> Result<Self> {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        let text = match new {
            false if path.exists() => fs::read_to_string(path)?,
            _ => String::new(),
        };
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        fs::write(path, whole)?;
        let entries = whole.lines().enumerate().map(|(at, line)| {
            let entry: Entry = serde_json::from_str(line)
                .with_context(|| format!("{}, line {}", path.display(), at + 1))?;
            Ok((entry.cycle, entry))
        });
        Ok(Self {
            entries: entries.collect::<Result<_>>()?,
            file: OpenOptions::new().append(true).open(path)?,
        })
    }

    pub fn has(&self, cycle: u32) -> bool {
        self.entries.contains_key(&cycle)
    }

    pub fn add(&mut self, entry: Entry) -> Result<()> {
        let line = serde_json::to_string(&entry)?;
        writeln!(self.file, "{line}")?;
        self.entries.insert(entry.cycle, entry);
        Ok(())
    }

    /// The cycles up to this one, in order.
    pub fn until(&self, cycle: u32) -> Vec<&Entry> {
        self.entries.range(..=cycle).map(|(_, it)| it).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(cycle: u32) -> Entry {
        Entry {
            cycle,
            group: "bare metal".to_owned(),
            call: "kexec_load".to_owned(),
            version: "1".to_owned(),
            seconds: 20.5,
            twice: false,
            failed: (cycle == 2).then(|| "why\nelse".to_owned()),
        }
    }

    #[test]
    fn it_goes_on_where_it_was_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/journal");
        let mut journal = Journal::open(&path, false).unwrap();
        for cycle in [2, 1] {
            journal.add(entry(cycle)).unwrap();
        }
        // Half a line.
        let mut text = fs::read_to_string(&path).unwrap();
        text.push_str(r#"{"cycle":3,"gro"#);
        fs::write(&path, text).unwrap();
        let mut journal = Journal::open(&path, false).unwrap();
        assert!(journal.has(1) && journal.has(2) && !journal.has(3));
        journal.add(entry(3)).unwrap();
        let journal = Journal::open(&path, false).unwrap();
        let all = journal.until(9);
        assert_eq!(all, [&entry(1), &entry(2), &entry(3)]);
        assert_eq!(journal.until(2).len(), 2);
        assert!(!Journal::open(&path, true).unwrap().has(1));
        assert!(!Journal::open(&path, false).unwrap().has(1));
    }

    #[test]
    fn another_file_is_no_journal() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        fs::write(&path, "cycle 1\n").unwrap();
        assert!(Journal::open(&path, false).is_err());
    }
}
