//! What can be wrong with a module or its allow-list, in the words that the user reads.

use std::fmt;

/// A reason not to convert a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// Not an ELF file that can be rewritten; the reason is the reader's.
    Unreadable(String),
    /// Not a relocatable x86-64 object.
    WrongKind,
    /// Livepatch symbols or relocations are in the input already.
    AlreadyConverted,
    /// `.modinfo` has no `livepatch=Y`, without which the loader ignores the markings.
    NotALivepatch,
    /// An undefined symbol that nobody exports and the allow-list does not have.
    Unresolved(String),
    /// A symbol exported in a namespace that the module does not import.
    MissingImport {
        /// The symbol.
        symbol: String,
        /// The namespace to import.
        namespace: String,
    },
    /// An entry of the allow-list that needs no livepatch relocation.
    Exported {
        /// The symbol.
        symbol: String,
        /// Who exports it.
        owner: String,
    },
    /// An entry of the allow-list that the module does not refer to.
    Unused(String),
    /// A relocation that the module loader of x86-64 cannot apply.
    UnsupportedRelocation {
        /// The symbol that it refers to.
        symbol: String,
        /// The section that it changes.
        section: String,
        /// Its `R_X86_64_*` number.
        r_type: u32,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(reason) => write!(f, "cannot rewrite this ELF file: {reason}"),
            Self::WrongKind => f.write_str("not a relocatable x86-64 object"),
            Self::AlreadyConverted => f.write_str("has livepatch relocations already"),
            Self::NotALivepatch => f.write_str("modinfo lacks livepatch=Y"),
            Self::Unresolved(symbol) => {
                write!(f, "{symbol}: neither exported nor on the allow-list")
            }
            Self::MissingImport { symbol, namespace } => write!(
                f,
                "{symbol}: exported in namespace {namespace}, which the module does not import"
            ),
            Self::Exported { symbol, owner } => {
                write!(f, "{symbol}: on the allow-list, but exported by {owner}")
            }
            Self::Unused(symbol) => {
                write!(
                    f,
                    "{symbol}: on the allow-list, but the module does not use it"
                )
            }
            Self::UnsupportedRelocation {
                symbol,
                section,
                r_type,
            } => write!(
                f,
                "{symbol}: relocation type {r_type} in {section} is not one that the kernel applies"
            ),
        }
    }
}
