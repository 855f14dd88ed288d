//! `vm test` and `vm measure`: the rows of [`crate::cases`] as a [`Suite`], the longest first.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{ensure, Result};
use clap::Args;
use libtest_mimic::{Arguments, Trial};
use rkexec_protocol::choice::Abi;

use crate::assets::{Assets, Files};
use crate::attempts;
use crate::case::{Case, Needs};
use crate::run_case::Skipped;
use crate::suite::Suite;
use crate::xen_build::{has_v1, XenBuild};

/// Which tests, and how: libtest's options, and some that are about machines.
#[derive(Args)]
pub struct TestArgs {
    /// Keep what the machines booted from, too.
    #[arg(long)]
    keep: bool,
    #[command(flatten, next_help_heading = "As of Rust's test programs")]
    libtest: Arguments,
}

/// Runs the tests, or those that are wanted of them. True if none of them failed.
pub fn run(command: &str, mut cases: Vec<Case>, assets: &Assets, args: &TestArgs) -> Result<bool> {
    let bare = |case: &Case| Trial::test(case.name, || Ok(()));
    // If nothing else is said, a Xen that the user has brought is what it is about.
    let every = args.libtest.filter.is_some() || !assets.has_given_xen();
    cases.retain(|case| {
        let wanted = every || case.machine.xen == Some(XenBuild::Main);
        wanted && !args.libtest.is_filtered_out(&bare(case))
    });
    ensure!(!cases.is_empty(), "no test has such a name");
    if args.libtest.list {
        let _ = libtest_mimic::run(&args.libtest, cases.iter().map(bare).collect());
        return Ok(true);
    }
    // The longest first, so that no processor has nothing to do at the end.
    cases.sort_by_key(|case| std::cmp::Reverse(case.seconds));
    let builds = cases.iter().filter_map(|case| case.machine.xen);
    let files = assets.prepare(command, 1, builds)?;
    if cases.iter().any(|case| case.needs == Needs::Selftests) {
        files.add_selftests()?;
    }
    let builds = BTreeSet::from_iter(cases.iter().map(|case| case.machine.linux));
    builds
        .into_iter()
        .try_for_each(|build| files.add_linux(build))?;
    files.need_module()?;
    let files = Arc::new(files);
    let mut suite = Suite::new(&files.output);
    for case in cases {
        let files = Arc::clone(&files);
        suite.add(case.name, &slug(case.name), move |log| {
            let files = files_for(&case, &files)?;
            attempts::run(&case, &files, log, &mut |_, _| ())
        });
    }
    let passed = suite.run(&args.libtest)?;
    if !args.keep {
        files.remove()?;
    }
    Ok(passed)
}

/// The files for a test; [`Skipped`] if something is missing for it.
pub fn files_for(case: &Case, files: &Files) -> Result<Files> {
    for piece in case.pieces() {
        files.need(piece).map_err(Skipped)?;
    }
    if let Needs::Installed(name) = case.needs {
        return files
            .with_installed(name)
            .map_err(|why| Skipped(why).into());
    }
    let xen = case.machine.xen.and_then(|build| files.xen(build));
    if xen.is_some_and(|xen| case.abi() == Some(Abi::V1) && !has_v1(xen.version)) {
        let v1 = "kexec interface V1, which newer versions of Xen do not have";
        return Err(Skipped(v1.to_owned()).into());
    }
    let files = files.with_linux(case.machine.linux);
    files.need_module()?;
    Ok(match case.needs {
        Needs::Selftests => files.with_selftests(),
        Needs::Debian | Needs::TwoXens => files.with_debian("trixie"),
        Needs::DebianSid => files.with_debian("sid"),
        Needs::Nothing | Needs::XenTools | Needs::Installed(_) => files,
    })
}

/// A name as the name of a file.
fn slug(name: &str) -> String {
    let words = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_a_file_name() {
        assert_eq!(slug("dom0: over Xen, 40 MB"), "dom0-over-xen-40-mb");
    }
}
