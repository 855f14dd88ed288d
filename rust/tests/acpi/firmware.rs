//! Firmware with tables, at addresses of the tests' choice.

use std::cell::RefCell;
use std::collections::BTreeMap;

use rkexec::acpi::{self, Found, Memory, RootTable};
use rkexec::addr::Maddr;

use crate::common::{ma, put};

/// What is where; no two pieces overlap. Beside it, where something was read.
#[derive(Clone, Debug, Default)]
pub struct Firmware(pub BTreeMap<u64, Vec<u8>>, pub RefCell<Vec<u64>>);

impl Memory for Firmware {
    fn read(&self, at: Maddr, to: &mut [u8]) -> bool {
        let at = at.raw();
        self.1.borrow_mut().push(at);
        let Some((start, bytes)) = self.0.range(..=at).next_back() else {
            return false;
        };
        let from = (at - start) as usize;
        let bytes = bytes.get(from..from + to.len());
        bytes.map(|bytes| to.copy_from_slice(bytes)).is_some()
    }
}

impl Firmware {
    /// A root pointer at 0x1000 that leads to an RSDT at 0x2000.
    pub fn v1(entries: &[u32]) -> Self {
        Self::default()
            .with(0x1000, rsdp_v1(0x2000))
            .with(0x2000, rsdt(entries))
    }

    /// A root pointer at 0x1000 that leads to an XSDT at 0x2000.
    pub fn v2(entries: &[u64]) -> Self {
        Self::default()
            .with(0x1000, rsdp_v2(0, 0x2000))
            .with(0x2000, xsdt(entries))
    }

    pub fn with(mut self, at: u64, bytes: Vec<u8>) -> Self {
        self.0.insert(at, bytes);
        self
    }

    /// Where the root pointer is found.
    pub fn scan(&self) -> Option<u64> {
        acpi::scan(self, &mut [0; 4096]).map(|at| at.raw())
    }

    /// What is found from `rsdp` on, as (start, length).
    pub fn walk(&self, rsdp: u64) -> (Vec<(u64, u64)>, Found) {
        self.walk_by(rsdp, RootTable::Newest)
    }

    /// The same by that root table.
    pub fn walk_by(&self, rsdp: u64, root_table: RootTable) -> (Vec<(u64, u64)>, Found) {
        let mut seen = Vec::new();
        let found = acpi::walk(self, ma(rsdp), root_table, &mut |range| {
            seen.push((range.start().raw(), range.len_bytes()));
        });
        (seen, found)
    }
}

fn sum_to_zero(bytes: &mut [u8], at: usize) {
    bytes[at] = 0;
    let sum = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    bytes[at] = sum.wrapping_neg();
}

/// A root pointer of ACPI 1.0.
pub fn rsdp_v1(rsdt: u32) -> Vec<u8> {
    let mut bytes = b"RSD PTR \0BOCHS \0".to_vec();
    bytes.extend(rsdt.to_le_bytes());
    sum_to_zero(&mut bytes, 8);
    bytes
}

/// A root pointer of ACPI 2.0 and later.
pub fn rsdp_v2(rsdt: u32, xsdt: u64) -> Vec<u8> {
    let mut bytes = b"RSD PTR \0BOCHS \x02".to_vec();
    bytes.extend(rsdt.to_le_bytes());
    sum_to_zero(&mut bytes, 8);
    bytes.extend(36u32.to_le_bytes());
    bytes.extend(xsdt.to_le_bytes());
    bytes.extend([0; 4]);
    sum_to_zero(&mut bytes, 32);
    bytes
}

/// A table with this behind its header.
pub fn table(signature: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = signature.to_vec();
    bytes.extend((36 + body.len() as u32).to_le_bytes());
    bytes.extend([0; 28]);
    bytes.extend(body);
    bytes
}

pub fn rsdt(entries: &[u32]) -> Vec<u8> {
    let body: Vec<u8> = entries.iter().flat_map(|at| at.to_le_bytes()).collect();
    table(b"RSDT", &body)
}

pub fn xsdt(entries: &[u64]) -> Vec<u8> {
    let body: Vec<u8> = entries.iter().flat_map(|at| at.to_le_bytes()).collect();
    table(b"XSDT", &body)
}

/// A FADT of ACPI 1.0, or of ACPI 2.0 if there are wide fields: where FACS and DSDT are.
pub fn fadt([facs, dsdt]: [u32; 2], wide: Option<[u64; 2]>) -> Vec<u8> {
    let bytes = if wide.is_some() { 244 } else { 116 };
    let mut fadt = table(b"FACP", &vec![0; bytes - 36]);
    put(&mut fadt, 36, &facs.to_le_bytes());
    put(&mut fadt, 40, &dsdt.to_le_bytes());
    if let Some([facs, dsdt]) = wide {
        put(&mut fadt, 132, &facs.to_le_bytes());
        put(&mut fadt, 140, &dsdt.to_le_bytes());
    }
    fadt
}

pub fn facs() -> Vec<u8> {
    let mut bytes = b"FACS".to_vec();
    bytes.extend(64u32.to_le_bytes());
    bytes.resize(64, 0);
    bytes
}
