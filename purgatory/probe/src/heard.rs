//! What a test hears of the state in which the next kernel is entered: what the boot protocol of Linux
//! asks for (Documentation/arch/x86/boot.rst, "64-bit Boot Protocol"), and what beyond that the kernel's
//! own kexec makes of it (arch/x86/kernel/relocate_kernel_64.S), which the hand-over is to match.

extern crate std;

use std::borrow::ToOwned as _;
use std::collections::BTreeMap;
use std::format;
use std::string::String;

use anyhow::{ensure, Context, Result};

/// The general registers, but for RSP and for RSI, which is the address of the next kernel's boot
/// parameters.
pub const GENERAL: [&str; 14] = [
    "rax", "rbx", "rcx", "rdx", "rdi", "rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
];
/// CR0: paging, numeric errors, the coprocessor's type and presence, protection. Not write
/// protection, nor what makes floating point raise exceptions.
const CR0: u64 = 0x8000_0033;
/// CR4: long mode.
const PAE: u64 = 1 << 5;
/// CR4: five levels of page tables.
const LA57: u64 = 1 << 12;
/// EFER: long mode is wanted, and on.
const LONG_MODE: u64 = 0x500;
/// RFLAGS: single steps, interrupts, strings downwards.
const UNWANTED_FLAGS: u64 = 0x700;
/// DR7: all breakpoints.
const BREAKPOINTS: u64 = 0xff;
/// A descriptor's bit that the processor sets when it loads it.
const ACCESSED: u64 = 1 << 40;
/// `__BOOT_CS`, and a flat 64-bit code segment.
const CODE: (u64, u64) = (0x10, 0x00af_9a00_0000_ffff);
/// `__BOOT_DS`, and a flat data segment.
const DATA: (u64, u64) = (0x18, 0x00cf_9200_0000_ffff);

/// A value for each name.
#[derive(Debug, Default)]
pub struct Heard(BTreeMap<String, String>);

impl Heard {
    /// Takes a line, without its prefix: a name of one or more words, and a value. False if it is
    /// about something else.
    pub fn line(&mut self, line: &str) -> Result<bool> {
        let known = ["register ", "descriptor ", "return address "];
        if !known.iter().any(|start| line.starts_with(start)) {
            return Ok(false);
        }
        let (name, value) = line.rsplit_once(' ').context("no value")?;
        let before = self.0.insert(name.to_owned(), value.to_owned());
        ensure!(before.is_none(), "the probe says twice: {name}");
        Ok(true)
    }

    fn value(&self, name: &str) -> Result<u64> {
        let text = self.0.get(name);
        let text = text.with_context(|| format!("the probe has no {name}"))?;
        u64::from_str_radix(text, 16).with_context(|| format!("{name} is {text}"))
    }

    pub fn register(&self, name: &str) -> Result<u64> {
        self.value(&format!("register {name}"))
    }

    /// On how many levels of page tables the processor is.
    pub fn levels(&self) -> Result<usize> {
        let five = self.register("cr4")? & LA57 != 0;
        Ok(if five { 5 } else { 4 })
    }

    /// Checks what holds behind the kernel's own code (`native`), or behind the hand-over, which was told
    /// this RSI, and was entered with `five_levels` or four.
    pub fn check(&self, native: bool, rsi: u64, five_levels: bool) -> Result<()> {
        let expect = |name: &str, mask: u64, wanted: u64| -> Result<()> {
            let value = self.value(name)?;
            ensure!(
                value & mask == wanted,
                "{name} is {value:#x}, and not {wanted:#x} (of {mask:#x})"
            );
            Ok(())
        };
        for name in GENERAL {
            expect(&format!("register {name}"), u64::MAX, 0)?;
        }
        expect("register rsi", u64::MAX, rsi)?;
        expect("register cr0", u64::MAX, CR0)?;
        expect("register efer", LONG_MODE, LONG_MODE)?;
        expect("register rflags", UNWANTED_FLAGS, 0)?;
        expect("register dr7", BREAKPOINTS, 0)?;
        for (name, (selector, descriptor)) in [
            ("cs", CODE),
            ("ds", DATA),
            ("es", DATA),
            ("fs", DATA),
            ("gs", DATA),
            ("ss", DATA),
        ] {
            expect(&format!("register {name}"), u64::MAX, selector)?;
            expect(&format!("descriptor {name}"), !ACCESSED, descriptor)?;
        }
        expect("register ldtr", u64::MAX, 0)?;
        expect("register fs_base", u64::MAX, 0)?;
        expect("register gs_base", u64::MAX, 0)?;
        // As after a call. From nowhere: kexec-tools' purgatory takes all else for a way back.
        expect("register rsp", 15, 8)?;
        expect("return address", u64::MAX, 0)?;
        if native {
            // Five levels remain five. The kernel's handlers for exceptions are in the page of the
            // stack, with the descriptors.
            let page = self.register("rsp")? & !0xfff;
            expect("register cr4", !LA57, PAE)?;
            expect("register gdt_base", !0xfff, page)?;
            expect("register idt_base", !0xfff, page)?;
            expect("register idt_limit", u64::MAX, 0xff)
        } else {
            // As many levels as there were: Xen is on four. The hand-over takes its handlers away, and lets
            // interrupts of all priorities in.
            let paging = if five_levels { PAE | LA57 } else { PAE };
            expect("register cr4", u64::MAX, paging)?;
            expect("register cr8", u64::MAX, 0)?;
            expect("register idt_base", u64::MAX, 0)?;
            expect("register idt_limit", u64::MAX, 0)
        }
    }
}
