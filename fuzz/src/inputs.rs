//! The files that the fuzzer begins with.
//!
//! `fuzz-inputs list` tells of each target: its name, and the most bytes that an input has. `fuzz-inputs unpack TARGET DIR`
//! writes seeds and corpus as files into a folder, and for text `DIR.dict` beside it, `fuzz-inputs pack TARGET DIR` makes the
//! files of a folder the corpus.

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use anyhow::{bail, Context, Result};
use rkexec_fuzz::targets::{self, Target};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fuzz-inputs: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["list"] => {
            for target in targets::ALL {
                println!("{} {}", target.name, target.most_bytes);
            }
            Ok(())
        }
        ["unpack", name, folder] => {
            unpack(target(name)?, folder.as_ref()).context(folder.to_owned())
        }
        ["pack", name, folder] => pack(target(name)?, folder.as_ref()).context(folder.to_owned()),
        _ => bail!("usage: fuzz-inputs list | unpack TARGET DIR | pack TARGET DIR"),
    }
}

fn target(name: &str) -> Result<&'static Target> {
    targets::named(name).with_context(|| format!("there is no target {name}"))
}

fn unpack(target: &Target, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let inputs = (target.seeds)().into_iter().chain(target.corpus()?);
    for (number, input) in inputs.enumerate() {
        fs::write(folder.join(format!("{number:04}")), input)?;
    }
    if !target.words.is_empty() {
        // In quotes, byte for byte by number.
        let byte = |byte: &u8| format!("\\x{byte:02x}");
        let word = |word: &&[u8]| format!("\"{}\"\n", word.iter().map(byte).collect::<String>());
        let words: String = target.words.iter().map(word).collect();
        fs::write(folder.with_extension("dict"), words)?;
    }
    Ok(())
}

fn pack(target: &Target, folder: &Path) -> Result<()> {
    let mut inputs = Vec::new();
    for file in fs::read_dir(folder)? {
        inputs.push(fs::read(file?.path())?);
    }
    inputs.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    target.write_corpus(&inputs)
}
