//! What the hand-over says.

use rkexec_bare::text::Sink;

use super::exception::{Exception, PAGE_FAULT};
use super::fault::Fault;
use super::list::ListFault;
use super::params::ParamsFault;

/// The page tables have their digest.
pub fn tables_verified(sink: &mut impl Sink) {
    sink.text("rkexec: page tables verified\n");
}

/// All of the image is in its place.
pub fn image_copied(sink: &mut impl Sink) {
    sink.text("rkexec: image copied\n");
}

/// So many interrupts that cannot be switched off have come, and were let pass.
pub fn nmis(sink: &mut impl Sink, count: u64) {
    sink.text("rkexec: NMIs that were ignored: ");
    sink.decimal(count);
    sink.text("\n");
}

/// The image, `bytes` long, has its digest.
pub fn image_verified(sink: &mut impl Sink, bytes: u64) {
    sink.text("rkexec: image verified (");
    sink.decimal(bytes.div_ceil(1 << 20));
    sink.text(" MiB)\n");
}

/// Low memory is in its backup.
pub fn low_memory_saved(sink: &mut impl Sink) {
    sink.text("rkexec: low memory saved\n");
}

/// The last line: the next kernel is entered at `entry`.
pub fn entering(sink: &mut impl Sink, entry: u64) {
    sink.text("rkexec: entering ");
    sink.hex(entry);
    sink.text("\n");
}

/// Why the hand-over, whose first byte is at `base`, does not go on.
pub fn failed(sink: &mut impl Sink, fault: &Fault, base: u64) {
    sink.text("rkexec: hand-over failed: ");
    match fault {
        Fault::Params(fault) => sink.text(match fault {
            ParamsFault::Header => "its header is not that of this version (a fault in rkexec)",
            ParamsFault::Digest => {
                "its parameters do not have their SHA-256 digest (they changed after the load)"
            }
            ParamsFault::Malformed => "its parameters are not valid (a fault in rkexec)",
        }),
        Fault::Tables => sink.text(
            "the page tables do not have their SHA-256 digest (a table page changed after the load)",
        ),
        Fault::List(ListFault::Digest) => sink.text(
            "the copy list does not have its SHA-256 digest (a list page changed after the load)",
        ),
        Fault::List(fault) => list_broken(sink, *fault),
        Fault::Image => sink.text(
            "the image does not have its SHA-256 digest (it changed after the load, or where it was copied to)",
        ),
        Fault::Exception(exception) => raised(sink, exception, base),
    }
    sink.text("\n");
}

/// What is wrong with a list that nobody should have made.
fn list_broken(sink: &mut impl Sink, fault: ListFault) {
    sink.text("the copy list is broken: ");
    sink.text(match fault {
        ListFault::Digest | ListFault::Length => "it has not as many pages as it should",
        ListFault::Link => "it goes on where no page is",
        ListFault::Count => "a page has too many entries",
        ListFault::Pages => "an entry is not made of whole pages",
        ListFault::Space => "an entry reaches past the end of the address space",
        ListFault::Overlap => "the source of an entry overlaps its destination",
        ListFault::Protected => "an entry would overwrite the hand-over or the page tables",
        ListFault::Backup => "it or an entry overlaps the backup of low memory",
    });
    sink.text(" (a list page changed after the load, or a fault in rkexec)");
}

/// What the processor did not like, and where.
fn raised(sink: &mut impl Sink, exception: &Exception, base: u64) {
    sink.text("the processor raised exception ");
    sink.decimal(exception.vector);
    sink.text(" (");
    sink.text(exception.name());
    sink.text(") at ");
    sink.hex(exception.rip);
    sink.text(" (hand-over + ");
    sink.hex(exception.rip.wrapping_sub(base));
    sink.text("), error code ");
    sink.hex(exception.error_code);
    if exception.vector == PAGE_FAULT {
        sink.text(", address ");
        sink.hex(exception.cr2);
    }
}

/// What happens after a failure.
pub fn giving_up(sink: &mut impl Sink, halt: bool) {
    sink.text(if halt {
        "rkexec: the machine is halted\n"
    } else {
        "rkexec: resetting the machine\n"
    });
}
