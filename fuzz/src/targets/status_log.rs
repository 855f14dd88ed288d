//! The kernel's log, as `rkexec-status` reads it: any text. What it tells of stands there.

use rkexec_status::log::{Extent, Fate, Log};

pub(super) const WORDS: &[&[u8]] = &[
    b"6,1,1000000,-;", b"rkexec: ", b"rkexec: kexec is forwarded to Xen", b"rkexec: kexec images get a map of all memory",
    b"livepatch: 'rkexec': unpatching complete", b"rkexec: not loaded: ", b"rkexec: image not loaded: ",
    b"kexec_load: ", b"kexec_file_load: ", b"crash image of ", b" segments, ", b" MiB", b": refused, ",
    b"by the kernel (error -99)", b"not taken out: ", b"Lockdown: kexec", b"Loading of unsigned module", b"is rejected",
    b"livepatch: ", b"failed", b"xen_privcmd", b"version magic", b"\n ",
];

pub(super) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let log = Log::new(Some(&text));
    assert!(log.extent() != Extent::Unreadable);
    if let Some(seconds) = log.begins() {
        assert!(!text.is_empty() && !seconds.is_nan());
    }
    if let Fate::Refused(line) = log.fate() {
        assert!(text.contains(&line));
    }
    if let Some(refusal) = log.last_refusal() {
        assert!(text.contains(&refusal.record.text));
        assert!(refusal.why.is_none_or(|why| text.contains(why)));
    }
    assert!(log.loaded().len() <= text.lines().count());
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let lines = [
        "rkexec: kexec is forwarded to Xen 4.20 (kexec interface V2, hand-over of 24 KiB)",
        "rkexec: kexec_load: 5 segments, 29 MiB, to be entered at ma:0x101000",
        "rkexec: kexec_file_load: crash image of 4 segments, 38 MiB, to be entered at ma:0x1",
        "rkexec: image not loaded: not enough memory for the image",
        "rkexec: kexec has called Xen to load an image: refused, by the kernel (error -99)",
        "Loading of module with unavailable key is rejected",
        "livepatch: failed to enable patch 'rkexec' (-16)",
        "livepatch: 'rkexec': unpatching complete",
    ];
    let record = |(nr, line): (usize, &&str)| format!("6,{nr},{nr}500000,-;{line}\n SUBSYSTEM=pci\n");
    let each = lines.iter().enumerate().map(record);
    let all: String = each.clone().collect();
    each.map(String::into_bytes).chain([all.into_bytes()]).collect()
}
