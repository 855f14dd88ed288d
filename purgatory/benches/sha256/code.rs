//! Machine code of another program in memory of this one, where it can be called: a hash function.

use region::{Allocation, Protection};

/// The signature that both of them have.
type Sha256 = unsafe extern "C" fn(*const u8, usize, *mut [u8; 32]);

/// Memory of a program that can be read, written and executed, with its hash function.
pub struct Code {
    memory: Allocation,
    hash: usize,
}

impl Code {
    /// Maps `program`, whose function at the offset `hash` takes bytes, their number, and where their
    /// SHA-256 goes.
    ///
    /// # Safety
    ///
    /// That is so, and the function uses nothing but `program`, wherever it may lie.
    pub unsafe fn map(program: &[u8], hash: usize) -> Self {
        assert!(hash < program.len(), "a function outside of its program");
        let memory = region::alloc(program.len(), Protection::READ_WRITE_EXECUTE);
        let mut code = Self {
            memory: memory.expect("memory that can be executed"),
            hash,
        };
        for (offset, byte) in program.iter().enumerate() {
            code.write(offset, *byte);
        }
        code
    }

    /// The SHA-256 of `bytes`.
    pub fn sha256(&self, bytes: &[u8]) -> [u8; 32] {
        let mut digest = [0; 32];
        let at = self.memory.as_ptr::<u8>().wrapping_add(self.hash);
        // SAFETY: It is the function that the maker of this value has promised.
        let hash = unsafe { core::mem::transmute::<*const u8, Sha256>(at) };
        // SAFETY: As above; both can be accessed, and the digest is ours alone.
        unsafe { hash(bytes.as_ptr(), bytes.len(), &mut digest) };
        digest
    }

    /// The byte at an offset, which the program may have changed.
    pub fn read(&self, offset: usize) -> u8 {
        assert!(offset < self.memory.len());
        // SAFETY: It is in the memory; the compiler cannot know who else writes to it.
        unsafe { self.memory.as_ptr::<u8>().add(offset).read_volatile() }
    }

    /// Changes the byte at an offset.
    pub fn write(&mut self, offset: usize, byte: u8) {
        assert!(offset < self.memory.len());
        // SAFETY: It is in the memory, and nothing of the program runs meanwhile.
        unsafe {
            self.memory
                .as_mut_ptr::<u8>()
                .add(offset)
                .write_volatile(byte)
        };
    }
}
