//! The hypercall of kexec in all shapes that a program can give it, most of them bad: each is refused with
//! the right error, and without harm to the image that is loaded.

use std::os::fd::AsFd;
use std::{io, thread};

use caps::{CapSet, Capability};
use libc::{EADDRNOTAVAIL, EFAULT, EINVAL, ENOENT, ENOTTY, EOPNOTSUPP, EPERM};

use super::loader::expect_refusal;
use super::prelude::*;
use super::witnesses::{Loaded, Witnesses};
use crate::door::{self, load, map_only, segment, Door};
use crate::files;
use crate::sys::bindings::xen::{xen_kexec_load, xen_kexec_segment};
use crate::sys::compat;
use crate::sys::locked::Locked;

/// Where a program has nothing: at its start, and where the kernel has its memory.
const NOWHERE: [u64; 3] = [0, 0x10, 0xffff_8880_0010_0000];
/// A bit that some look at, and some do not: for the driver, and for some versions of Xen, these numbers
/// have 32 bits.
const HIGH: u64 = 1 << 32;
const EM_386: u16 = 3;
const EM_AARCH64: u16 = 183;
const DOM0: u16 = 0;

struct Calls<'a> {
    witnesses: &'a Witnesses,
    door: &'a Door,
    /// A page of instructions.
    page: Locked<u8>,
}

/// Nothing is loaded before, and nothing afterwards.
pub fn run(stage: &mut Stage<'_>, witnesses: &Witnesses) -> Result<()> {
    let calls = Calls {
        witnesses,
        door: &witnesses.door,
        page: Locked::holding_all(&[0x90; PAGE as usize])?,
    };
    stage.test("exec without an image is refused", |_| {
        calls.without_image()
    });
    stage.test("an image of one segment", |_| {
        calls.load_all(&[calls.at(0)])?;
        witnesses.expect(Loaded::Default)
    });
    // As kexec_load(2) has it; Xen has no such machine.
    stage.test("an image for the machine that this is, by number 0", |_| {
        let one = Locked::holding_all(&[calls.at(0)])?;
        calls.door.load(xen_kexec_load {
            arch: 0,
            ..load(&one, 0)
        })?;
        witnesses.expect(Loaded::Default)
    });
    calls.bad_images(stage)?;
    stage.test("requests that are nowhere", |_| calls.nowhere());
    stage.test("types of images that there are not", |_| calls.no_types());
    stage.test("V1 is refused, and the log says so", |_| calls.v1());
    stage.test("numbers of more than 32 bits", |_| calls.high_bits());
    stage.test("a descriptor that is restricted", |_| calls.restricted());
    stage.test("a program of 32 bits", |_| calls.compat());
    stage.test("a thread without CAP_SYS_BOOT", |_| calls.incapable());
    stage.test("what is Xen's to answer", |_| calls.passed_on());
    stage.test("segments without data, in all places", |_| calls.map_only());
    stage.test("sixteen segments with data", |_| {
        let many: Vec<_> = (0..16).map(|number| calls.at(number)).collect();
        calls.load_all(&many)?;
        witnesses.expect(Loaded::Default)
    });
    stage.test("loads at the same time wait for one another", |_| {
        calls.at_once()
    });
    stage.test("it is unloaded, twice", |_| {
        for _ in 0..2 {
            calls.door.unload(door::DEFAULT)?;
            witnesses.expect(Loaded::Nothing)?;
        }
        Ok(())
    });
    Ok(())
}

impl Calls<'_> {
    /// The page behind so many others.
    fn at(&self, number: u64) -> xen_kexec_segment {
        segment(&self.page, PLACE + number * PAGE)
    }

    fn load_all(&self, segments: &[xen_kexec_segment]) -> io::Result<()> {
        let entry = segments.iter().position(|it| it.buf_size > 0);
        let segments = Locked::holding_all(segments).map_err(io::Error::other)?;
        self.door.load(load(&segments, entry.unwrap_or(0)))
    }

    fn untouched(&self) -> Result<()> {
        self.witnesses.expect(Loaded::Default)
    }

    fn without_image(&self) -> Result<()> {
        self.witnesses.expect(Loaded::Nothing)?;
        // A crash image is Xen's to start; it has none.
        for kind in [door::DEFAULT, door::CRASH] {
            expect_errno(self.door.exec(kind), &[ENOENT])?;
        }
        self.witnesses.expect(Loaded::Nothing)
    }

    fn bad_images(&self, stage: &mut Stage<'_>) -> Result<()> {
        let mut bad_data = self.at(1);
        let (video, free) = (segment(&self.page, 0xa_0000), map_only(PLACE + PAGE, PAGE));
        let one = Locked::holding_all(&[self.at(0)])?;
        let good = load(&one, 0);
        let many: Vec<_> = (0..17).map(|number| self.at(number)).collect();
        let many = Locked::holding_all(&many)?;
        let empty = Locked::holding_all(&[free, map_only(PLACE, PAGE)])?;
        let video = Locked::holding_all(&[video])?;
        let other = |type_| xen_kexec_load { type_, ..good };
        let of = |arch| xen_kexec_load { arch, ..good };
        let so_many = |nr_segments| xen_kexec_load {
            nr_segments,
            ..good
        };
        const TYPE: &str = "it is neither a default image nor a crash image";
        const NO_DATA: &str = "it has no segment with data";
        const KERNEL: &str = " has called Xen to load an image: refused, by the kernel";
        let mut requests = vec![
            ("of type 2", EINVAL, TYPE, other(2)),
            ("of type 255", EINVAL, TYPE, other(255)),
            ("for 32 bits", EINVAL, "in 32-bit mode", of(EM_386)),
            ("for another processor", EINVAL, KERNEL, of(EM_AARCH64)),
            ("without a segment", EINVAL, NO_DATA, so_many(0)),
            ("of seventeen segments", EINVAL, KERNEL, load(&many, 0)),
            (
                "of more segments than memory",
                EINVAL,
                KERNEL,
                so_many(u32::MAX),
            ),
            ("of nothing but memory", EINVAL, NO_DATA, load(&empty, 0)),
            (
                "in the video memory",
                EADDRNOTAVAIL,
                KERNEL,
                load(&video, 0),
            ),
        ];
        for at in NOWHERE {
            let mut request = good;
            request.segments.h.p = at as *mut _;
            requests.push(("whose segments are nowhere", EFAULT, KERNEL, request));
        }
        for (what, errno, why, request) in requests {
            let name = format!("an image {what} is refused");
            stage.test(&name, |_| {
                expect_refusal(&[errno], why, || self.door.load(request))?;
                self.untouched()
            });
        }
        stage.test("an image whose data is nowhere is refused", |_| {
            // Without an address it is memory only.
            for at in &NOWHERE[1..] {
                bad_data.buf.h.p = *at as *const _;
                let loaded = self.load_all(&[self.at(0), bad_data]);
                expect_errno(loaded, &[EFAULT])?;
                self.untouched()?;
            }
            Ok(())
        });
        Ok(())
    }

    fn nowhere(&self) -> Result<()> {
        // Not for a range: what Xen is asked for it would write to the kernel's memory.
        const EXEC_LOAD_UNLOAD_STATUS: [u64; 4] = [0, 4, 5, 6];
        for command in EXEC_LOAD_UNLOAD_STATUS {
            for at in NOWHERE {
                let answer = self.door.command(command, at).map(drop);
                expect_errno(answer, &[EFAULT])
                    .with_context(|| format!("command {command} at {at:#x}"))?;
                self.untouched()?;
            }
        }
        Ok(())
    }

    fn no_types(&self) -> Result<()> {
        for kind in [2, 255] {
            expect_errno(self.door.status(kind).map(drop), &[EINVAL])?;
            expect_errno(self.door.unload(kind), &[EINVAL])?;
            expect_errno(self.door.exec(kind), &[EINVAL])?;
            self.untouched()?;
        }
        Ok(())
    }

    fn v1(&self) -> Result<()> {
        // As long as the longest of them.
        let request = Locked::<[u64; 64]>::zeroed(1)?;
        for command in [door::LOAD_V1, door::UNLOAD_V1] {
            let mut log = KernelLog::from_now_on()?;
            let answer = self.door.command(command, request.address());
            expect_errno(answer.map(drop), &[EOPNOTSUPP])?;
            log.expect(door::V1_REFUSED)?;
            self.untouched()?;
        }
        Ok(())
    }

    /// Who takes them for other commands lets an image pass that such a Xen takes.
    fn high_bits(&self) -> Result<()> {
        let request = Locked::holding(door::NO_TYPE)?;
        for (op, command) in [(HIGH, 0), (0, HIGH), (HIGH, HIGH)] {
            let (op, command) = (door::KEXEC_OP | op, door::UNLOAD_V1 | command);
            let call = || self.door.raw(op, command, request.address()).map(drop);
            expect_refusal(&[EOPNOTSUPP], door::V1_REFUSED, call)
                .with_context(|| format!("hypercall {op:#x}, command {command:#x}"))?;
        }
        self.untouched()
    }

    fn restricted(&self) -> Result<()> {
        let door = Door::restricted(DOM0)?;
        let one = Locked::holding_all(&[self.at(0)])?;
        for answer in [
            door.load(load(&one, 0)),
            door.unload(door::DEFAULT),
            door.exec(door::DEFAULT),
            door.status(door::DEFAULT).map(drop),
            door.xens_range().map(drop),
            door.xen_version().map(drop),
        ] {
            expect_errno(answer, &[EPERM])?;
        }
        self.untouched()
    }

    /// The driver does not know such programs.
    fn compat(&self) -> Result<()> {
        for command in [door::LOAD, door::UNLOAD_V1] {
            let answer =
                compat::hypercall(self.door.as_fd(), door::KEXEC_OP, [command, 0, 0, 0, 0])?;
            expect_errno(answer.map(drop), &[ENOTTY])?;
        }
        self.untouched()
    }

    /// It has the device open, and may not do what these system calls do.
    fn incapable(&self) -> Result<()> {
        thread::scope(|scope| {
            let thread = scope.spawn(|| -> Result<()> {
                // What reboot(2) and kexec_load(2) want.
                caps::drop(None, CapSet::Effective, Capability::CAP_SYS_BOOT)?;
                expect_errno(kexec::unload(), &[EPERM]).context("kexec_load(2)")?;
                expect_errno(self.load_all(&[self.at(0)]), &[EPERM]).context("a load")?;
                expect_errno(self.door.unload(door::DEFAULT), &[EPERM]).context("an unload")?;
                expect_errno(self.door.exec(door::DEFAULT), &[EPERM]).context("an exec")
            });
            thread.join().map_err(|_| anyhow!("panic"))?
        })?;
        self.untouched()
    }

    fn passed_on(&self) -> Result<()> {
        let (ours, theirs) = (self.door.xens_range()?, self.witnesses.xen.own_range()?);
        ensure!(ours == theirs, "Xen at {ours:x?}, and not {theirs:x?}");
        let part = |name| files::value::<u64>(&format!("/sys/hypervisor/version/{name}"));
        let (wanted, version) = (
            (part("major")? << 16) | part("minor")?,
            self.door.xen_version()?,
        );
        ensure!(version == wanted, "version {version:#x}, not {wanted:#x}");
        Ok(())
    }

    /// As Xen has it. The kernel's own system call says `EBUSY`.
    fn at_once(&self) -> Result<()> {
        const PROGRAMS: usize = 3;
        const LOADS: usize = 30;
        thread::scope(|scope| {
            let loads = || -> Result<()> {
                for number in 0..LOADS {
                    let loaded = self.load_all(&[self.at(number as u64)]);
                    loaded.with_context(|| format!("load {number}"))?;
                }
                Ok(())
            };
            let threads: Vec<_> = (0..PROGRAMS).map(|_| scope.spawn(loads)).collect();
            threads
                .into_iter()
                .try_for_each(|thread| thread.join().map_err(|_| anyhow!("panic"))?)
        })?;
        self.untouched()
    }

    /// The kernel's own system call does not know them: V2 wants to have that memory mapped.
    fn map_only(&self) -> Result<()> {
        let [first, between, last] = [1, 3, 5].map(|number| map_only(PLACE + number * PAGE, PAGE));
        let [one, other] = [2, 4].map(|number| self.at(number));
        for segments in [
            &[first, one, other][..],
            &[one, between, other],
            &[one, other, last],
            &[map_only(0, 1 << 20), one, between, other, last],
        ] {
            self.load_all(segments)?;
            self.untouched()?;
        }
        Ok(())
    }
}
