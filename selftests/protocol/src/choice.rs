//! What a parameter can be that is one of a few things. Each is called on the command line as here, in
//! small letters, with dashes.

use parse_display::{Display, FromStr};
use serde::{Deserialize, Serialize};

/// Declares such types.
macro_rules! choices {
    ($($(#[$about:meta])* $name:ident { $($choice:ident),+ })+) => {$(
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Display, FromStr, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(test, derive(proptest_derive::Arbitrary))]
        #[display(style = "kebab-case")]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($choice),+ }
    )+};
}

choices! {
    /// A system call that loads a kernel: `kexec_file_load(2)` or `kexec_load(2)`.
    Call { File, Load }

    /// A way to load a crash kernel in a dom0: by one of these, or by kexec-tools, which calls Xen: past the
    /// kernel if there is no module, and else it is the kernel that loads it.
    Way { File, Load, Tools, Door }

    /// A kexec interface of Xen: V1 is the one of the first versions, and what it means now.
    Abi { V1, V2 }

    /// Where in the machine's memory to put an image: the lowest places that fit, as a boot loader does;
    /// memory that is Xen's own to give away, or dom0's; the kernel over the code of the one that runs
    /// now; the initrd over Xen; above 4 GiB.
    Destination { Lowest, XenHeap, Dom0, Dom0Kernel, Xen, High }

    /// What makes a machine enter its crash kernel: a panic of this kernel; Xen's own debugger; Xen's
    /// watchdog, that nobody pats; this kernel says that it has crashed, and does not panic; a program tells
    /// Xen to start the crash image.
    Trigger { Sysrq, DebugKey, Watchdog, Shutdown, Exec }

    /// How far a kernel is locked down (`kernel_lockdown(7)`).
    Lockdown { Integrity, Confidentiality }

    /// How kexec-tools loads the crash kernel that makes a dump: by the system call; past the kernel; or by
    /// the system call until a line on the console says `kernel`, and that is it, or `xen`, and another
    /// one is put in its place. Until the line comes it is the same machine.
    By { Kernel, Xen, Line }

    /// How a Debian system comes into the next kernel (`scripts/dom0-guest`): it crashes, and has
    /// kdump-tools; the same by way of the system calls; `kexec -l` and `systemctl kexec`, or `systemctl
    /// reboot`; `kexec -e`; `systemctl kexec` of a systemd that loads what the boot loader would. Or it does not: it
    /// has `rkexec-status` tell what there is.
    Client { Kdump, KdumpSyscalls, SystemctlKexec, SystemctlReboot, KexecExec, BootEntry, Status }

    /// From which Xen to which a host goes (`scripts/dom0-xen-to-xen`): the newer one, the older, and the newer
    /// twice; once to the same, to an older, to a newer; to the same with another kernel; to the same, and there
    /// it crashes; from Linux alone.
    Journey { ThereAndBack, Same, Older, Newer, OtherKernel, Kdump, FromLinux }

    /// What is installed on a Debian system by its packages (`scripts/life-cycle`), and what it does there: kernels one
    /// after the other; dom0 crashes; there is a kernel more; that has no headers; there is none with Rust; all of it
    /// is prebuilt, and goes through an upgrade and away.
    Installed { Fresh, Crash, Upgraded, NoHeaders, NoRust, Prebuilt }

    /// What a crash kernel does with the dump: what people do, it writes it to a disk by makedumpfile; it
    /// only tells what is in it; it copies it to a disk as it is.
    Dump { Whole, Headers, Raw }

    /// When the module goes that has made the image: before the image is entered, or before the kernel
    /// unloads it, and loads another by itself.
    Gone { Exec, Unload }

    /// In the midst of what a kernel with a crash image panics: of the load of another one, of which some is in
    /// the crash area already; of the load of a default image; of the module's leaving; of the way into a
    /// default image.
    Amid { CrashLoad, Load, Leaving, Exec }

    /// A word for the next kernel, which changes how it starts: page tables of 4 levels; a console that
    /// is not there without Xen; the serial port from the first line on.
    Extra { FourLevels, XenConsole, EarlyConsole }
}

impl Call {
    /// The name of the system call.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "kexec_file_load",
            Self::Load => "kexec_load",
        }
    }
}

impl Way {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::File => "kexec_file_load",
            Self::Load => "kexec_load",
            Self::Tools | Self::Door => "kexec -p",
        }
    }
}

impl Abi {
    /// As the module writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::V1 => "V1",
            Self::V2 => "V2",
        }
    }
}

impl Extra {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::FourLevels => "no5lvl",
            Self::XenConsole => "console=hvc0",
            Self::EarlyConsole => "earlyprintk=ttyS0,115200",
        }
    }
}
