//! What a test is made of: a row of one of the tables in [`crate::cases`].

use rkexec_protocol::choice::Abi;
use rkexec_protocol::{Scenario, Told};

use crate::assets::Files;
use crate::end::End;
use crate::linux_build::LinuxBuild;
use crate::machine::{Firmware, Machine};
use crate::pieces::Piece;

#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// What it shows, as a sentence.
    pub name: &'static str,
    pub machine: Machine,
    /// What the first kernel does there.
    pub scenario: Scenario,
    /// Whether there is a module for it.
    pub module: bool,
    pub end: End,
    /// What must be said on the serial port: regular expressions.
    pub says: &'static [&'static str],
    /// What must not be said there: regular expressions.
    pub never: &'static [&'static str],
    /// Lines that are no trouble in this test: regular expressions.
    pub expects_trouble: &'static [&'static str],
    /// What it needs that may not be there.
    pub needs: Needs,
    /// About how many seconds it takes. The longest start first.
    pub seconds: u64,
}

/// What some tests need, and most do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    Nothing,
    XenTools,
    Selftests,
    /// The disk of a Debian system: the usual release, or sid.
    Debian,
    DebianSid,
    /// That of the usual release, which has an older Xen beside its own.
    TwoXens,
    /// A Debian system with the packages installed, by its name.
    Installed(&'static str),
}

/// What a first kernel is told of the test.
pub fn words(scenario: Scenario, module: bool) -> String {
    let told = Told {
        scenario: Some(scenario),
        module,
        ..Told::default()
    };
    told.to_string()
}

impl Case {
    /// The kexec interface of Xen that it is about, if it is about one.
    pub fn abi(&self) -> Option<Abi> {
        match self.scenario {
            Scenario::Boot(boot) => boot.abi,
            _ => None,
        }
    }

    /// What the module has to say of its way to Xen (a regular expression), in a test of one.
    pub fn interface(&self, files: &Files) -> Option<String> {
        let abi = self.abi()?.name();
        let version = regex::escape(&files.xen(self.machine.xen?)?.version.to_string());
        Some(format!(
            r"rkexec: kexec is forwarded to Xen {version} \(kexec interface {abi}\b"
        ))
    }

    /// All that it needs that may not be there.
    pub fn pieces(&self) -> Vec<Piece> {
        let mut pieces: Vec<_> = self.machine.xen.map(Piece::Xen).into_iter().collect();
        if self.machine.linux != LinuxBuild::Main {
            pieces.push(Piece::Linux(self.machine.linux));
        }
        if self.machine.firmware == Firmware::Uefi {
            pieces.push(Piece::Ovmf);
            pieces.extend(self.machine.xen.map(Piece::XenEfi));
        }
        if self.machine.grub.is_some() {
            pieces.push(Piece::Grub);
        }
        if let End::Dump(_) = self.end {
            pieces.push(Piece::Makedumpfile);
        }
        match self.needs {
            // It is no piece of the archive's.
            Needs::Nothing | Needs::Installed(_) => {}
            Needs::XenTools => pieces.push(Piece::XenUtils),
            Needs::Selftests => pieces.push(Piece::Selftests),
            Needs::Debian => pieces.push(Piece::DebianTrixie),
            Needs::DebianSid => pieces.push(Piece::DebianSid),
            Needs::TwoXens => pieces.extend([Piece::DebianTrixie, Piece::XenUtilsBookworm]),
        }
        pieces
    }
}
