//! Xen's one slot for a default image, as others see it, and what becomes of it when others use it.
//!
//! Others are kexec-tools, which asks and tells Xen past the kernel if the module has been told to let it, and
//! whoever makes the hypercall. Xen does not say which image it has, nor truthfully whether it has one: its status is
//! a bit that every load and every unload turns over. What can be relied upon is how many pages of
//! its heap are free.

use rkexec_protocol::choice::Call::{self, File};

use super::prelude::*;
use crate::ownership::Ownership;
use crate::past_kernel;
use crate::xen::Range;

/// What the module says when it leaves Xen's slot alone.
const LEFT_ALONE: &str = "another program has used Xen's kexec slot: it is left as it is";

/// What nobody may ever start: an instruction that does not exist, for a machine that would have
/// nowhere to go with that.
const CODE: [u8; 2] = [0x0f, 0x0b];

/// Somebody else who uses Xen's slot.
#[derive(Clone, Copy, Debug)]
enum Other {
    /// A program that makes the hypercall.
    Hypercall,
    KexecTools,
}

/// What is done, or looked at.
#[derive(Clone, Copy, Debug)]
enum Step {
    Load(Call),
    Unload(Call),
    /// Somebody else loads past the kernel, or unloads whatever Xen has.
    OtherLoads(Other),
    OtherUnloads(Other),
    /// This fails after it has begun.
    LoadBadly,
    LoadModule,
    UnloadModule,
    /// All say that an image is loaded, or that none is.
    Loaded,
    Empty,
    /// Xen at least has none.
    EmptyInXen,
    /// Ours goes, which somebody else's has replaced in Xen, by this call or with the module, without a
    /// change in Xen; then the other one goes, too.
    LeftAlone(Other, Option<Call>),
    /// There is none in Xen any more, and ours goes without a change there.
    Forgotten(Call),
}

use Step::{
    Empty, EmptyInXen, Forgotten, LeftAlone, Load, LoadBadly, LoadModule, Loaded, OtherLoads,
    OtherUnloads, Unload, UnloadModule,
};

struct Slot {
    loader: Loader,
    xen: Xen,
    /// Memory that is dom0's, where an image of somebody else goes.
    place: Range,
    /// Xen's free pages while it has no image.
    free: u64,
}

pub fn run(stage: &mut Stage<'_>) -> Result<Next> {
    // All this is about programs that go past the kernel.
    stage.test("modprobe rkexec privcmd=0", |_| module::load_without_door());
    let loader = Loader::after(stage.told)?;
    let xen = Xen::open()?;
    let place = Ownership::read(&xen)?.largest_run()?;
    let free = xen.free_pages()?;
    let slot = Slot {
        loader,
        xen,
        place,
        free,
    };
    let mut test = |name: &str, steps: &[Step]| {
        stage.test(name, |_| {
            let take = |step: &Step| slot.take(*step).with_context(|| format!("{step:?}"));
            steps.iter().try_for_each(take)
        });
    };
    alone(&mut test);
    for other in [Other::Hypercall, Other::KexecTools] {
        with(&mut test, other);
    }
    test(
        "an image to boot, and somebody else's in its place in Xen",
        &[Load(File), Loaded, OtherLoads(Other::Hypercall)],
    );
    Ok(Next::Exec)
}

/// Nobody else is there.
fn alone(test: &mut impl FnMut(&str, &[Step])) {
    test("nothing is loaded", &[Empty]);
    for (first, second) in [(File, Call::Load), (Call::Load, File)] {
        let (old, new) = (first.name(), second.name());
        let twice = [first, second, first, second].map(|call| [Unload(call), Empty]);
        test(&format!("{old} loads an image"), &[Load(first), Loaded]);
        test(&format!("{new} replaces it"), &[Load(second), Loaded]);
        let name = format!("{old} unloads the image that replaced it");
        test(&name, &[Unload(first), Empty]);
        let name = format!("{old} and {new} unload nothing, twice");
        test(&name, &twice.concat());
    }
    let often = [[Load(Call::Load), Loaded]; 4].concat();
    test("an image that is replaced by itself, three times", &often);
    let badly = [[LoadBadly, Loaded]; 3].concat();
    test("a load that fails leaves it as it is", &badly);
    test("modprobe -r takes it away", &[UnloadModule, Empty]);
    let name = "modprobe again: nothing is loaded";
    test(name, &[LoadModule, Empty]);
    let name = "a load that fails when nothing is loaded";
    test(name, &[LoadBadly, Empty]);
}

/// Somebody else is.
fn with(test: &mut impl FnMut(&str, &[Step]), other: Other) {
    const LOAD: Call = Call::Load;
    let (theirs, gone) = (OtherLoads(other), OtherUnloads(other));
    let by_call = [Load(File), LeftAlone(other, Some(File))];
    let by_module = [Load(LOAD), LeftAlone(other, None), LoadModule];
    let new = [Load(LOAD), theirs, Load(File), Loaded, Unload(LOAD), Empty];
    let once_more = [Load(LOAD), gone, EmptyInXen, Forgotten(LOAD), Empty];
    let replaced = [Load(File), gone, Load(File), Loaded, Unload(File), Empty];
    let before = [theirs, Load(LOAD), Loaded, Unload(LOAD), Empty];
    for (name, steps) in [
        (
            "loads over ours: unloading ours leaves it alone",
            &by_call[..],
        ),
        ("loads over ours: modprobe -r leaves it alone", &by_module),
        ("loads over ours: a new image of ours takes the slot", &new),
        (
            "unloads ours: to unload it again changes nothing",
            &once_more,
        ),
        ("unloads ours: it can be replaced", &replaced),
        ("has loaded before: ours takes the slot", &before),
    ] {
        test(&format!("{other:?} {name}"), steps);
    }
}

impl Slot {
    fn take(&self, step: Step) -> Result<()> {
        match step {
            Load(call) => self.loader.load(call),
            Unload(call) => unload(call),
            OtherLoads(other) => self.others_load(other),
            OtherUnloads(other) => self.others_unload(other),
            LoadBadly => self.load_badly(),
            LoadModule => module::load_without_door(),
            UnloadModule => module::unload(),
            Loaded => self.loaded(),
            Empty => self.empty(),
            EmptyInXen => self.loader.expect_free(self.free),
            LeftAlone(other, Some(call)) => self.left_alone(other, || unload(call)),
            LeftAlone(other, None) => self.left_alone(other, module::unload),
            Forgotten(call) => {
                let mut log = KernelLog::from_now_on()?;
                unload(call)?;
                log.expect(LEFT_ALONE)
            }
        }
    }

    /// A load that the module refuses after it has begun. Xen's memory stays what it is.
    fn load_badly(&self) -> Result<()> {
        const VIDEO: u64 = 0xa_0000;
        let free = self.xen.free_pages()?;
        let segment = Segment::new(&[0; PAGE as usize], VIDEO, PAGE);
        let result = kexec::load(VIDEO, &[segment], kexec::ARCH_X86_64);
        expect_errno(result, &[libc::EADDRNOTAVAIL])?;
        self.loader.expect_free(free)
    }

    fn others_load(&self, other: Other) -> Result<()> {
        match other {
            Other::Hypercall => self.xen.kexec_load_page(self.place.start, &CODE),
            Other::KexecTools => past_kernel::load(
                Some(self.place.clone()),
                KERNEL,
                INITRD,
                self.loader.cmdline(),
            ),
        }
    }

    fn others_unload(&self, other: Other) -> Result<()> {
        match other {
            Other::Hypercall => self.xen.kexec_unload().context("KEXEC_CMD_kexec_unload"),
            Other::KexecTools => past_kernel::unload(),
        }
    }

    /// Checks that an image of ours that somebody else's has replaced in Xen goes by `unload`
    /// without a change in Xen; then the other one goes, too.
    fn left_alone(&self, other: Other, unload: impl FnOnce() -> Result<()>) -> Result<()> {
        self.others_load(other)?;
        let before = (self.xen.free_pages()?, self.xen.kexec_status()?);
        ensure!(before.0 < self.free, "the other image takes no memory");
        let mut log = KernelLog::from_now_on()?;
        unload()?;
        log.expect(LEFT_ALONE)?;
        kexec::expect_loaded(false)?;
        let after = (self.xen.free_pages()?, self.xen.kexec_status()?);
        ensure!(before == after, "pages and status: {before:?}, {after:?}");
        self.others_unload(other)?;
        self.loader.expect_free(self.free)?;
        // That was one load and one unload past the kernel after a load of ours: the bit is wrong
        // until somebody unloads once more.
        while self.xen.kexec_status()? {
            self.xen.kexec_unload()?;
        }
        self.empty()
    }

    /// Checks that all say that an image is loaded.
    fn loaded(&self) -> Result<()> {
        let free = self.xen.free_pages()?;
        ensure!(
            free < self.free,
            "Xen has {free} free pages: it has no image"
        );
        self.expect(true)
    }

    /// Checks that all say that no image is loaded.
    fn empty(&self) -> Result<()> {
        self.loader.expect_free(self.free)?;
        self.expect(false)
    }

    fn expect(&self, loaded: bool) -> Result<()> {
        let told = [
            ("/sys/kernel/kexec_loaded", kexec::loaded()?),
            ("KEXEC_CMD_kexec_status", self.xen.kexec_status()?),
            ("kexec --status", past_kernel::status()?),
        ];
        for (who, says) in told {
            ensure!(says == loaded, "{who} says {says}");
        }
        Ok(())
    }
}

fn unload(call: Call) -> Result<()> {
    match call {
        Call::File => kexec::file_unload(),
        Call::Load => kexec::unload(),
    }
    .with_context(|| format!("unloading by {}", call.name()))
}
