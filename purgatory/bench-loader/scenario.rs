//! What goes wrong, if anything.

/// A way to spoil a good hand-over.
#[derive(Clone, Copy, PartialEq, Eq)]
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

impl Scenario {
    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "good" => Self::Good,
            "no-port" => Self::NoPort,
            "absent-port" => Self::AbsentPort,
            "header" => Self::Header,
            "params" => Self::Params,
            "unknown-flag" => Self::UnknownFlag,
            "tables" => Self::Tables,
            "tables-unmapped" => Self::TablesUnmapped,
            "list" => Self::List,
            "list-cycle" => Self::ListCycle,
            "list-count" => Self::ListCount,
            "list-wrap" => Self::ListWrap,
            "list-over-hand-over" => Self::ListOverHandOver,
            "backup" => Self::Backup,
            "backup-over-tables" => Self::BackupOverTables,
            "backup-over-image" => Self::BackupOverImage,
            "image" => Self::Image,
            "image-halt" => Self::ImageHalt,
            "source-unmapped" => Self::SourceUnmapped,
            "source-unmapped-halt" => Self::SourceUnmappedHalt,
            _ => return None,
        })
    }

    /// Whether the machine is to halt.
    pub fn halts(self) -> bool {
        matches!(self, Self::ImageHalt | Self::SourceUnmappedHalt)
    }
}
