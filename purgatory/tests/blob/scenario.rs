//! What goes wrong, if anything. Its files are named in words like `list-cycle`.

use strum::IntoStaticStr;

/// A way to spoil a good hand-over.
#[derive(Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Scenario {
    /// Nothing goes wrong.
    Good,
    /// Likewise, and there is no serial port to report on.
    NoPort,
    /// Likewise, and nothing answers at the port.
    AbsentPort,
    /// The version in the header is another.
    Header,
    /// A bit of the parameters changed.
    Params,
    /// A flag that does not exist, with the right digest.
    UnknownFlag,
    /// A bit of a page table changed.
    Tables,
    /// The tables are where Xen maps nothing: an exception before CR3 is loaded.
    TablesUnmapped,
    /// A bit of the second list page changed.
    List,
    /// The second list page leads back to the first; the digest is right.
    ListCycle,
    /// More entries than fit; the digest is right.
    ListCount,
    /// An entry past the end of the address space; the digest is right.
    ListWrap,
    /// An entry that would overwrite the hand-over; the digest is right.
    ListOverHandOver,
    /// Nothing goes wrong, and low memory is to be saved.
    Backup,
    /// Likewise, with so much data in place that it takes seconds to verify all.
    Slow,
    /// Likewise, and the hand-over is to tell how long its parts take.
    Times,
    /// Low memory is to be saved where the page tables are; the digest is right.
    BackupOverTables,
    /// Low memory is to be saved where a source is; the digest is right.
    BackupOverImage,
    /// A bit of a source changed.
    Image,
    /// Likewise, and the machine is to halt.
    ImageHalt,
    /// A source is where no memory is.
    SourceUnmapped,
    /// Likewise, and the machine is to halt.
    SourceUnmappedHalt,
}
