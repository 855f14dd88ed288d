//! `Module.symvers`: the symbols that the kernel and modules export.

use std::collections::HashMap;

use anyhow::{bail, Result};

use crate::modinfo::ModInfo;

/// One exported symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// The exporting module, `vmlinux` for the kernel itself.
    pub owner: String,
    /// The namespace that a user must import, or `module:` and the modules that may use the symbol;
    /// empty for a symbol open to all.
    pub namespace: String,
}

/// What an export means to one module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The loader resolves it.
    Granted,
    /// The module would have to import the namespace, and can.
    NeedsImport,
    /// Exported to a list of other modules only: as good as not exported.
    OthersOnly,
}

/// All exported symbols by name.
#[derive(Debug, Default)]
pub struct Exports(HashMap<String, Export>);

impl Exports {
    /// Adds the symbols of one `Module.symvers`: lines of checksum, symbol, owner, kind of export
    /// and namespace, separated by tabs.
    ///
    /// # Errors
    ///
    /// A line that does not have these fields.
    pub fn add(&mut self, text: &str) -> Result<()> {
        for (index, line) in text.lines().enumerate() {
            let mut fields = line.split('\t');
            let (Some(_checksum), Some(symbol), Some(owner), Some(_kind)) =
                (fields.next(), fields.next(), fields.next(), fields.next())
            else {
                bail!("line {}: not a line of a Module.symvers", index + 1);
            };
            let namespace = fields.next().unwrap_or_default().to_owned();
            let owner = owner.to_owned();
            self.0
                .insert(symbol.to_owned(), Export { owner, namespace });
        }
        Ok(())
    }

    /// The export of this name, if there is one.
    pub fn get(&self, symbol: &str) -> Option<&Export> {
        self.0.get(symbol)
    }
}

impl Export {
    /// What the loader lets the module described by `modinfo` do with this symbol
    /// (`verify_namespace_is_imported()` in kernel/module/main.c).
    pub fn access(&self, modinfo: &ModInfo) -> Access {
        let imported = || modinfo.values("import_ns").any(|ns| ns == self.namespace);
        match self.namespace.strip_prefix("module:") {
            None if self.namespace.is_empty() || imported() => Access::Granted,
            None => Access::NeedsImport,
            Some(patterns) => {
                let name = modinfo.values("name").next().unwrap_or_default();
                match patterns.split(',').any(|pattern| matches(pattern, name)) {
                    true => Access::Granted,
                    false => Access::OthersOnly,
                }
            }
        }
    }
}

/// Whether `module` matches a pattern, in which only a trailing `*` is special and `-` is `_`.
fn matches(pattern: &str, module: &str) -> bool {
    let (pattern, module) = (pattern.replace('-', "_"), module.replace('-', "_"));
    match pattern.strip_suffix('*') {
        Some(prefix) => module.starts_with(prefix),
        None => module == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYMVERS: &str = "0x00000000\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n\
        0x00000000\tcxl_x\tdrivers/cxl/core\tEXPORT_SYMBOL_GPL\tCXL\n\
        0x00000000\tkvm_y\tvmlinux\tEXPORT_SYMBOL_GPL\tmodule:kvm-amd,kvm-intel,rk*\n";

    fn access(symbol: &str, modinfo: &[u8]) -> Access {
        let mut exports = Exports::default();
        exports.add(SYMVERS).unwrap();
        let export = exports.get(symbol).unwrap();
        export.access(&ModInfo::parse(modinfo))
    }

    #[test]
    fn a_symbol_without_a_namespace_is_open_to_all() {
        assert_eq!(access("printk", b"name=x\0"), Access::Granted);
    }

    #[test]
    fn a_namespace_must_be_imported() {
        assert_eq!(access("cxl_x", b"name=x\0"), Access::NeedsImport);
        assert_eq!(access("cxl_x", b"import_ns=CXL\0"), Access::Granted);
    }

    #[test]
    fn a_symbol_for_named_modules_is_closed_to_others() {
        assert_eq!(access("kvm_y", b"name=x\0"), Access::OthersOnly);
        assert_eq!(access("kvm_y", b"name=kvm_amd\0"), Access::Granted);
        assert_eq!(access("kvm_y", b"name=rkexec\0"), Access::Granted);
    }

    #[test]
    fn a_line_with_missing_fields_is_refused() {
        let error = Exports::default().add("0x0\tprintk\n").unwrap_err();
        assert!(error.to_string().starts_with("line 1:"));
    }
}
