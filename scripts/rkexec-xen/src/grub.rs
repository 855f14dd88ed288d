//! What GRUB would boot, from its own files: `grub.cfg` and `grubenv`.
//!
//! GRUB's menu is a script. So it is run, as far as it decides what is booted: [`Config::read`] runs
//! the file itself, and what stands in an entry is run when the entry is asked for. Nothing is ever
//! written, and what GRUB does with the screen, the keyboard or other devices does nothing here.
//!
//! The way of a text: `lexer`, `parser`, `script` with `commands`; then `menu` picks an entry, and
//! `files` finds its files in the running system.

mod commands;
mod condition;
mod environment_block;
mod files;
mod lexer;
mod menu;
mod mounts;
mod options;
mod parser;
mod script;
mod search;
mod state;
#[cfg(test)]
mod tests;
mod words;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{bail, Context, Result};

pub use files::{locate, Device, Kind, RunningSystem, Search, World};
pub use menu::Step;

use menu::{Chosen, Node};
use script::Interpreter;
use state::State;

/// A boot entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The title, behind those of the submenus that it is in: `A > B > C`.
    pub title: String,
    /// The choices that lead to it, from the first menu on.
    pub path: Vec<Step>,
    /// What is loaded by `multiboot` or `multiboot2`: Xen.
    pub hypervisor: Option<Command>,
    /// What is loaded by `module` or `module2`, in this order: for Xen first the kernel of dom0.
    pub modules: Vec<Command>,
    /// What is loaded by `linux`: a kernel without Xen.
    pub linux: Option<Command>,
    /// What is loaded by `initrd`, in this order.
    pub initrd: Vec<Command>,
    /// What the user should know: GRUB's default is not in the menu, or the entry cannot be read or
    /// starts something else.
    pub note: Option<String>,
}

/// What one of GRUB's commands loads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The path in its file system, as GRUB sees it. [`locate`] finds it in the running system.
    pub file: String,
    /// The file system. `None` is that which GRUB's own files are on.
    pub root: Option<Search>,
    /// The command line as GRUB passes it on: what stands behind the file's name, an argument with
    /// blanks in double quotes, and a backslash before each quote and backslash. The first word stands
    /// for the file, as in `placeholder dom0_mem=2G`.
    pub words: String,
}

impl Command {
    /// Where the file is in the running system.
    ///
    /// # Errors
    ///
    /// Those of [`locate`].
    pub fn locate(&self, world: &dyn World) -> Result<PathBuf> {
        locate(&self.file, self.root.as_ref(), world)
    }
}

impl Entry {
    /// The choices that lead to it in numbers, such as `1>0`: what `--entry` and grub-reboot take.
    pub fn number(&self) -> String {
        let numbers = self.path.iter().map(|step| step.number.to_string());
        numbers.collect::<Vec<_>>().join(">")
    }

    fn new(path: Vec<Step>, state: State, note: Option<String>) -> Self {
        let loaded = state.loaded;
        let other = loaded
            .other
            .map(|command| format!("the entry starts something else, by `{command}`"));
        let notes: Vec<_> = note
            .into_iter()
            .chain(state.warnings)
            .chain(other)
            .collect();
        Self {
            title: title(&path),
            path,
            hypervisor: loaded.hypervisor,
            modules: loaded.modules,
            linux: loaded.linux,
            initrd: loaded.initrd,
            note: (!notes.is_empty()).then(|| notes.join("; ")),
        }
    }
}

fn title(path: &[Step]) -> String {
    let titles: Vec<_> = path.iter().map(|step| step.title.as_str()).collect();
    titles.join(" > ")
}

impl From<Chosen> for Entry {
    fn from(chosen: Chosen) -> Self {
        Self::new(chosen.steps, chosen.state, chosen.note)
    }
}

/// The firmware that GRUB runs on, to which menus adapt what they boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// A BIOS.
    Pc,
    /// UEFI.
    Efi,
}

/// GRUB's menu, ready to be asked.
pub struct Config {
    world: Rc<dyn World>,
    /// What the file has left.
    top: State,
}

impl Config {
    /// Reads the running system's menu from `path`, in most cases `/boot/grub/grub.cfg`. The directory
    /// that it is in is taken for GRUB's `$prefix`, so `grubenv` and `custom.cfg` are read from there.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is no GRUB script, or has no entries.
    pub fn read(path: &Path, platform: Platform) -> Result<Self> {
        Self::read_in(Rc::new(RunningSystem), path, platform)
    }

    /// Reads the menu of another system.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub fn read_in(world: Rc<dyn World>, path: &Path, platform: Platform) -> Result<Self> {
        let path = &std::path::absolute(path)?;
        let file = path.display().to_string();
        world.read(path).with_context(|| file.clone())?;
        let directory = path.parent().unwrap_or(Path::new("/")).display();
        let prefix = format!("({}){directory}", files::HOST);

        let mut run =
            Interpreter::new(world.as_ref(), initial(&prefix, platform), script::MAX_WORK);
        run.source(&format!("({}){file}", files::HOST))
            .context("cannot read GRUB's menu")?;
        let top = run.state;
        if top.menu.is_empty() {
            bail!("{file}: the menu has no entries");
        }
        Ok(Self { world, top })
    }

    /// The entry that GRUB would boot by itself.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub fn default_entry(&self) -> Result<Entry> {
        Ok(menu::follow_default(&self.top, self.world.as_ref())?.into())
    }

    /// An entry by its title, its identifier or its number, or by a path of these with `>` between
    /// them; a `>` that belongs to a title is doubled there. A title or an identifier alone also
    /// means an entry in a submenu, and a submenu means its first entry.
    ///
    /// # Errors
    ///
    /// There is no such entry, more than one, or it cannot be read.
    pub fn entry(&self, name: &str) -> Result<Entry> {
        let nodes = self.nodes();
        match menu::find_typed(&nodes, name) {
            Some(node) => Ok(menu::follow_node(node, self.world.as_ref())?.into()),
            None => bail!(
                "GRUB's menu has no entry `{name}`, or more than one (--list shows those with Xen)"
            ),
        }
    }

    /// All entries, those of submenus behind what they follow in the menu. The note of one that cannot
    /// be read says why.
    pub fn entries(&self) -> Vec<Entry> {
        let nodes = self.nodes().into_iter().filter(|node| !node.opens_menu);
        nodes
            .map(|node| match node.after {
                Ok(state) => Entry::new(node.steps, state, None),
                Err(error) => Entry::new(node.steps, State::default(), Some(error)),
            })
            .collect()
    }

    /// The value of `next_entry`, if it is this that has decided about the default: GRUB would have
    /// cleared it, and here it stays.
    pub fn next_entry(&self) -> Option<&str> {
        let next = self.top.next_entry.as_deref().filter(|n| !n.is_empty())?;
        (self.top.get("default") == Some(next)).then_some(next)
    }

    /// What GRUB would have read and this does not, such as entries from elsewhere.
    pub fn warnings(&self) -> &[String] {
        &self.top.warnings
    }

    fn nodes(&self) -> Vec<Node> {
        menu::nodes(&self.top, self.world.as_ref())
    }
}

/// What GRUB has set before it reads its menu.
fn initial(prefix: &str, platform: Platform) -> State {
    let (platform, cpu) = match platform {
        Platform::Pc => ("pc", "i386"),
        Platform::Efi => ("efi", "x86_64"),
    };
    let mut state = State::default();
    for (name, value) in [
        ("root", files::HOST),
        ("prefix", prefix),
        ("grub_platform", platform),
        ("grub_cpu", cpu),
        ("feature_chainloader_bpb", "y"),
        ("feature_ntldr", "y"),
        ("feature_platform_search_hint", "y"),
        ("feature_default_font_path", "y"),
        ("feature_all_video_module", "y"),
        ("feature_menuentry_id", "y"),
        ("feature_menuentry_options", "y"),
        ("feature_200_final", "y"),
        ("feature_nativedisk_cmd", "y"),
        ("feature_timeout_style", "y"),
        ("feature_search_cryptodisk_only", "y"),
    ] {
        state.set(name, value);
        state.export(name);
    }
    state
}
