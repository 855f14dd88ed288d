//! Firmware with tables, at addresses of the tests' choice.

use std::cell::RefCell;
use std::collections::BTreeMap;

use rkexec::acpi::{self, Found, Memory, RootTable};
use rkexec::addr::Maddr;

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
        match bytes.get(from..from + to.len()) {
            Some(bytes) => to.copy_from_slice(bytes),
            None => return false,
        }
        true
    }
}

impl Firmware {
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
        let rsdp = Maddr::new(rsdp).expect("an address");
        let found = acpi::walk(self, rsdp, root_table, &mut |range| {
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

/// A FADT of so many bytes that has these fields.
pub fn fadt(bytes: usize, fields: &[(usize, &[u8])]) -> Vec<u8> {
    let mut fadt = table(b"FACP", &vec![0; bytes - 36]);
    for (at, value) in fields {
        fadt[*at..at + value.len()].copy_from_slice(value);
    }
    fadt
}

pub fn facs() -> Vec<u8> {
    let mut bytes = b"FACS".to_vec();
    bytes.extend(64u32.to_le_bytes());
    bytes.resize(64, 0);
    bytes
}
