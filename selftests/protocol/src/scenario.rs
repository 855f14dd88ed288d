//! What a kernel of a test machine does: one of these, with parameters that have a default each.
//!
//! As text it is one word, which a person can type: `crash,call=load,trigger=debug-key`.

use std::fmt;
use std::str::FromStr;

use anyhow::{bail, Error, Result};
use serde::{Deserialize, Serialize};
use serde_with::{DeserializeFromStr, SerializeDisplay};

use crate::choice::{
    Abi, Amid, By, Call, Client, Destination, Extra, Gone, Installed, Journey, Lockdown, Trigger,
    Way,
};
use crate::text;

/// MiB of random bytes in the next kernel's initrd, if nothing else is said.
pub const BLOB: u64 = 8;

/// Declares the parameters of a scenario: a structure, its default [`NEW`](Boot::NEW), and for each
/// parameter a function that changes it.
macro_rules! parameters {
    ($($(#[$about:meta])* $name:ident {
        $($(#[$doc:meta])* $field:ident: $type:ty = $default:expr,)+
    })+) => {$(
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(test, derive(proptest_derive::Arbitrary))]
        #[serde(default, deny_unknown_fields)]
        pub struct $name { $($(#[$doc])* pub $field: $type,)+ }

        impl $name {
            /// With the default of everything.
            pub const NEW: Self = Self { $($field: $default,)+ };
            $(
                $(#[$doc])*
                #[must_use]
                // There may be one parameter only.
                #[allow(clippy::needless_update)]
                pub const fn $field(self, $field: $type) -> Self {
                    Self { $field, ..self }
                }
            )+
        }

        impl Default for $name {
            fn default() -> Self {
                Self::NEW
            }
        }
    )+};
}

parameters! {
    /// One load, and off into the next kernel.
    Boot {
        /// By this system call.
        call: Call = Call::File,
        /// To there.
        dest: Destination = Destination::Lowest,
        /// MiB of random bytes in the initrd.
        blob: u64 = BLOB,
        /// MiB of free memory that is in single pages.
        scatter: u32 = 0,
        /// The least number of lines that the machine's memory map has.
        lines: usize = 0,
        /// The interface of Xen that the module has to use.
        abi: Option<Abi> = None,
        /// The kernel is locked down when `kexec_file_load` comes.
        lockdown: Option<Lockdown> = None,
        /// It waits for a line on the console before the next kernel is entered, so that somebody
        /// outside can change memory.
        pause: bool = false,
        /// kexec-tools loads the same before, as it is in a dom0, and unloads it.
        tools: bool = false,
    }

    /// A dom0 that crashes, and a crash kernel that looks at what is left of it.
    Crash {
        /// Who loads the crash kernel.
        call: Way = Way::File,
        /// How it crashes.
        trigger: Trigger = Trigger::Sysrq,
        /// In the midst of this.
        amid: Option<Amid> = None,
        /// A default image is loaded, too.
        default: bool = false,
        /// It is loaded, replaced, unloaded, gone with the module and loaded again before.
        again: bool = false,
        /// So many MiB of dom0's memory have to stay what they are all the while.
        pressure: u64 = 0,
        /// MiB of random bytes in the initrd.
        blob: u64 = BLOB,
        /// The kernel is locked down when `kexec_file_load` comes.
        lockdown: Option<Lockdown> = None,
        /// The crash kernel is told that, too.
        next: Option<Extra> = None,
    }

    /// kexec-tools in a dom0 as it is, and calls of all kinds.
    Door {
        /// How often it loads, loads again and unloads.
        rounds: u32 = 50,
    }

    /// A dom0 crashes, and the crash kernel has makedumpfile.
    Dumped {
        /// Who loads it.
        by: By = By::Kernel,
        /// MiB of random bytes in the initrd.
        blob: u64 = BLOB,
    }

    /// A Debian system with the programs that people use (`scripts/dom0-guest`, which reads this as text).
    Debian {
        /// What they do.
        client: Client = Client::Kdump,
    }

    /// A Debian system with rkexec's packages (`scripts/dom0-life-cycle`, which reads this as text).
    LifeCycle {
        /// With these.
        installed: Installed = Installed::Fresh,
    }

    /// The N-th allocation of a load, or copy from user space, fails, for each N.
    FailNth {
        /// By this system call.
        call: Call = Call::File,
        /// A crash image.
        crash: bool = false,
        /// It is Xen's answers that fail, and nothing else.
        hypercalls: bool = false,
    }

    /// How long whole loads take, in a dom0 or on the bare machine.
    LoadTime {
        /// MiB of random bytes in the initrd.
        blob: u64 = BLOB,
        /// kexec-tools has one load only, to the place of its own choice.
        own_place: bool = false,
    }

    /// The probe as the next kernel.
    Probed {
        /// By this system call.
        call: Call = Call::Load,
    }

    /// A machine on which the module must refuse to load.
    Refuse {
        /// A guest of Xen's, that has the module as a file, and no modprobe.
        guest: bool = false,
    }

    /// What people do with images, in any order.
    Steps {
        /// What the order is made of.
        seed: u64 = 1,
        /// So many.
        number: u32 = 150,
    }

    /// An image on the bare machine, loaded by `kexec_file_load`, whose way into the next kernel somebody
    /// outside takes the time of.
    Timed {
        /// A crash image, and a crash.
        crash: bool = false,
        /// MiB of random bytes in the initrd.
        blob: u64 = BLOB,
    }

    /// kexec-tools on the bare machine, as people use it.
    Tools {
        /// The system call: `kexec -s` or `kexec -c`.
        syscall: Call = Call::File,
        /// The next kernel reads the dump of this one.
        crash: bool = false,
        /// This one crashes in the midst of this.
        amid: Option<Amid> = None,
        /// The module goes.
        gone: Option<Gone> = None,
        /// So many kernels one after the other, the first of them entered from the last processor, the
        /// next from the one before it, and so on.
        rounds: u32 = 0,
        /// The client keeps what is below this from the next kernel.
        first: u64 = 0,
        /// The next kernel is told that, too.
        next: Option<Extra> = None,
        /// It waits for a line on the console before the next kernel is entered, so that somebody
        /// outside can change memory.
        pause: bool = false,
        /// A piece of memory goes and comes back when the image is loaded.
        hotplug: bool = false,
    }

    /// A Debian system that restarts into Xen (`scripts/dom0-xen-to-xen`, which reads this as text).
    XenToXen {
        /// By way of these.
        journey: Journey = Journey::ThereAndBack,
    }

    /// The kernel's own code and the module by turns, on the bare machine.
    Turns {
        /// The image that boots is the kernel's own.
        stock: bool = false,
        /// MiB of random bytes in the initrd.
        blob: u64 = BLOB,
    }
}

/// Declares the scenarios: each with its name, and with parameters if it has any.
macro_rules! scenarios {
    ($($(#[$doc:meta])* $variant:ident $(($parameters:ty))? = $name:literal,)+) => {
        /// What a kernel of a test machine does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, SerializeDisplay, DeserializeFromStr)]
        #[cfg_attr(test, derive(proptest_derive::Arbitrary))]
        pub enum Scenario { $($(#[$doc])* $variant $(($parameters))?,)+ }

        impl Scenario {
            fn name_and_fields(&self) -> (&'static str, Vec<String>) {
                match self {
                    $(scenarios!(@pattern $variant it $($parameters)?) => {
                        ($name, scenarios!(@fields it $($parameters)?))
                    })+
                }
            }
        }

        impl FromStr for Scenario {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                let mut words = text.split(',');
                match words.next().unwrap_or_default() {
                    $($name => scenarios!(@parse $variant words $($parameters)?),)+
                    other => bail!("there is no scenario {other:?}"),
                }
            }
        }
    };
    (@pattern $variant:ident $it:ident $parameters:ty) => { Self::$variant($it) };
    (@pattern $variant:ident $it:ident) => { Self::$variant };
    (@fields $it:ident $parameters:ty) => { text::fields($it) };
    (@fields $it:ident) => { Vec::new() };
    (@parse $variant:ident $words:ident $parameters:ty) => {
        Ok(Self::$variant(text::structure($words)?))
    };
    (@parse $variant:ident $words:ident) => {
        match $words.next() {
            None => Ok(Self::$variant),
            Some(word) => bail!("this scenario has no parameter: {word}"),
        }
    };
}

scenarios! {
    /// Tells what kind of machine this is.
    Hello = "hello",
    /// Loads that must fail, and a good one that boots.
    BadInput = "bad-input",
    /// A dom0 whose memory is in pieces.
    Balloon = "balloon",
    Boot(Boot) = "boot",
    /// Programs that people use.
    Clients = "clients",
    /// A kernel that places segments in memory of CMA.
    Cma = "cma",
    Crash(Crash) = "crash",
    /// Crash images that must be refused, and some that just may be.
    CrashBadInput = "crash-bad-input",
    /// A dom0 whose Xen has no crash area.
    CrashRefusal = "crash-refusal",
    Debian(Debian) = "debian",
    Door(Door) = "door",
    /// The door while the module, and the driver that it is in, come and go; and a kernel that is locked
    /// down.
    DoorTurns = "door-turns",
    Dump(Dumped) = "dump",
    FailNth(FailNth) = "fail-nth",
    /// A PV guest, in which the module refuses to load.
    Guest = "guest",
    /// Everything that can happen to an image before one is booted.
    Lifecycle = "lifecycle",
    /// rkexec's packages.
    LifeCycle(LifeCycle) = "life-cycle",
    LoadTime(LoadTime) = "load-time",
    /// Mistakes of the kernel's own, which a debug kernel reports.
    Mistakes = "mistakes",
    /// How long `machine_kexec_prepare` takes.
    PrepareTime = "prepare-time",
    /// How long other hypercalls than those of kexec take.
    PrivcmdTime = "privcmd-time",
    Probe(Probed) = "probe",
    /// Loads, unloads, the module and the start of an image, all at once.
    Races = "races",
    /// Xen has no image when it is told to start one.
    Refusal = "refusal",
    Refuse(Refuse) = "refuse",
    /// Linux's own tests of kexec.
    Selftests = "selftests",
    /// Loads that stand still, and images that are freed late.
    Stalls = "stalls",
    /// Xen's slot for an image, as others see it and use it.
    State = "state",
    Steps(Steps) = "steps",
    Timed(Timed) = "timed",
    Tools(Tools) = "tools",
    Turns(Turns) = "turns",
    XenToXen(XenToXen) = "xen-to-xen",
}

impl fmt::Display for Scenario {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, fields) = self.name_and_fields();
        out.write_str(name)?;
        fields.iter().try_for_each(|field| write!(out, ",{field}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_scenario_is_read_as_it_is_written(scenario: Scenario) {
            let text = scenario.to_string();
            prop_assert!(!text.contains([' ', '"', '\'', '&', '$', ';', '#']), "{}", text);
            prop_assert_eq!(text.parse::<Scenario>().unwrap(), scenario);
        }
    }

    #[test]
    fn a_person_can_type_it_and_leaves_out_what_is_usual() {
        let crash = Crash::NEW.call(Way::Load).trigger(Trigger::DebugKey);
        let text = "crash,call=load,trigger=debug-key,again=true";
        assert_eq!(Scenario::Crash(crash.again(true)).to_string(), text);
        assert_eq!(
            "crash".parse::<Scenario>().unwrap(),
            Scenario::Crash(Crash::NEW)
        );
        assert_eq!(Scenario::BadInput.to_string(), "bad-input");
    }

    #[test]
    fn what_is_unknown_is_refused_and_named() {
        for (text, word) in [
            ("boto,call=file", "boto"),
            ("boot,call=fiel", "fiel"),
            ("boot,puase=true", "puase"),
            ("boot,pause", "pause"),
            ("boot,blob=-1", "blob=-1"),
            ("boot,call=file,call=load", "call"),
            ("boot call=file", "boot call"),
            ("clients,blob=1", "blob=1"),
            ("", ""),
        ] {
            let error = text.parse::<Scenario>().unwrap_err();
            assert!(format!("{error:#}").contains(word), "{text}: {error:#}");
        }
    }
}
