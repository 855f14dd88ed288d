//! The judge, before lines as a machine with 4 MiB would say them.

use rkexec_probe::heard::GENERAL;

use super::*;

/// A state without fault, but for what is different on bare metal and in dom0.
const STATE: &str = "\
probe: entered
probe: register rsp 0000000003d7aff8
probe: register rflags 0000000000000046
probe: register cr0 0000000080000033
probe: register cr4 0000000000000020
probe: register cr8 0000000000000000
probe: register dr7 0000000000000400
probe: register cs 0000000000000010
probe: register ds 0000000000000018
probe: register es 0000000000000018
probe: register fs 0000000000000018
probe: register gs 0000000000000018
probe: register ss 0000000000000018
probe: register ldtr 0000000000000000
probe: register gdt_base 0000000003d7a560
probe: register efer 0000000000000d01
probe: register fs_base 0000000000000000
probe: register gs_base 0000000000000000
probe: descriptor cs 00af9a000000ffff
probe: descriptor ds 00cf93000000ffff
probe: descriptor es 00cf93000000ffff
probe: descriptor fs 00cf93000000ffff
probe: descriptor gs 00cf93000000ffff
probe: descriptor ss 00cf93000000ffff
probe: return address 0000000000000000
";
const NATIVE_IDT: &str = "\
probe: register idt_base 0000000003d7a580
probe: register idt_limit 00000000000000ff
";
const DOM0_IDT: &str = "\
probe: register idt_base 0000000000000000
probe: register idt_limit 0000000000000000
";
const MEMORY: &[&str] = &[
    "memory: 0x0-0x9fbff System RAM",
    "memory: 0x9fc00-0x9ffff Reserved",
    "memory: 0x100000-0x3fffff System RAM",
];
const CLAIM: &[&str] = &[
    "map: # default image: 4 levels",
    "map: 0000000000000000 000000000009efff 4K WB",
    "map: 00000000000a0000 00000000000fffff 4K UC",
    "map: 0000000000100000 00000000001fffff 4K WB",
    "map: 0000000000200000 00000000003fffff 2M WB",
    "map: table pages: 5",
    "map: # crash image: 4 levels",
    "map: 0000000000000000 0000000000000fff 4K WB",
    "map: table pages: 4",
];
const MAP: &str = "\
probe: map 0000000000000000 000000000009efff 4K WB
probe: map 00000000000a0000 00000000000fffff 4K UC
probe: map 0000000000100000 00000000001fffff 4K WB
probe: map 0000000000200000 00000000003fffff 2M WB
";
const CLAIMED_ALIAS: &[&str] = &["map: # elsewhere: 0000000003d7a000 0000000003d7afff 4K WB"];
const ALIAS: &str = "probe: map ff272b08c3d7a000 ff272b08c3d7afff 4K WB -> 0000000003d7a000\n";
const END: &str = "probe: end, 5 tables\n";
/// All that is said in a dom0 where nothing is wrong.
const DOM0: &[&str] = &[STATE, DOM0_IDT, MAP, END];

fn judge(maker: Maker, native: bool, notes: &[&str], log: &[&str]) -> Result<Vec<String>> {
    let mut findings = Findings::default();
    for note in notes {
        let fact = Fact::find(note)?.unwrap();
        assert!(findings.fact(&fact)?);
    }
    for line in log.concat().lines() {
        findings.line(line)?;
    }
    for name in GENERAL.iter().chain(&["rsi"]) {
        findings.line(&format!("probe: register {name} 0000000000000000"))?;
    }
    let entered = match native {
        true => Entered::ByKernel,
        false => Entered::ByHandOver,
    };
    findings.judge(maker, entered)
}

fn of_module(native: bool, log: &[&str]) -> Result<Vec<String>> {
    let alias = if native { CLAIMED_ALIAS } else { &[] };
    let (first, rest) = CLAIM.split_at(1);
    let notes = [MEMORY, first, alias, rest].concat();
    judge(Maker::Module, native, &notes, log)
}

/// The reason of a verdict.
fn why(verdict: Result<Vec<String>>) -> String {
    format!("{:#}", verdict.unwrap_err())
}

#[test]
fn the_modules_map_is_found_as_it_says() {
    let notes = of_module(false, DOM0).unwrap();
    assert_eq!(
        notes,
        [
            "5 tables map 4190208 bytes one to one",
            "0 bytes that are not RAM are mapped write-back"
        ]
    );
    of_module(true, &[STATE, NATIVE_IDT, MAP, ALIAS, END]).unwrap();
}

#[test]
fn every_difference_to_the_modules_map_is_one() {
    for (old, new) in [
        ("9efff 4K", "9ffff 4K"),
        (
            "00200000 00000000003fffff 2M",
            "00200000 00000000003fffff 4K",
        ),
        ("4K UC", "4K WB"),
        ("2M WB", "2M WB,nx"),
        ("probe: map 00000000000a0000 00000000000fffff 4K UC\n", ""),
        (END, "probe: end, 6 tables"),
        (END, ""),
        (END, "probe: there are more tables than the probe can take"),
        ("cr4 0000000000000020", "cr4 0000000000001020"),
    ] {
        let log = DOM0.concat();
        assert!(log.contains(old));
        let log = log.replace(old, new);
        assert!(of_module(false, &[&log]).is_err(), "{old:?} {new:?}");
    }
    let verdict = judge(Maker::Module, false, MEMORY, DOM0);
    assert!(why(verdict).contains("has told nothing"));
}

#[test]
fn a_map_with_more_than_ram_is_wrong_even_if_the_module_says_so() {
    let notes: Vec<_> = [MEMORY, CLAIM]
        .concat()
        .into_iter()
        .filter(|note| !note.contains("0x100000"))
        .collect();
    let verdict = judge(Maker::Module, false, &notes, DOM0);
    assert!(why(verdict).starts_with("3145728 bytes"));
}

#[test]
fn the_tables_of_acpi_are_mapped_whatever_the_memory_map_calls_them() {
    let map = "probe: map 0000000000400000 0000000000400fff 4K WB\n";
    let claim = "map: 0000000000400000 0000000000400fff 4K WB";
    let pages = |table| [MEMORY, &[table], &CLAIM[..5], &[claim], &CLAIM[5..]].concat();
    let judged = |table, map: &[&str]| {
        let log = [&[STATE, DOM0_IDT, MAP], map, &[END]].concat();
        judge(Maker::Module, false, &pages(table), &log)
    };
    judged("memory: 0x400000-0x400fff table FACP", &[map]).unwrap();
    // In the BIOS, which is uncached.
    let root = "memory: 0xf5000-0xf5fff table RSDP";
    assert!(why(judged(root, &[map])).starts_with("4096 bytes are mapped write-back"));
    let next = "memory: 0x400000-0x401fff table FACP";
    assert!(why(judged(next, &[map])).starts_with("4096 bytes of the pages"));
}

#[test]
fn only_the_control_page_has_another_address_and_only_on_bare_metal() {
    let native = |alias: &str| of_module(true, &[STATE, NATIVE_IDT, MAP, alias, END]);
    assert!(native("").is_err());
    assert!(native(&ALIAS.replace("3d7a000\n", "3d7b000\n")).is_err());
    assert!(native(&ALIAS.replace("WB", "WB,nx")).is_err());
    assert!(native(&[ALIAS, ALIAS].concat()).is_err());
    assert!(of_module(false, &[STATE, DOM0_IDT, MAP, ALIAS, END]).is_err());
}

#[test]
fn the_stock_kernel_maps_holes() {
    let map = "probe: map 0000000000000000 00000000003fffff 2M WB,global\n";
    let stock = |log: &[&str]| judge(Maker::Stock, true, MEMORY, log);
    let notes = stock(&[STATE, NATIVE_IDT, map, ALIAS, END]).unwrap();
    assert_eq!(
        notes[1],
        "393216 bytes that are not RAM are mapped write-back"
    );
    assert!(stock(&[STATE, NATIVE_IDT, MAP, ALIAS, END]).is_err());
}

#[test]
fn every_fault_of_the_state_is_one() {
    let log = DOM0.concat();
    for (old, new) in [
        ("probe: entered\n", ""),
        ("rsp 0000000003d7aff8", "rsp 0000000003d7aff0"),
        // Interrupts are on; strings go downwards; a breakpoint is armed.
        ("rflags 0000000000000046", "rflags 0000000000000246"),
        ("rflags 0000000000000046", "rflags 0000000000000446"),
        ("dr7 0000000000000400", "dr7 0000000000000401"),
        // Write protection; global pages; not in long mode.
        ("cr0 0000000080000033", "cr0 0000000080010033"),
        ("cr4 0000000000000020", "cr4 00000000000000a0"),
        ("efer 0000000000000d01", "efer 0000000000000801"),
        (
            "register cs 0000000000000010",
            "register cs 000000000000e008",
        ),
        ("descriptor ss 00cf93000000ffff", "descriptor ss none"),
        ("gs_base 0000000000000000", "gs_base ffff888000000000"),
        ("idt_limit 0000000000000000", "idt_limit 00000000000000ff"),
        (
            "return address 0000000000000000",
            "return address 0000000003d7a000",
        ),
        ("return address 0000000000000000", "return address unmapped"),
        ("probe: register ldtr 0000000000000000\n", ""),
        ("register ldtr", "register cr0"),
        ("register ldtr", "surprise"),
    ] {
        assert!(log.contains(old), "{old:?}");
        let verdict = of_module(false, &[&log.replace(old, new)]);
        assert!(verdict.is_err(), "{old:?} {new:?}");
    }
    let native = [STATE, NATIVE_IDT, MAP, ALIAS, END].concat();
    let elsewhere = native.replace("idt_base 0000000003d7a580", "idt_base 0000000003d7b580");
    assert!(of_module(true, &[&elsewhere]).is_err());
}
