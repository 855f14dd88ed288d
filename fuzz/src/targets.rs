//! The targets, each in a file of its own.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{ensure, Context, Result};

/// Something to be fed.
pub struct Target {
    /// What it is called.
    pub name: &'static str,
    /// The most bytes that an input has.
    pub most_bytes: usize,
    /// Has it read an input; panics if something is wrong.
    pub run: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words that its inputs are made of, if they are text.
    pub words: &'static [&'static [u8]],
}

macro_rules! targets {
    ($($name:ident: $most_bytes:literal $(, $words:expr)?;)*) => {
        $(mod $name;)*

        /// All that there are.
        pub const ALL: &[Target] = &[$(Target {
            name: stringify!($name),
            most_bytes: $most_bytes,
            run: $name::run,
            seeds: $name::seeds,
            words: { #[allow(unused_mut, unused_assignments)] let mut words: &[&[u8]] = &[]; $(words = $words;)? words },
        }),*];
    };
}

targets! {
    acpi: 2048;
    boot_params: 2048;
    bzimage: 4096;
    crash_area: 1024;
    dom0_kernel: 2048;
    e820_text: 3072, e820_text::WORDS;
    elfcore: 1024;
    grub: 6144, grub::WORDS;
    hypervisor: 2048;
    identity: 1024;
    image: 512;
    indirection: 256;
    list: 2048;
    mem_hole: 512;
    multiboot: 2048;
    params: 512;
    places: 1024;
    segments: 1024;
    status_log: 2048, status_log::WORDS;
    texts: 2048, texts::WORDS;
    walk: 2048;
}

/// The target with this name.
pub fn named(name: &str) -> Option<&'static Target> {
    ALL.iter().find(|target| target.name == name)
}

impl Target {
    /// Inputs that fuzzing has found, each of which reaches something that the others do not.
    ///
    /// They are in one file: the length of each in four bytes, least significant first, and then the input.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or ends inside an input.
    pub fn corpus(&self) -> Result<Vec<Vec<u8>>> {
        let path = self.corpus_file();
        if !path.exists() {
            return Ok(Vec::new());
        }
        let file = fs::read(&path).with_context(|| path.display().to_string())?;
        let mut rest = &file[..];
        let mut inputs = Vec::new();
        while let Some((length, behind)) = rest.split_first_chunk() {
            let length = u32::from_le_bytes(*length) as usize;
            let input = behind.split_at_checked(length);
            let (input, behind) = input.with_context(|| path.display().to_string())?;
            inputs.push(input.to_vec());
            rest = behind;
        }
        ensure!(rest.is_empty(), "{}: it is cut off", path.display());
        Ok(inputs)
    }

    /// Makes these the corpus.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write_corpus(&self, inputs: &[Vec<u8>]) -> Result<()> {
        let mut file = Vec::new();
        for input in inputs {
            file.extend(u32::try_from(input.len())?.to_le_bytes());
            file.extend(input);
        }
        let path = self.corpus_file();
        fs::write(&path, file).with_context(|| path.display().to_string())
    }

    fn corpus_file(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("corpus")
            .join(self.name)
    }
}
