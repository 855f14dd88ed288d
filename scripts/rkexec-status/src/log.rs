//! What the kernel's log says of rkexec.

use serde::Serialize;

/// A line of the log (Documentation/ABI/testing/dev-kmsg).
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Its number since the machine was started.
    number: u64,
    /// When it was written, in seconds since then.
    pub seconds: f64,
    pub text: String,
}

/// The log, as far as it is there.
pub struct Log(Option<Vec<Record>>);

/// How far it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Extent {
    /// Since the machine was started.
    Whole,
    /// Its first lines have made room for later ones.
    Rotated,
    /// This user may not read it, or there is none.
    Unreadable,
}

/// What has become of the module, by its last line about that.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// Nothing is said of it.
    Unknown,
    TakenOver,
    TakenOut,
    /// Not by whom, but by what line.
    Refused(String),
}

/// A refusal, and the reason if that has a line of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal<'a> {
    pub record: &'a Record,
    pub why: Option<&'a str>,
}

/// An image that was loaded by the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded {
    pub is_crash: bool,
    /// Of its segments, rounded down.
    pub mib: u64,
}

impl Log {
    /// `text` is all records, as the kernel gives them.
    pub fn new(text: Option<&str>) -> Self {
        Self(text.map(|text| text.lines().filter_map(record).collect()))
    }

    pub fn extent(&self) -> Extent {
        match &self.0 {
            None => Extent::Unreadable,
            Some(records) => match records.first() {
                Some(Record { number: 1.., .. }) => Extent::Rotated,
                _ => Extent::Whole,
            },
        }
    }

    /// When the first line was written that is still there, in seconds.
    pub fn begins(&self) -> Option<f64> {
        Some(self.records().first()?.seconds)
    }

    pub fn fate(&self) -> Fate {
        let fates = self.records().iter().rev().filter_map(|it| fate(&it.text));
        fates.into_iter().next().unwrap_or(Fate::Unknown)
    }

    pub fn last_refusal(&self) -> Option<Refusal<'_>> {
        /// What loads waits for another one so long.
        const PATIENCE_SECONDS: f64 = 15.0;

        let records = self.records();
        let last = records.iter().rposition(|it| is_refusal(&it.text))?;
        let record = &records[last];
        let has_reason = !record.text.contains("by the kernel (error");
        let reason = records[..last].iter().rev().find(|it| {
            it.text.contains(IMAGE_NOT_LOADED) || it.text.starts_with("Lockdown: kexec")
        });
        let why = reason
            .filter(|it| !has_reason && record.seconds - it.seconds < PATIENCE_SECONDS)
            .map(|it| it.text.as_str());
        Some(Refusal { record, why })
    }

    /// The images that the module has loaded since it has taken over, in order.
    pub fn loaded(&self) -> Vec<Loaded> {
        let records = self.records();
        let start = records.iter().rposition(|it| is_start(&it.text));
        let records = start.map_or(records, |start| &records[start..]);
        records.iter().filter_map(|it| loaded(&it.text)).collect()
    }

    fn records(&self) -> &[Record] {
        self.0.as_deref().unwrap_or_default()
    }
}

/// `priority,number,microseconds,flags;text`. Lines that begin with a space belong to the one before.
fn record(line: &str) -> Option<Record> {
    const MICROSECONDS: f64 = 1e6;

    let (head, text) = line.split_once(';')?;
    let mut head = head.split(',').skip(1);
    let number = head.next()?.parse().ok()?;
    let microseconds: f64 = head.next()?.parse().ok()?;
    Some(Record {
        number,
        seconds: microseconds / MICROSECONDS,
        text: text.to_owned(),
    })
}

const IMAGE_NOT_LOADED: &str = "rkexec: image not loaded: ";
const NOT_LOADED: &str = "rkexec: not loaded: ";

fn is_start(text: &str) -> bool {
    const STARTS: [&str; 2] = [
        "rkexec: kexec is forwarded to Xen",
        "rkexec: kexec images get a map of all memory",
    ];
    STARTS.iter().any(|start| text.starts_with(start))
}

fn fate(text: &str) -> Option<Fate> {
    if is_start(text) {
        Some(Fate::TakenOver)
    } else if text == "livepatch: 'rkexec': unpatching complete" {
        Some(Fate::TakenOut)
    } else {
        is_refused_module(text).then(|| Fate::Refused(text.to_owned()))
    }
}

/// By itself, by the kernel's loader of modules, or by its livepatch core. Some of these do not say which module
/// they are about.
fn is_refused_module(text: &str) -> bool {
    let loader = ["version magic", "disagrees about", "Unknown symbol"];
    let signature = ["Loading of unsigned module", "Loading of module with"];
    let livepatch = ["'rkexec'", "xen_privcmd", "privcmd_ioctl"];
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    text.starts_with(NOT_LOADED)
        || text.starts_with("rkexec: ") && has(&loader)
        || signature.iter().any(|start| text.starts_with(start)) && text.ends_with("is rejected")
        || text.starts_with("Lockdown: modprobe: unsigned module loading")
        || text.starts_with("livepatch: ") && text.contains("failed") && has(&livepatch)
}

fn is_refusal(text: &str) -> bool {
    const WORDS: [&str; 5] = [
        "not loaded: ",
        "not taken out: ",
        ": refused, ",
        "does not start the image",
        "the crash area stays as it is",
    ];
    is_refused_module(text)
        || text.starts_with("rkexec: ") && WORDS.iter().any(|word| text.contains(word))
}

/// As in `kexec_file_load: crash image of 5 segments, 38 MiB, to be entered at ma:0x101000`.
fn loaded(text: &str) -> Option<Loaded> {
    let (call, image) = text.strip_prefix("rkexec: ")?.split_once(": ")?;
    if !matches!(call, "kexec_load" | "kexec_file_load") {
        return None;
    }
    let (mib, _) = image.split_once(" segments, ")?.1.split_once(" MiB")?;
    Some(Loaded {
        is_crash: image.starts_with("crash image"),
        mib: mib.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(lines: &[&str]) -> Log {
        let record =
            |(number, line): (usize, &&str)| format!("3,{number},{number}000000,-;{line}\n");
        let text: String = lines.iter().enumerate().map(record).collect();
        Log::new(Some(&text))
    }

    const START: &str =
        "rkexec: kexec is forwarded to Xen 4.20 (kexec interface V2, hand-over of 24 KiB)";

    #[test]
    fn the_last_line_about_the_module_decides() {
        let refused = "rkexec: not loaded: Xen 4.20 was built without kexec (CONFIG_KEXEC)";
        let image = "rkexec: image not loaded: not enough memory for the image";
        let out = "livepatch: 'rkexec': unpatching complete";
        assert_eq!(log(&[]).fate(), Fate::Unknown);
        assert_eq!(log(&[refused, START, image]).fate(), Fate::TakenOver);
        assert_eq!(log(&[START, out]).fate(), Fate::TakenOut);
        assert_eq!(
            log(&[START, out, refused]).fate(),
            Fate::Refused(refused.to_owned())
        );
        let others = "livepatch: failed to enable patch 'other' (-16)";
        assert_eq!(log(&[others]).fate(), Fate::Unknown);
    }

    #[test]
    fn a_signature_that_is_wanted_is_a_refusal_and_one_that_is_missing_is_none() {
        let wanted = "Loading of module with unavailable key is rejected";
        assert_eq!(log(&[wanted]).fate(), Fate::Refused(wanted.to_owned()));
        let missing = "rkexec: module verification failed: signature and/or required key missing - tainting kernel";
        assert_eq!(log(&[missing]).fate(), Fate::Unknown);
    }

    #[test]
    fn a_number_of_the_kernels_has_its_reason_before_it() {
        let why = "rkexec: image not loaded: segment 2 (...) is not in the machine's RAM: there is none at ma:0x0";
        let number =
            "rkexec: kexec has called Xen to load an image: refused, by the kernel (error -99)";
        let none = "rkexec: kexec has called Xen to start an image: refused, for none is loaded";
        let with = log(&[START, why, number, "e1000: link is up"]);
        let refusal = with.last_refusal().unwrap();
        assert_eq!(
            (refusal.record.text.as_str(), refusal.why),
            (number, Some(why))
        );
        assert_eq!(refusal.record.seconds, 2.0);
        let without = log(&[why, none]);
        assert_eq!(without.last_refusal().unwrap().why, None);
        assert_eq!(log(&[START]).last_refusal(), None);
    }

    #[test]
    fn images_count_since_the_module_has_taken_over() {
        let default = "rkexec: kexec_load: 5 segments, 29 MiB, to be entered at ma:0x101000";
        let crash =
            "rkexec: kexec_file_load: crash image of 4 segments, 38 MiB, to be entered at ma:0x1";
        let loaded = |is_crash, mib| Loaded { is_crash, mib };
        assert_eq!(log(&[default, START, crash]).loaded(), [loaded(true, 38)]);
        assert_eq!(
            log(&[START, crash, default]).loaded(),
            [loaded(true, 38), loaded(false, 29)]
        );
    }

    #[test]
    fn what_has_gone_is_known_by_the_first_number() {
        let text = "6,812,5140900,-;first\n SUBSYSTEM=pci\n6,813,5140901,-;second; and more\n";
        let rotated = Log::new(Some(text));
        assert_eq!(rotated.extent(), Extent::Rotated);
        assert_eq!(rotated.begins(), Some(5.1409));
        assert_eq!(rotated.records()[1].text, "second; and more");
        assert_eq!(log(&["first"]).extent(), Extent::Whole);
        assert_eq!(Log::new(None).extent(), Extent::Unreadable);
    }
}
