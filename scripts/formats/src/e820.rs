//! A memory map as text: lines of `START END TYPE`.

use std::path::Path;
use std::{fmt, fs, str};

use anyhow::{bail, ensure, Context, Result};
use rkexec::addr::PHYS_END;
use rkexec::memmap::{E820Type, MapEntry};

/// A memory map, and what is odd about it.
pub struct MemoryMap {
    /// Its entries, in the order of the file.
    pub entries: Vec<MapEntry>,
    /// What is odd about it.
    pub warnings: Vec<Warning>,
}

/// Something that is read, but probably not what is meant.
#[derive(Debug, PartialEq, Eq)]
pub struct Warning {
    line: usize,
    what: &'static str,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: warning: {}", self.line, self.what)
    }
}

/// Linux's number for memory that is set aside for a driver (`E820_TYPE_SOFT_RESERVED`).
const SOFT_RESERVED: E820Type = E820Type::Other(0xefff_ffff);

/// Reads the whole file.
///
/// # Errors
///
/// The first line that is wrong, by its number, and why; or that there is no entry at all.
pub fn parse(bytes: &[u8]) -> Result<MemoryMap> {
    let mut map = MemoryMap {
        entries: Vec::new(),
        warnings: Vec::new(),
    };
    for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let number = index + 1;
        let entry = parse_line(line).with_context(|| format!("line {number}"))?;
        let Some(entry) = entry else { continue };
        if entry.kind() == E820Type::Ram && entry.start.saturating_add(entry.len_bytes) > PHYS_END {
            map.warnings.push(Warning {
                line: number,
                what: "RAM ends at 2^52, the end of physical memory",
            });
        }
        map.entries.push(entry);
    }
    ensure!(!map.entries.is_empty(), "there is no memory map in it");
    Ok(map)
}

/// The memory map of a machine.
#[derive(Debug)]
pub struct Machine {
    /// What it is called: its file without the extension.
    pub name: String,
    /// Its entries, in the order of the file.
    pub entries: Vec<MapEntry>,
}

/// The maps in a folder, in the order of their names.
///
/// # Errors
///
/// One of its files cannot be read, or is no memory map.
pub fn folder(path: &Path) -> Result<Vec<Machine>> {
    let mut machines = Vec::new();
    for file in fs::read_dir(path).with_context(|| path.display().to_string())? {
        let path = file?.path();
        let map = fs::read(&path).map_err(Into::into);
        let map = map.and_then(|bytes| parse(&bytes));
        machines.push(Machine {
            name: path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into(),
            entries: map.with_context(|| path.display().to_string())?.entries,
        });
    }
    machines.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(machines)
}

/// The entry on a line, if there is one.
fn parse_line(line: &[u8]) -> Result<Option<MapEntry>> {
    let line = str::from_utf8(line).ok().context("this is not text")?;
    let line = line.split('#').next().unwrap_or_default().trim();
    if line.is_empty() {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let start = parse_address(words.next(), "START")?;
    let last = parse_address(words.next(), "END")?;
    let kind = parse_kind(&words.collect::<Vec<_>>().join(" "))?;
    ensure!(
        start <= last,
        "END {last:#x} is below START {start:#x} (END is the last byte)"
    );
    Ok(Some(MapEntry {
        start,
        // All 2^64 bytes are one too many for a length. It does not matter: memory ends before.
        len_bytes: (last - start).saturating_add(1),
        kind_raw: kind.raw(),
    }))
}

/// A hexadecimal number, with `0x` or without.
fn parse_address(word: Option<&str>, what: &str) -> Result<u64> {
    let word = word.with_context(|| format!("{what} is missing, expected START END TYPE"))?;
    let digits = word.strip_prefix("0x").unwrap_or(word);
    // `from_str_radix` takes a sign.
    let is_hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    ensure!(is_hex, "{what} {word:?} is not a hexadecimal number");
    u64::from_str_radix(digits, 16)
        .ok()
        .with_context(|| format!("{what} {word:?} does not fit into 64 bits"))
}

/// What the logs of Linux and of Xen call a type.
fn parse_kind(label: &str) -> Result<E820Type> {
    Ok(match label {
        "usable" => E820Type::Ram,
        "reserved" => E820Type::Reserved,
        "ACPI data" => E820Type::Acpi,
        "ACPI NVS" => E820Type::Nvs,
        "unusable" => E820Type::Unusable,
        "persistent" => E820Type::Persistent,
        "soft reserved" => SOFT_RESERVED,
        "" => bail!("TYPE is missing, expected START END TYPE"),
        other => {
            let number = other
                .strip_prefix("persistent (type ")
                .and_then(|rest| rest.strip_suffix(')'))
                .or_else(|| other.strip_prefix("type "));
            let number = number.with_context(|| {
                format!(
                    "TYPE {other:?} is unknown, expected usable, reserved, ACPI data, ACPI NVS, \
                     unusable, soft reserved or type N"
                )
            })?;
            let number = number.parse();
            E820Type::from_raw(
                number.ok().with_context(|| {
                    format!("TYPE {other:?} has no number that fits into 32 bits")
                })?,
            )
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(start: u64, len_bytes: u64, kind: E820Type) -> MapEntry {
        MapEntry {
            start,
            len_bytes,
            kind_raw: kind.raw(),
        }
    }

    fn entries(text: &str) -> Vec<MapEntry> {
        parse(text.as_bytes()).expect("a map").entries
    }

    fn error(text: &[u8]) -> String {
        match parse(text) {
            Ok(_) => panic!("this should be wrong: {text:?}"),
            Err(error) => format!("{error:#}"),
        }
    }

    #[test]
    fn every_label_that_the_logs_have() {
        let labels = [
            ("usable", E820Type::Ram),
            ("reserved", E820Type::Reserved),
            ("ACPI data", E820Type::Acpi),
            ("ACPI NVS", E820Type::Nvs),
            ("unusable", E820Type::Unusable),
            ("persistent", E820Type::Persistent),
            ("persistent (type 7)", E820Type::Persistent),
            ("persistent (type 12)", E820Type::Other(12)),
            ("soft reserved", SOFT_RESERVED),
            ("type 20", E820Type::Other(20)),
            ("type 1", E820Type::Ram),
        ];
        for (label, kind) in labels {
            let text = format!("1000 1fff {label}");
            assert_eq!(entries(&text), [entry(0x1000, 0x1000, kind)], "{label}");
        }
    }

    #[test]
    fn comments_blank_lines_and_any_blanks() {
        let text = "# from here\r\n\n  0x0\t00000fff   ACPI  data  # to there\r\n";
        assert_eq!(entries(text), [entry(0, 0x1000, E820Type::Acpi)]);
    }

    #[test]
    fn the_last_byte_of_64_bits_is_an_end() {
        let all = "0 ffffffffffffffff reserved";
        assert_eq!(entries(all), [entry(0, u64::MAX, E820Type::Reserved)]);
        let one = "ffffffffffffffff ffffffffffffffff reserved";
        assert_eq!(entries(one), [entry(u64::MAX, 1, E820Type::Reserved)]);
    }

    #[test]
    fn ram_past_the_end_of_memory_is_worth_a_warning() {
        let map = parse(b"0 fff usable\n0 fffffffffffff usable\n0 10000000000000 usable\n");
        let warnings = map.expect("a map").warnings;
        assert_eq!(
            warnings.iter().map(Warning::to_string).collect::<Vec<_>>(),
            ["line 3: warning: RAM ends at 2^52, the end of physical memory"]
        );
    }

    #[test]
    fn what_is_wrong_and_where() {
        let cases: [(&[u8], &str); 12] = [
            (b"", "there is no memory map in it"),
            (b"# nothing\n\n", "there is no memory map in it"),
            (
                b"0 fff usable\n0",
                "line 2: END is missing, expected START END TYPE",
            ),
            (b"0 fff", "line 1: TYPE is missing, expected START END TYPE"),
            (
                b"+0 fff usable",
                "line 1: START \"+0\" is not a hexadecimal number",
            ),
            (
                b"0x fff usable",
                "line 1: START \"0x\" is not a hexadecimal number",
            ),
            (
                b"0 -1 usable",
                "line 1: END \"-1\" is not a hexadecimal number",
            ),
            (
                b"0 10000000000000000 usable",
                "line 1: END \"10000000000000000\" does not fit into 64 bits",
            ),
            (
                b"1000 fff usable",
                "line 1: END 0xfff is below START 0x1000 (END is the last byte)",
            ),
            (
                b"0 fff ram",
                "line 1: TYPE \"ram\" is unknown, expected usable, reserved, ACPI data, ACPI NVS, \
                 unusable, soft reserved or type N",
            ),
            (
                b"0 fff type twenty",
                "line 1: TYPE \"type twenty\" has no number that fits into 32 bits",
            ),
            (b"\n\xff\xfe\n", "line 2: this is not text"),
        ];
        for (text, expected) in cases {
            assert_eq!(error(text), expected);
        }
    }
}
