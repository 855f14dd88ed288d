//! What a parameter can be that is one of a few things. Each is called on the command line as here, in
//! small letters, with dashes.

use parse_display::{Display, FromStr};
use serde::{Deserialize, Serialize};

/// Declares such types.
macro_rules! choices {
    ($($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $choice:ident,)+ })+) => {$(
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Display, FromStr, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(test, derive(proptest_derive::Arbitrary))]
        #[display(style = "kebab-case")]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$doc])* $choice,)+ }
    )+};
}

choices! {
    /// A system call that loads a kernel.
    Call {
        /// `kexec_file_load(2)`.
        File,
        /// `kexec_load(2)`.
        Load,
    }

    /// A way to load a crash kernel in a dom0.
    Way {
        /// `kexec_file_load(2)`.
        File,
        /// `kexec_load(2)`.
        Load,
        /// kexec-tools, past the kernel and so past the module.
        Tools,
    }

    /// A kexec interface of Xen.
    Abi {
        /// The one of the first versions, and what it means now.
        V1,
        V2,
    }

    /// Where in the machine's memory to put an image.
    Destination {
        /// The lowest places that fit, as a boot loader does.
        Lowest,
        /// Memory that is Xen's own to give away.
        XenHeap,
        Dom0,
        /// The kernel over the code of the one that runs now.
        Dom0Kernel,
        /// The initrd over Xen.
        Xen,
        High,
    }

    /// What makes a machine enter its crash kernel.
    Trigger {
        /// A panic of this kernel.
        Sysrq,
        /// Xen's own debugger.
        DebugKey,
        /// Xen's watchdog, that nobody pats.
        Watchdog,
        /// This kernel says that it has crashed, and does not panic.
        Shutdown,
    }

    /// How far a kernel is locked down (`kernel_lockdown(7)`).
    Lockdown {
        Integrity,
        Confidentiality,
    }

    /// Who loads the crash kernel that makes a dump.
    By {
        /// kexec-tools, by the system call.
        Kernel,
        /// kexec-tools past the kernel.
        Xen,
        /// By the system call, and then a line on the console says `kernel`, and that is it, or `xen`:
        /// then kexec-tools puts another one in its place. Until the line comes it is the same machine.
        Line,
    }

    /// What a crash kernel does with the dump.
    Dump {
        /// What people do: it writes it to a disk by makedumpfile.
        Whole,
        Headers,
        /// It copies it to a disk as it is.
        Raw,
    }

    /// When the module goes that has made the image.
    Gone {
        /// Before the image is entered.
        Exec,
        /// Before the kernel unloads it, and loads another by itself.
        Unload,
    }

    /// A word for the next kernel, which changes how it starts.
    Extra {
        /// Page tables of 4 levels: `no5lvl`.
        FourLevels,
        /// A console that is not there without Xen.
        XenConsole,
        /// The serial port from the first line on.
        EarlyConsole,
    }
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
            Self::Tools => "kexec -p",
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
