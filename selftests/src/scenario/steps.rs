//! What people do with images, in any order: which step comes next a random number decides, whose seed is told.
//!
//! A small model knows what is loaded behind each step, and by whom; the kernel, and in a dom0 Xen, have to agree. In
//! the end a real image is loaded, and has to boot.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;

use libc::EADDRNOTAVAIL;
use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rkexec_protocol::scenario::Steps;

use super::crash;
use super::prelude::*;
use super::tiny;
use crate::balloon;
use crate::door::{self, Door};
use crate::files;
use crate::sys::locked::Locked;

/// A processor that can go.
const PROCESSOR: &str = "/sys/devices/system/cpu/cpu1/online";
/// No page begins there.
const NO_PLACE: u64 = PLACE + 1;
const PAGES: u64 = 4;
/// What dom0 gives to Xen, and takes back.
const BALLOON_KIB: u64 = 32 << 10;
/// So many steps a failure tells of.
const TOLD: usize = 12;

/// Whose a loaded image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Image {
    None,
    /// It was loaded while the module was there.
    Ours,
    Kernels,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Load,
    FileLoad,
    Unload,
    CrashLoad,
    CrashFileLoad,
    CrashUnload,
    BadLoad,
    ModuleGoes,
    ModuleComes,
    ProcessorGoes,
    ProcessorComes,
    DoorLoad,
    DoorUnload,
    MemoryGoes,
    MemoryComes,
}

/// Each as often as it is here.
const STEPS: [Step; 21] = [
    Step::Load,
    Step::Load,
    Step::FileLoad,
    Step::FileLoad,
    Step::Unload,
    Step::Unload,
    Step::CrashLoad,
    Step::CrashLoad,
    Step::CrashFileLoad,
    Step::CrashFileLoad,
    Step::CrashUnload,
    Step::BadLoad,
    Step::ModuleGoes,
    Step::ModuleComes,
    Step::ProcessorGoes,
    Step::ProcessorComes,
    Step::DoorLoad,
    Step::DoorLoad,
    Step::DoorUnload,
    Step::MemoryGoes,
    Step::MemoryComes,
];

/// What there is in a dom0 only.
struct Dom0 {
    xen: Xen,
    door: Door,
    page: Locked<u8>,
    memory_kib: u64,
}

/// The machine, and what the model knows of it.
struct World {
    dom0: Option<Dom0>,
    file: File,
    data: Vec<u8>,
    module: bool,
    default: Image,
    crash: Image,
}

pub fn run(stage: &mut Stage<'_>, steps: Steps) -> Result<Next> {
    stage.load_module();
    let loader = Loader::after(stage.told)?;
    let mut world = World::new()?;
    let name = format!("{} steps, of seed {}", steps.number, steps.seed);
    stage.test(&name, |report| {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(steps.seed);
        let mut done = Vec::new();
        for number in 1..=steps.number {
            let index = random.next_u64() % STEPS.len() as u64;
            let step = STEPS[index as usize];
            done.push(step);
            let last = || {
                format!(
                    "step {number}, behind these: {:?}",
                    &done[done.len().saturating_sub(TOLD)..]
                )
            };
            world.go(step).with_context(last)?;
            world.check().with_context(last)?;
        }
        let mut counts: BTreeMap<Step, u32> = BTreeMap::new();
        done.iter()
            .for_each(|step| *counts.entry(*step).or_default() += 1);
        report.note(&format!("{counts:?}"));
        Ok(())
    });
    stage.test("the image that is to boot", |_| {
        world.tidy_up()?;
        loader.load(Call::File)?;
        module::expect_map("default")
    });
    Ok(Next::Exec)
}

impl World {
    fn new() -> Result<Self> {
        let dom0 = xen::is_dom0().then(|| -> Result<Dom0> {
            Ok(Dom0 {
                xen: Xen::open()?,
                door: Door::open()?,
                page: Locked::holding_all(&[0xcc; PAGE as usize])?,
                memory_kib: balloon::size()?,
            })
        });
        Ok(Self {
            dom0: dom0.transpose()?,
            file: tiny::file()?,
            data: vec![0xcc; (PAGE * PAGES) as usize],
            module: true,
            default: Image::None,
            crash: Image::None,
        })
    }

    /// Whose an image is that is loaded now.
    fn mine(&self) -> Image {
        match self.module {
            true => Image::Ours,
            false => Image::Kernels,
        }
    }

    fn go(&mut self, step: Step) -> Result<()> {
        match step {
            Step::Load => {
                self.load_at(PLACE, 0)?;
                self.default = self.mine();
            }
            Step::FileLoad => {
                self.load_file(0)?;
                self.default = self.mine();
            }
            Step::Unload => {
                kexec::unload()?;
                self.default = Image::None;
            }
            Step::BadLoad => {
                expect_errno(self.load_at(NO_PLACE, 0), &[EADDRNOTAVAIL])?;
            }
            Step::CrashLoad | Step::CrashFileLoad => self.load_crash(step)?,
            Step::CrashUnload => {
                kexec::unload_crash()?;
                self.crash = Image::None;
            }
            Step::ModuleGoes if self.module => self.module_goes()?,
            Step::ModuleComes if !self.module => self.module_comes()?,
            Step::ProcessorGoes => fs::write(PROCESSOR, "0").context(PROCESSOR)?,
            Step::ProcessorComes => fs::write(PROCESSOR, "1").context(PROCESSOR)?,
            Step::ModuleGoes | Step::ModuleComes => {}
            Step::DoorLoad | Step::DoorUnload | Step::MemoryGoes | Step::MemoryComes => {
                self.go_in_dom0(step)?;
            }
        }
        Ok(())
    }

    fn go_in_dom0(&mut self, step: Step) -> Result<()> {
        let Some(dom0) = &self.dom0 else {
            return Ok(());
        };
        match step {
            Step::MemoryGoes => balloon::resize(dom0.memory_kib - BALLOON_KIB)?,
            Step::MemoryComes => balloon::resize(dom0.memory_kib)?,
            // While the module is away it would be Xen that answers.
            Step::DoorLoad if self.module => {
                let segment = door::segment(&dom0.page, PLACE);
                let segments = Locked::holding_all(&[segment])?;
                dom0.door.load(door::load(&segments, 0))?;
                self.default = Image::Ours;
            }
            Step::DoorUnload if self.module => {
                dom0.door.unload(door::DEFAULT)?;
                self.default = Image::None;
            }
            _ => {}
        }
        Ok(())
    }

    fn load_at(&self, at: u64, flags: u64) -> io::Result<()> {
        let segment = Segment::new(&self.data, at, PAGE * PAGES);
        kexec::load(at, &[segment], kexec::ARCH_X86_64 | flags)
    }

    fn load_file(&self, flags: u64) -> io::Result<()> {
        kexec::file_load(self.file.as_fd(), None, c"", flags)
    }

    fn load_crash(&mut self, step: Step) -> Result<()> {
        let load = |at: u64| match step {
            Step::CrashLoad => self.load_at(at, kexec::ON_CRASH),
            _ => self.load_file(kexec::FILE_ON_CRASH),
        };
        match crash::areas()?.first() {
            Some((start, _)) => {
                // What was there goes first, also if the new one is refused.
                let loaded = load(*start);
                self.crash = Image::None;
                loaded?;
                self.crash = self.mine();
            }
            // A dom0 has one by the module only.
            None => {
                ensure!(!self.module, "there is no crash area");
                expect_errno(load(PLACE), &[EADDRNOTAVAIL])?;
            }
        }
        Ok(())
    }

    /// In a dom0 its images go with it.
    fn module_goes(&mut self) -> Result<()> {
        module::unload()?;
        self.module = false;
        if self.dom0.is_some() {
            (self.default, self.crash) = (Image::None, Image::None);
        }
        Ok(())
    }

    /// In a dom0 an image of the kernel's own keeps it out.
    fn module_comes(&mut self) -> Result<()> {
        let is_kept_out = self.dom0.is_some() && self.default == Image::Kernels;
        let came = module::load();
        ensure!(
            came.is_ok() != is_kept_out,
            "kept out: {is_kept_out}; {came:?}"
        );
        self.module = !is_kept_out;
        Ok(())
    }

    /// All agree with the model, and the kernel has had no trouble.
    fn check(&self) -> Result<()> {
        let (default, crash) = (self.default != Image::None, self.crash != Image::None);
        ensure!(
            module::is_loaded() == self.module,
            "the module: {}",
            !self.module
        );
        kexec::expect_loaded(default)?;
        kexec::expect_crash_loaded(crash)?;
        if let Some(dom0) = self.dom0.as_ref().filter(|_| self.module) {
            let says = (dom0.xen.kexec_status()?, dom0.xen.has_crash_image()?);
            ensure!(says == (default, crash), "Xen says {says:?}");
        }
        if self.module {
            for (kind, image) in [("default", self.default), ("crash", self.crash)] {
                match image {
                    Image::Ours => module::expect_map(kind)?,
                    Image::None => ensure!(module::map(kind).is_err(), "a map of no image"),
                    Image::Kernels => {}
                }
            }
        }
        files::expect_no_trouble_since(0)
    }

    /// As it was in the beginning.
    fn tidy_up(&mut self) -> Result<()> {
        for step in [
            Step::Unload,
            Step::ModuleComes,
            Step::ProcessorComes,
            Step::MemoryComes,
        ] {
            self.go(step)?;
        }
        self.check()
    }
}
