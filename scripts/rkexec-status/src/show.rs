//! The facts, for a person to read.

use std::fmt;

use crate::clients::{Clients, Door};
use crate::facts::{Facts, LogFacts};
use crate::host::{Host, Kind};
use crate::images::{CrashArea, Image, Keeper};
use crate::log::Extent;
use crate::module::{Module, State};
use crate::trouble::Trouble;

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is wrong with the module is the first problem, and the first line.
        let is_loaded = self.module.state == State::Loaded;
        let (module, problems) = self.problems.split_at((!is_loaded).into());
        if is_loaded {
            row(f, "rkexec", at_work(&self.host))?;
        }
        troubles(f, "rkexec", module)?;
        row(f, "versions", &versions(&self.module))?;
        row(f, "kernel", &kernels(self))?;
        row(f, "host", &host(&self.host))?;
        row(f, "default image", &image(&self.images.default))?;
        row(f, "crash image", &image(&self.images.crash))?;
        row(f, "crash area", &crash_area(&self.crash_area))?;
        row(f, "programs", &programs(self))?;
        row(f, "last refusal", &refusal(&self.log))?;
        let last = self.log.last_refusal.as_ref();
        remedy(f, last.and_then(|it| it.remedy.as_ref()))?;
        troubles(f, "problem", problems)?;
        troubles(f, "note", &self.notes)?;
        if !self.unreadable.is_empty() {
            row(f, "not readable", &self.unreadable.join(", "))?;
        }
        Ok(())
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, text: &str) -> fmt::Result {
    writeln!(f, "{name:<15}{text}")
}

fn troubles(f: &mut fmt::Formatter<'_>, name: &str, troubles: &[Trouble]) -> fmt::Result {
    for trouble in troubles {
        row(f, name, &trouble.what)?;
        remedy(f, trouble.remedy.as_ref())?;
    }
    Ok(())
}

fn remedy(f: &mut fmt::Formatter<'_>, remedy: Option<&String>) -> fmt::Result {
    remedy.map_or(Ok(()), |it| row(f, "", &format!("-> {it}")))
}

fn at_work(host: &Host) -> &'static str {
    match host.kind {
        Kind::BareMetal => "at work: images get a map of all memory",
        _ => "at work: kexec is forwarded to Xen",
    }
}

fn versions(module: &Module) -> String {
    let mut versions = Vec::new();
    if !matches!(
        module.state,
        State::NoModule | State::NotLoaded | State::Refused
    ) {
        let version = module.version.as_deref().unwrap_or("without a version");
        versions.push(format!("loaded: {version}"));
    }
    versions.extend(
        module
            .packages
            .iter()
            .map(|(name, version)| format!("{name} {version}")),
    );
    if module.packages.is_empty() {
        versions.push("no package of Debian's".to_owned());
    }
    versions.join("; ")
}

fn kernels(facts: &Facts) -> String {
    let file = facts.module.file.as_deref().unwrap_or("without a module");
    let others = (facts.module.kernels.iter()).filter(|kernel| **kernel != facts.kernel);
    let others = others.map(String::as_str).collect::<Vec<_>>();
    let others = match others.is_empty() {
        true => "no other kernel has one".to_owned(),
        false => format!("also for {}", others.join(", ")),
    };
    format!("{}: {file}; {others}", facts.kernel)
}

fn host(host: &Host) -> String {
    let xen = host.xen.as_deref().unwrap_or("of an unknown version");
    let kind = match host.kind {
        Kind::BareMetal => return "bare metal, without Xen".to_owned(),
        Kind::Dom0 => "dom0",
        Kind::PvhDom0 => "dom0 of type PVH, to which Xen offers no kexec",
        Kind::Guest => "a guest, which can start no other kernel",
    };
    let interface = match (&host.interface, &host.interfaces) {
        (Some(used), Some(all)) => format!(", kexec interface {used} (of {})", all.join(", ")),
        _ => String::new(),
    };
    format!("Xen {xen}, {kind}{interface}")
}

fn image(image: &Image) -> String {
    if !image.loaded {
        return "none".to_owned();
    }
    let by = match image.by_rkexec {
        Some(true) => ", by rkexec",
        Some(false) => ", by the kernel's own code",
        None => ", nobody knows by whom",
    };
    let mib = image.mib.map(|mib| format!(", {mib} MiB"));
    format!("loaded{by}{}", mib.unwrap_or_default())
}

fn crash_area(area: &CrashArea) -> String {
    let keeper = match area.keeper {
        Keeper::Xen => "Xen",
        Keeper::Linux => "Linux",
    };
    let mib = |bytes: u64| bytes >> 20;
    match (area.bytes, area.free_bytes) {
        (None, _) if area.keeper == Keeper::Xen => {
            "not known: only rkexec sees what Xen keeps".to_owned()
        }
        (None, _) => "not known".to_owned(),
        (Some(0), _) => format!("none: {keeper} was not told crashkernel="),
        (Some(bytes), Some(free)) => {
            format!(
                "{} MiB of {keeper}'s, about {} of them free",
                mib(bytes),
                mib(free)
            )
        }
        (Some(bytes), None) => format!("{} MiB of {keeper}'s", mib(bytes)),
    }
}

fn programs(facts: &Facts) -> String {
    let Clients {
        door,
        kdump_tools,
        load_kexec,
        lockdown,
        ..
    } = &facts.clients;
    let door = match (door, facts.host.kind) {
        (Some(Door::Open), _) => "those that call Xen are served by the kernel",
        (Some(Door::LeftToXen), _) => "those that call Xen are left to it (privcmd=0)",
        (Some(Door::NoDriver), _) => "none can call Xen (xen-privcmd is not loaded)",
        (Some(Door::Shut), _) => "those that call Xen go past the kernel",
        (None, Kind::BareMetal) => "by system calls",
        (None, _) => "those that call Xen are left to it",
    };
    let mut words = vec![door.to_owned()];
    if let Some(level) = lockdown {
        words.push(format!(
            "locked down ({level}): only kexec_file_load(2) may load"
        ));
    }
    if *kdump_tools {
        words.push("kdump-tools is on".to_owned());
    }
    if *load_kexec {
        words.push("kexec-tools loads a kernel".to_owned());
    }
    words.join("; ")
}

fn refusal(log: &LogFacts) -> String {
    let Some(last) = &log.last_refusal else {
        let none = match (log.extent, log.begins_at_seconds) {
            (Extent::Whole, _) => "none",
            (Extent::Rotated, Some(begins)) => {
                return format!(
                    "none in the log, which begins {begins:.0} s after the start of the machine"
                )
            }
            (Extent::Rotated, None) => "none in the log",
            (Extent::Unreadable, _) => "not known: only root reads the kernel's log",
        };
        return none.to_owned();
    };
    let age = last.age_seconds.map(|age| format!("{} ago", duration(age)));
    let reason = last.reason.iter().map(|reason| format!(" ({reason})"));
    format!(
        "{}: {}{}",
        age.unwrap_or_else(|| format!("[{:.3}]", last.at_seconds)),
        last.line,
        reason.collect::<String>()
    )
}

/// In its two largest units.
fn duration(seconds: f64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;

    // A float becomes the nearest integer that there is.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let seconds = seconds as u64;
    match seconds {
        DAY.. => format!("{} d {} h", seconds / DAY, seconds % DAY / HOUR),
        HOUR.. => format!("{} h {} min", seconds / HOUR, seconds % HOUR / MINUTE),
        MINUTE.. => format!("{} min {} s", seconds / MINUTE, seconds % MINUTE),
        _ => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_two_units() {
        assert_eq!(duration(0.4), "0 s");
        assert_eq!(duration(61.9), "1 min 1 s");
        assert_eq!(duration(3600.0), "1 h 0 min");
        assert_eq!(duration(90_000.0), "1 d 1 h");
    }
}
