//! The hand-over on the host: the flat file as it is embedded in the module, and its SHA-256.

use object::{Object as _, ObjectSymbol as _};

use crate::code::Code;

/// What `sha2` remembers of the processor, in a byte of the hand-over: whether it has SHA-NI, SSSE3 and
/// SSE4.1. Any other value: it has not looked yet. (`cpufeatures`, which hides it; a change there makes
/// the test of this fail.)
const ABSENT: u8 = 0;
const PRESENT: u8 = 1;

/// The hand-over, mapped.
pub struct Blob {
    code: Code,
    /// Where that byte is.
    remembered: usize,
}

impl Blob {
    /// Maps the flat file `flat`, of which `elf` has the symbols.
    pub fn map(flat: &[u8], elf: &[u8]) -> Self {
        let elf = object::File::parse(elf).expect("an ELF file");
        let symbol = |is: &dyn Fn(&str) -> bool| {
            let mut symbols = elf.symbols();
            let found = symbols.find(|it| it.name().is_ok_and(is));
            found.map(|it| usize::try_from(it.address()).expect("a 64-bit host"))
        };
        let hash = symbol(&|name| name == "handover_hash");
        let remembered = symbol(&|name| name.contains("shani_cpuid") && name.contains("STORAGE"));
        Self {
            // SAFETY: It is a program without relocations (its gate), and this the function of that
            // signature in it (`src/blob/hash.rs`), which uses what the host's ABI has: a stack, SSE.
            code: unsafe { Code::map(flat, hash.expect("handover_hash")) },
            remembered: remembered.expect("where sha2 remembers the processor"),
        }
    }

    /// From now on it takes the processor for one without SHA-NI.
    pub fn forget_sha_ni(&mut self) {
        self.code.write(self.remembered, ABSENT);
    }

    pub fn sha256(&self, bytes: &[u8]) -> [u8; 32] {
        self.code.sha256(bytes)
    }

    /// Which of its two codes it has used: nothing before it has hashed anything.
    pub fn used_sha_ni(&self) -> Option<bool> {
        match self.code.read(self.remembered) {
            PRESENT => Some(true),
            ABSENT => Some(false),
            _ => None,
        }
    }
}

/// How many instructions `sha256rnds2` a flat file has: no other has these bytes.
pub fn sha_ni_rounds(flat: &[u8]) -> usize {
    let opcode = [0x0f, 0x38, 0xcb];
    flat.windows(3).filter(|bytes| *bytes == opcode).count()
}

/// Whether the processor of this host has what the hand-over asks for.
pub fn host_has_sha_ni() -> bool {
    is_x86_feature_detected!("sha")
        && is_x86_feature_detected!("ssse3")
        && is_x86_feature_detected!("sse4.1")
}
