//! `vm kdump`: a Debian system in dom0 that has kdump-tools (`scripts/dom0-disk`) crashes, and crash(8) reads
//! what it has saved.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{ensure, Context, Result};
use fs_err as fs;
use libtest_mimic::Arguments;
use rkexec_protocol::choice::Client;

use crate::assets::Assets;
use crate::attempts;
use crate::cases;
use crate::dump;
use crate::run_case::Notes;
use crate::suite::Suite;
use crate::xen_build::XenBuild;

/// The disk of the system (`scripts/dom0-disk`).
const DISK: &str = ".build/dom0/trixie/disk";
/// Where the kernel is that has its debug information (`scripts/debug-vmlinux`).
const DEBUG: &str = ".build/debug";

/// Where kdump-tools saves what it saves.
const SAVED: &str = "/var/crash";
/// What dom0 said last.
const PANIC: &str = "Kernel panic - not syncing: sysrq triggered crash";

/// Without the options crash of Debian 13 does not start on this kernel, whose slabs it does not know.
const CRASH_OPTIONS: [&str; 3] = ["-s", "--no_kmem_cache", "--no_modules"];
/// What crash is asked, and what has to be in its answer.
const QUESTIONS: [(&str, &[&str]); 4] = [
    ("sys", &["PANIC: ", PANIC]),
    // The process that has crashed the kernel, and how.
    (
        "bt",
        &[
            "COMMAND: \"dom0-guest\"",
            "sysrq_handle_crash",
            "entry_SYSCALL_64",
        ],
    ),
    ("ps", &["systemd-journal", "[kthreadd]"]),
    ("log", &["sysrq: Trigger a crash", PANIC]),
];

/// Who loads the crash kernel: kdump-tools as it comes, or by way of the system calls.
const WAYS: [(&str, &str, Client); 2] = [
    (
        "Debian's kdump-tools in dom0: from the boot to a dump in /var/crash",
        "crash reads that dump",
        Client::Kdump,
    ),
    (
        "the same with kexec-syscalls in the place of kexec: makedumpfile knows Linux, and filters pages",
        "crash reads that dump, too",
        Client::KdumpSyscalls,
    ),
];

pub fn run(assets: &Assets) -> Result<bool> {
    let prepared = assets.prepare("kdump", 10, [XenBuild::Main])?;
    let output = prepared.output.clone();
    let files = prepared.with_debian("trixie");
    let vmlinux = Path::new(DEBUG).join(format!("vmlinux-{}", files.inputs.release()?));
    let mut suite = Suite::new(&output);
    for (name, question, client) in WAYS {
        let (files, vmlinux) = (files.clone(), vmlinux.clone());
        let disk = output.join(format!("disk-{client}"));
        let saved = output.join(format!("saved-{client}"));
        let dump = saved.join("dump");
        suite.add(name, &format!("serial-{client}"), move |log| {
            // The copy is what the machine writes to.
            let mut copy = Command::new("cp");
            dump::run(copy.args(["--sparse=always", DISK]).arg(&disk))?;
            if saved.exists() {
                fs::remove_dir_all(&saved)?;
            }
            let case = cases::kdump(name, client, &disk);
            let notes = attempts::run(&case, &files, log, &mut |_, _| ())?;
            let notes = [notes, fetch(client, &disk, &saved)?].concat();
            // After a failure somebody may want to look into it.
            fs::remove_file(&disk)?;
            Ok(notes)
        });
        suite.add(question, &format!("crash-{client}"), move |log| {
            ask_crash(&vmlinux, &dump, log)
        });
    }
    // Each question wants what the test before it has saved.
    let all_passed = suite.run(&Arguments {
        test_threads: Some(1),
        ..Arguments::default()
    })?;
    prepared.remove()?;
    Ok(all_passed)
}

/// Takes what was saved off the disk: `dump`, and `dmesg` if it is there, in the directory `target`.
fn fetch(client: Client, disk: &Path, target: &Path) -> Result<Notes> {
    // The last that was written may be in the journal only. 1: something was corrected.
    let check = Command::new("e2fsck").arg("-fp").arg(disk).output();
    let check = check.context("e2fsck")?;
    let said = String::from_utf8_lossy(&check.stdout);
    ensure!(
        matches!(check.status.code(), Some(0 | 1)),
        "e2fsck: {}: {said}",
        check.status
    );
    let listing = debugfs(disk, &format!("ls -p {SAVED}"))?;
    let dates: Vec<_> = listing.lines().filter_map(date).collect();
    ensure!(dates.len() == 1, "{SAVED} on the disk: {listing}");
    let date = dates[0];
    fs::create_dir_all(target)?;
    let mut notes = Notes::new();
    // Without Linux's vmcoreinfo makedumpfile does not find its messages.
    let names: &[_] = match client {
        Client::KdumpSyscalls => &["dump", "dmesg"],
        _ => &["dump"],
    };
    for name in names {
        let from = format!("{SAVED}/{date}/{name}.{date}");
        let to = target.join(format!("{name}.{date}"));
        debugfs(disk, &format!("dump {from} {}", to.display()))?;
        let bytes = fs::metadata(&to)?.len();
        notes.push(format!("{from}: {bytes} bytes"));
        match *name {
            "dump" => {
                dump::rearrange(&to, &target.join(name))?;
                fs::remove_file(&to)?;
            }
            _ => fs::rename(&to, target.join(name))?,
        }
    }
    if names.contains(&"dmesg") {
        let dmesg = fs::read(target.join("dmesg"))?;
        let dmesg = String::from_utf8_lossy(&dmesg);
        ensure!(dmesg.contains(PANIC), "dom0's panic is not in its dmesg");
    }
    Ok(notes)
}

/// The name of a directory that is all digits, out of `/INODE/MODE/UID/GID/NAME/SIZE/`.
fn date(line: &str) -> Option<&str> {
    let name = line.split('/').nth(5)?;
    let digits = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    digits.then_some(name)
}

/// debugfs(8) tells by no exit status whether it did what it was to do.
fn debugfs(disk: &Path, request: &str) -> Result<String> {
    dump::run(Command::new("debugfs").arg("-R").arg(request).arg(disk))
}

/// Has crash read `dump`, and tell what was going on; what it says goes to `log`.
fn ask_crash(vmlinux: &Path, dump: &Path, log: &Path) -> Result<Notes> {
    ensure!(dump.exists(), "there is no dump");
    ensure!(
        vmlinux.exists(),
        "{} is missing: scripts/debug-vmlinux fetches it",
        vmlinux.display()
    );
    let questions = log.with_extension("questions");
    let names = QUESTIONS.map(|(name, _)| name).join("\n");
    fs::write(&questions, names + "\nquit\n")?;
    let output = Command::new("crash")
        .args(CRASH_OPTIONS)
        .arg("-i")
        .arg(&questions)
        .args([vmlinux, dump])
        .stdin(Stdio::null())
        .output()
        .context("crash")?;
    fs::write(log, [output.stdout.clone(), output.stderr].concat())?;
    ensure!(output.status.success(), "crash: {}", output.status);
    let said = String::from_utf8_lossy(&output.stdout);
    for (question, wanted) in QUESTIONS {
        for text in wanted {
            ensure!(said.contains(text), "{question} does not show {text:?}");
        }
    }
    let load = said.lines().filter(|line| line.contains("TASKS:"));
    Ok(load.map(|line| line.trim().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_directory_that_is_a_date_counts() {
        assert_eq!(date("/131/040755/0/0/202611230310//"), Some("202611230310"));
        assert_eq!(date("/131/040755/0/0/..//"), None);
        assert_eq!(date("/132/100644/0/0/kexec_cmd/120/"), None);
        assert_eq!(date(""), None);
    }
}
