//! Xen's one slot for a default image, as others see it, and what becomes of it when others use it.
//!
//! Others are kexec-tools, which asks and tells Xen past the kernel, and whoever makes the
//! hypercall. Xen does not say which image it has, nor truthfully whether it has one: its status is
//! a bit that every load and every unload turns over. What can be relied upon is how many pages of
//! its heap are free.

use anyhow::{ensure, Context, Result};

use rkexec_protocol::choice::Call;

use super::loader::{expect_errno, Loader};
use super::plan::{INITRD, KERNEL};
use super::{Next, Stage};
use crate::kernel_log::KernelLog;
use crate::ownership::Ownership;
use crate::sys::kexec::{self, Segment};
use crate::xen::Xen;
use crate::{module, past_kernel};

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
    /// kexec-tools.
    KexecTools,
}

struct Slot {
    loader: Loader,
    xen: Xen,
    /// Memory that is dom0's, where an image of somebody else goes.
    place: (u64, u64),
    /// Xen's free pages while it has no image.
    free: u64,
}
pub fn run(stage: &mut Stage<'_>) -> Result<Next> {
    stage.load_module();
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
    alone(stage, &slot);
    for other in [Other::Hypercall, Other::KexecTools] {
        with(stage, &slot, other);
    }
    stage.test(
        "an image to boot, and somebody else's in its place in Xen",
        |_| {
            slot.load(Call::File)?;
            slot.loaded()?;
            slot.others_load(Other::Hypercall)
        },
    );
    Ok(Next::Exec)
}

/// Nobody else is there.
fn alone(stage: &mut Stage<'_>, slot: &Slot) {
    let report = &mut *stage.report;
    report.test("nothing is loaded", |_| slot.empty());
    for (first, second) in [(Call::File, Call::Load), (Call::Load, Call::File)] {
        let (old, new) = (first.name(), second.name());
        report.test(&format!("{old} loads an image"), |_| {
            slot.load(first)?;
            slot.loaded()
        });
        report.test(&format!("{new} replaces it"), |_| {
            slot.load(second)?;
            slot.loaded()
        });
        report.test(&format!("{old} unloads the image that replaced it"), |_| {
            unload(first)?;
            slot.empty()
        });
        report.test(&format!("{old} and {new} unload nothing, twice"), |_| {
            for call in [first, second, first, second] {
                unload(call)?;
                slot.empty()?;
            }
            Ok(())
        });
    }
    report.test("an image that is replaced by itself, three times", |_| {
        for _ in 0..4 {
            slot.load(Call::Load)?;
            slot.loaded()?;
        }
        Ok(())
    });
    report.test("a load that fails leaves it as it is", |_| {
        let free = slot.xen.free_pages()?;
        for _ in 0..3 {
            slot.load_badly()?;
            slot.loaded()?;
            slot.expect_free(free)?;
        }
        Ok(())
    });
    report.test("modprobe -r takes it away", |_| {
        module::unload()?;
        slot.empty()
    });
    report.test("modprobe again: nothing is loaded", |_| {
        module::load()?;
        slot.empty()
    });
    report.test("a load that fails when nothing is loaded", |_| {
        slot.load_badly()?;
        slot.empty()
    });
}

/// Somebody else is.
fn with(stage: &mut Stage<'_>, slot: &Slot, other: Other) {
    let report = &mut *stage.report;
    report.test(
        &format!("{other:?} loads in the place of ours: unloading ours leaves it alone"),
        |_| {
            slot.load(Call::File)?;
            slot.left_alone(other, || unload(Call::File))
        },
    );
    report.test(
        &format!("{other:?} loads in the place of ours: modprobe -r leaves it alone"),
        |_| {
            slot.load(Call::Load)?;
            slot.left_alone(other, module::unload)?;
            module::load()
        },
    );
    report.test(
        &format!("{other:?} loads in the place of ours: a new image of ours takes the slot"),
        |_| {
            slot.load(Call::Load)?;
            slot.others_load(other)?;
            slot.load(Call::File)?;
            slot.loaded()?;
            unload(Call::Load)?;
            slot.empty()
        },
    );
    report.test(
        &format!("{other:?} unloads ours: unloading it once more changes nothing"),
        |_| {
            slot.load(Call::Load)?;
            slot.others_unload(other)?;
            slot.expect_free(slot.free)?;
            let mut log = KernelLog::from_now_on()?;
            unload(Call::Load)?;
            log.expect(LEFT_ALONE)?;
            slot.empty()
        },
    );
    report.test(
        &format!("{other:?} unloads ours: it can be replaced"),
        |_| {
            slot.load(Call::File)?;
            slot.others_unload(other)?;
            slot.load(Call::File)?;
            slot.loaded()?;
            unload(Call::File)?;
            slot.empty()
        },
    );
    report.test(
        &format!("{other:?} has loaded before: ours takes the slot"),
        |_| {
            slot.others_load(other)?;
            slot.load(Call::Load)?;
            slot.loaded()?;
            unload(Call::Load)?;
            slot.empty()
        },
    );
}

impl Slot {
    fn load(&self, call: Call) -> Result<()> {
        self.loader.load(call)
    }

    /// A load that the module refuses after it has begun.
    fn load_badly(&self) -> Result<()> {
        const VIDEO: u64 = 0xa_0000;
        let page = [0; 4096];
        let segment = Segment::new(&page, VIDEO, page.len() as u64);
        let result = kexec::load(VIDEO, &[segment], kexec::ARCH_X86_64);
        expect_errno(result, &[libc::EADDRNOTAVAIL])
    }

    fn others_load(&self, other: Other) -> Result<()> {
        match other {
            Other::Hypercall => self.xen.kexec_load_page(self.place.0, &CODE),
            Other::KexecTools => {
                past_kernel::load(Some(self.place), KERNEL, INITRD, self.loader.cmdline())
            }
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
        ensure!(
            before == after,
            "Xen's free pages and status were {before:?}, and are {after:?}"
        );
        self.others_unload(other)?;
        self.expect_free(self.free)?;
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
        self.expect_free(self.free)?;
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

    fn expect_free(&self, wanted: u64) -> Result<()> {
        let free = self.xen.free_pages()?;
        ensure!(
            free == wanted,
            "Xen has {free} free pages instead of {wanted}"
        );
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
