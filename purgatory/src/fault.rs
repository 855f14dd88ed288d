//! Everything that can end a hand-over.

use rkexec::abi::handover::Failure;

use super::exception::Exception;
use super::list::ListFault;
use super::params::ParamsFault;

/// Why the hand-over does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The header or the parameters are not what they should be.
    Params(ParamsFault),
    /// The page tables do not have their digest.
    Tables,
    /// The copy list is not what it should be.
    List(ListFault),
    /// The image does not have its digest.
    Image,
    /// The processor raised an exception.
    Exception(Exception),
}

impl Fault {
    /// The code that goes into the epitaph.
    pub const fn failure(&self) -> Failure {
        match self {
            Self::Params(_) => Failure::Params,
            Self::Tables => Failure::Tables,
            Self::List(_) => Failure::List,
            Self::Image => Failure::Image,
            Self::Exception(_) => Failure::Exception,
        }
    }
}

impl From<ParamsFault> for Fault {
    fn from(fault: ParamsFault) -> Self {
        Self::Params(fault)
    }
}

impl From<ListFault> for Fault {
    fn from(fault: ListFault) -> Self {
        Self::List(fault)
    }
}
