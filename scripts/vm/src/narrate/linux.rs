//! From Xen to Linux alone.

use rkexec_protocol::Record;

use super::{Chapter, Tale, LINUX, NOTHING};
use crate::cases;

pub fn tale() -> Tale {
    Tale {
        name: "run",
        case: cases::story(),
        opening: "An emulated PC with 2 processors and 2 GiB. This takes about a minute.",
        chapters: &CHAPTERS,
        moral: "It works: Xen and dom0 are gone, and the machine is all the new kernel's",
    }
}

const CHAPTERS: [Chapter; 8] = [
    Chapter {
        begins: |_, _| true,
        title: "Xen boots",
        quotes: r"^\(XEN\) (Xen version|System RAM|Command line)",
    },
    Chapter {
        begins: |line, _| line.contains(LINUX),
        title: "A stock Debian kernel boots as its dom0, with half of the memory",
        quotes: r"\] (Linux version|Hypervisor detected|Memory: )",
    },
    Chapter {
        begins: |_, record| record == Some(&Record::Begins(1)),
        title: "modprobe rkexec",
        quotes: r"\] (rkexec: kexec|livepatch: )",
    },
    Chapter {
        begins: |_, record| matches!(record, Some(Record::Passed(1, _))),
        title: "kexec -l, kexec -u: kexec-tools as it is calls Xen, and is served by the kernel",
        quotes: r"\] rkexec: ",
    },
    Chapter {
        begins: |_, record| matches!(record, Some(Record::Passed(2, _))),
        title: "kexec_file_load(2): the same kernel, with 38 MB of random bytes in its initrd",
        quotes: r"\] rkexec: ",
    },
    Chapter {
        begins: |_, record| record == Some(&Record::Enters),
        title: "reboot(LINUX_REBOOT_CMD_KEXEC): Xen jumps into the hand-over",
        quotes: r"^rkexec: |\(XEN\) Executing|\] kexec_core: ",
    },
    Chapter {
        begins: |line, _| line.contains(LINUX),
        title: "The next kernel boots",
        quotes: r"\] (Linux version|Command line|BIOS-e820: .*System RAM|Memory: |smp: Brought up)",
    },
    Chapter {
        begins: |_, record| record == Some(&Record::Begins(2)),
        title: "It checks what it was handed",
        quotes: NOTHING,
    },
];
