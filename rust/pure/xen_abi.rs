//! Which of Xen's two kexec interfaces to use: from what Xen answers, which version it says it is,
//! and what the user wants.
//!
//! **V2** (`KEXEC_CMD_kexec_load`, 4) came with Xen 4.4. **V1** (`KEXEC_CMD_kexec_load_v1`, 1) is
//! older. Up to Xen 4.3 it means that Xen runs code of dom0's on its own page tables, which rkexec
//! has none for; since then Xen copies what it is given, at first without mapping the places that it
//! copies to, which was put right in 4.6 (and in the last releases of 4.4 and 4.5, but all of these
//! have V2). Xen 4.23 has dropped it.
//!
//! Whether a command is there is found out without changing anything: Xen refuses with `EINVAL` to
//! unload an image of a type that does not exist. No other answer proves anything: many versions
//! answer 0 to a command that they do not know.
//!
//! Sources: `xen/include/public/kexec.h` and `xen/common/kexec.c` of these releases.

use core::fmt;

/// An error number of Xen's, which are Linux's; negative, or 0 for none.
pub type Answer = i32;

const EPERM: Answer = -1;
const EINVAL: Answer = -22;
const ENOSYS: Answer = -38;

/// A release of Xen, without its third number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// As 4 in 4.20.
    pub major: u32,
    /// As 20 in 4.20.
    pub minor: u32,
}

impl Version {
    /// The first with V2.
    pub const V2_SINCE: Self = Self::new(4, 4);
    /// The first whose V1 can be used.
    pub const V1_SINCE: Self = Self::new(4, 6);
    /// The first with `KEXEC_CMD_kexec_status`, and the first in which to unload is safe: before,
    /// Xen keeps a pointer to what it has freed, and frees it again with one of the next loads.
    pub const UNLOADS_SINCE: Self = Self::new(4, 9);

    /// A version.
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }
}

impl Version {
    /// Whether this Xen may crash when it is to start an image, of either kind. `extra` is the rest of
    /// its version (`XENVER_extraversion`), as `.1-pre` of 4.21.1-pre.
    ///
    /// Xen 4.21 goes through the interrupt tables of all processors then, and takes a general
    /// protection fault at one that has none: it is offline, or the firmware lists it and it does not
    /// exist (9c20d3c5915d, "x86/IDT: Make idt_tables\[\] be per_cpu(idt)"). 4.21.2 and
    /// 4.22.0 check for that (2c9829a2611e, which came after 4.22.0-rc2). What was called 4.21.2-pre or
    /// 4.22-unstable may be from before or after.
    pub fn may_crash_at_exec(self, extra: &[u8]) -> bool {
        const AFFECTED: Version = Version::new(4, 21);
        const MENDED: u32 = 2;
        /// The one in which it was mended, before it came out: up to this candidate.
        const NEXT: Version = Version::new(4, 22);
        const LAST_RC: u32 = 2;
        match self {
            AFFECTED => match number(extra.strip_prefix(b".").unwrap_or_default()) {
                (Some(MENDED), rest) => rest.starts_with(b"-pre") || rest.starts_with(b"-rc"),
                (Some(number), _) => number < MENDED,
                // Before any release: 4.21-unstable, 4.21-rc1.
                (None, _) => true,
            },
            NEXT => {
                let candidate = extra.strip_prefix(b".0").unwrap_or(extra);
                let candidate = candidate.strip_prefix(b"-rc").map(number);
                extra.starts_with(b"-unstable")
                    || candidate.is_some_and(|(nr, _)| nr.is_none_or(|nr| nr <= LAST_RC))
            }
            _ => false,
        }
    }
}

/// The number that a text begins with, if it is one, and what comes behind it.
fn number(text: &[u8]) -> (Option<u32>, &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit());
    let (digits, rest) = text.split_at(end.unwrap_or(text.len()));
    let number = core::str::from_utf8(digits).ok();
    (number.and_then(|it| it.parse().ok()), rest)
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// One of the interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abi {
    /// The older one, as it is since Xen 4.6.
    V1,
    /// The newer one.
    V2,
}

impl fmt::Display for Abi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "V1",
            Self::V2 => "V2",
        })
    }
}

/// What the user wants: the module's parameter `xen_abi`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// V2, or V1 where there is no V2.
    Auto,
    /// This one.
    Only(Abi),
}

impl Wish {
    /// The value of the parameter.
    pub fn parse(text: &[u8]) -> Option<Self> {
        match text {
            b"auto" => Some(Self::Auto),
            b"v1" => Some(Self::Only(Abi::V1)),
            b"v2" => Some(Self::Only(Abi::V2)),
            _ => None,
        }
    }
}

/// What Xen answers when it is to unload an image of a type that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answers {
    /// By `KEXEC_CMD_kexec_unload_v1`.
    pub v1: Answer,
    /// By `KEXEC_CMD_kexec_unload`.
    pub v2: Answer,
}

/// What a Xen offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    version: Version,
    v1: bool,
    v2: bool,
}

/// Why Xen cannot be used, as one sees it from its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It was built without kexec.
    NoKexec(Version),
    /// It does not take such calls from this domain.
    NotAllowed(Version),
    /// It has nothing but the V1 of old.
    TooOld(Version),
    /// It does not have what the user wants.
    NotOffered(Abi, Version),
    /// It has V1, which the user wants, but not one that can be used.
    BrokenV1(Version),
    /// Its answers do not go with its version, or with anything that is known.
    Strange(Answers, Version),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKexec(xen) => write!(f, "Xen {xen} was built without kexec (CONFIG_KEXEC)"),
            Self::NotAllowed(xen) => write!(f, "Xen {xen} allows this domain no kexec calls"),
            Self::TooOld(xen) => write!(
                f,
                "Xen {xen} is too old: {} is the first with kexec interface V2",
                Version::V2_SINCE
            ),
            Self::NotOffered(abi, xen) => write!(f, "Xen {xen} has no kexec interface {abi}"),
            Self::BrokenV1(xen) => write!(
                f,
                "the kexec interface V1 of Xen {xen} cannot be used: {} is the first where it can",
                Version::V1_SINCE
            ),
            Self::Strange(Answers { v1, v2 }, xen) => write!(
                f,
                "Xen {xen} is not known to answer as this one does (V1: {v1}, V2: {v2})"
            ),
        }
    }
}

impl Offer {
    /// What Xen offers, by its answers and its version.
    ///
    /// # Errors
    ///
    /// Nothing that can be used.
    pub fn read(answers: Answers, version: Version) -> Result<Self, Refusal> {
        let Answers { v1, v2 } = answers;
        match (v1, v2) {
            (ENOSYS, ENOSYS) => return Err(Refusal::NoKexec(version)),
            (EPERM, EPERM) => return Err(Refusal::NotAllowed(version)),
            _ => {}
        }
        let offer = Self {
            version,
            v1: v1 == EINVAL,
            v2: v2 == EINVAL,
        };
        match (offer.v1, offer.v2) {
            (false, false) => Err(Refusal::Strange(answers, version)),
            // What has V2 cannot be older than V2.
            (_, true) if version < Version::V2_SINCE => Err(Refusal::Strange(answers, version)),
            (true, false) if version < Version::V2_SINCE => Err(Refusal::TooOld(version)),
            _ => Ok(offer),
        }
    }

    /// Whether `abi` is there.
    pub const fn has(&self, abi: Abi) -> bool {
        match abi {
            Abi::V1 => self.v1,
            Abi::V2 => self.v2,
        }
    }

    /// What to use.
    ///
    /// # Errors
    ///
    /// The user's wish cannot be met.
    pub fn choose(&self, wish: Wish) -> Result<Abi, Refusal> {
        let abi = match wish {
            Wish::Only(abi) => abi,
            Wish::Auto if self.v2 => Abi::V2,
            Wish::Auto => Abi::V1,
        };
        if !self.has(abi) {
            return Err(Refusal::NotOffered(abi, self.version));
        }
        if abi == Abi::V1 && self.version < Version::V1_SINCE {
            return Err(Refusal::BrokenV1(self.version));
        }
        Ok(abi)
    }
}
