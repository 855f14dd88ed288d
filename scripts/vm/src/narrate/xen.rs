//! From Xen to Xen.

use rkexec_protocol::Record;

use super::{Chapter, Tale, LINUX};
use crate::cases;

pub fn tale() -> Tale {
    Tale {
        name: "run-xen",
        case: cases::xen_story(),
        opening: "An emulated PC with 2 processors and 2 GiB, and Debian on its disk. This takes some three minutes.",
        chapters: &CHAPTERS,
        moral: "It works: the host runs on a new Xen, and no firmware was in between",
    }
}

const XEN: &str = r"^\(XEN\) (Xen version|System RAM|Command line|Bootloader)";
const DOM0: &str = r"\] (Linux version|Hypervisor detected|rkexec: kexec is)";

const CHAPTERS: [Chapter; 8] = [
    Chapter {
        begins: |_, _| true,
        title: "Xen boots",
        quotes: XEN,
    },
    Chapter {
        begins: |line, _| line.contains(LINUX),
        title: "A stock Debian boots as its dom0, with rkexec",
        quotes: DOM0,
    },
    Chapter {
        begins: |_, record| record == Some(&Record::Begins(1)),
        title: "It takes stock of itself",
        quotes: r"\] rkexec: ",
    },
    Chapter {
        begins: |_, record| record == Some(&Record::Enters),
        title: "rkexec-xen --now: what GRUB would boot is loaded by kexec_load(2), and the system shuts down",
        quotes: r"\] (rkexec: |kexec_core: )",
    },
    Chapter {
        begins: |line, _| line.contains("(XEN) Executing kexec image"),
        title: "The old Xen enters the hand-over",
        quotes: r"^rkexec: |\(XEN\) Executing",
    },
    Chapter {
        begins: |line, _| line.contains("(XEN) Xen version"),
        title: "The new Xen boots",
        quotes: XEN,
    },
    Chapter {
        begins: |line, _| line.contains(LINUX),
        title: "Its dom0 boots, with rkexec for the next time",
        quotes: DOM0,
    },
    Chapter {
        begins: |_, record| record == Some(&Record::Begins(2)),
        title: "It looks whether the machine is whole, and starts a guest",
        quotes: r"$^",
    },
];
