//! What scripts work on: variables, functions, the menu, and what is loaded.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::files::Search;
use super::menu::Item;
use super::parser::Block;
use super::words::Values;
use super::Command;

/// What a script changes. A menu entry works on a copy of it.
#[derive(Clone, Default)]
pub(super) struct State {
    variables: BTreeMap<String, Variable>,
    pub(super) functions: BTreeMap<String, Block>,
    /// The arguments of the function or entry that is run.
    pub(super) parameters: Vec<String>,
    /// Whether the last command succeeded.
    pub(super) succeeded: bool,
    /// The entries that were defined.
    pub(super) menu: Rc<Vec<Item>>,
    /// What was loaded.
    pub(super) loaded: Loaded,
    /// `next_entry` as the environment block has it.
    pub(super) next_entry: Option<String>,
    /// What GRUB would have read and this does not.
    pub(super) warnings: Vec<String>,
}

#[derive(Clone, Default)]
struct Variable {
    value: String,
    exported: bool,
}

/// What the commands of an entry have loaded.
#[derive(Clone, Debug, Default)]
pub(super) struct Loaded {
    pub(super) hypervisor: Option<Command>,
    pub(super) modules: Vec<Command>,
    pub(super) linux: Option<Command>,
    pub(super) initrd: Vec<Command>,
    /// A command that starts something else.
    pub(super) other: Option<String>,
}

impl State {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|v| v.value.as_str())
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        let value = match value.strip_prefix('(').and_then(|v| v.strip_suffix(')')) {
            // GRUB takes `(hd0,1)` for `hd0,1` there.
            Some(device) if name == "root" => device,
            _ => value,
        };
        self.variables.entry(name.to_owned()).or_default().value = value.to_owned();
    }

    pub(super) fn unset(&mut self, name: &str) {
        self.variables.remove(name);
    }

    pub(super) fn export(&mut self, name: &str) {
        self.variables.entry(name.to_owned()).or_default().exported = true;
    }

    /// What another menu begins with: the variables that are exported, and no entries.
    pub(super) fn open_menu(&mut self) {
        self.variables.retain(|_, variable| variable.exported);
        self.menu = Rc::default();
    }

    /// The file system and the path there of a file that a script names.
    pub(super) fn file(&self, name: &str) -> (Option<Search>, String) {
        let (device, path) = match name.strip_prefix('(').and_then(|n| n.split_once(')')) {
            Some((device, path)) => (device, path),
            None => (self.get("root").unwrap_or_default(), name),
        };
        (Search::of_device(device), path.to_owned())
    }
}

impl Values for State {
    fn variable(&self, name: &str) -> Option<String> {
        match name {
            "?" => Some(u8::from(!self.succeeded).to_string()),
            _ => self.get(name).map(str::to_owned),
        }
    }

    fn parameters(&self) -> &[String] {
        &self.parameters
    }
}
