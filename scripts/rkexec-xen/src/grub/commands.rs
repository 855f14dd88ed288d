//! The commands that decide what is booted. All others do nothing.

use std::rc::Rc;

use anyhow::{Context, Result};

use super::condition;
use super::environment_block;
use super::menu::Item;
use super::options::{self, Known, Value};
use super::parser::{parse, Block};
use super::script::{without_host, Flow, Interpreter};
use super::search;
use super::state::Loaded;
use super::words::command_line;
use super::Command;

/// Commands that do nothing here and succeed in GRUB. Of all others, which do nothing here either,
/// nobody knows whether they would: as a condition they do not hold, so that a menu is read as on a
/// machine with neither graphics nor a key pressed.
const SUCCEED: [&str; 16] = [
    ":",
    "clear",
    "cpuid",
    "echo",
    "insmod",
    "save_env",
    "terminal_input",
    "terminal_output",
    "true",
    "list_env",
    "password",
    "password_pbkdf2",
    "play",
    "rmmod",
    "serial",
    "nativedisk",
];

/// Commands that would add entries to the menu.
const UNREAD_ENTRIES: [&str; 6] = [
    "blscfg",
    "bls_import",
    "extract_entries_configfile",
    "extract_entries_source",
    "legacy_configfile",
    "uki",
];

impl Interpreter<'_> {
    /// Runs one command, which leaves in the state whether it succeeded.
    pub(super) fn command(&mut self, words: &[String], body: Option<&Block>) -> Result<Flow> {
        match words.split_first() {
            Some((first, command)) if first == "!" => {
                let flow = self.plain_command(command, body)?;
                self.state.succeeded = !self.state.succeeded;
                Ok(flow)
            }
            _ => self.plain_command(words, body),
        }
    }

    fn plain_command(&mut self, words: &[String], body: Option<&Block>) -> Result<Flow> {
        let Some((name, arguments)) = words.split_first() else {
            self.state.succeeded = true;
            return Ok(Flow::Next);
        };
        self.state.succeeded = true;
        let first = arguments.first().map_or("", String::as_str);
        match name.as_str() {
            "[" | "test" => {
                self.state.succeeded = condition::holds(arguments, &|name| self.kind(name));
            }
            "set" => match first.split_once('=') {
                Some((name, value)) => self.state.set(name, value),
                None => self.state.succeeded = arguments.is_empty(),
            },
            "unset" => self.state.unset(first),
            "export" => arguments.iter().for_each(|name| self.state.export(name)),
            "false" => self.state.succeeded = false,

            "break" => return Ok(self.out_of_loops(first).map_or(Flow::Next, Flow::Break)),
            "continue" => return Ok(self.out_of_loops(first).map_or(Flow::Next, Flow::Continue)),
            "return" => {
                self.state.succeeded = matches!(first, "" | "0");
                return Ok(Flow::Return);
            }
            "setparams" => self.state.parameters = arguments.to_vec(),
            "shift" => {
                let parameters = &mut self.state.parameters;
                let count = first.parse().unwrap_or(1).min(parameters.len());
                parameters.drain(..count);
            }
            "eval" => {
                let block = parse(&arguments.join(" ")).context("in `eval`")?;
                return self.run(&block);
            }

            "source" | "." => return self.source(first),
            "configfile" | "normal" => return self.other_menu(first),
            "load_env" => self.load_env(arguments),
            "menuentry" | "submenu" => self.define(name == "submenu", arguments, body)?,

            "search" | "search.fs_uuid" | "search.fs_label" | "search.file" => {
                if let Some((variable, root)) = search::result(name, arguments) {
                    self.state.set(&variable, &root.device_name());
                }
            }
            "multiboot" | "multiboot2" => {
                let hypervisor = self.image(arguments, "--quirk-");
                self.state.loaded = Loaded {
                    hypervisor,
                    ..Loaded::default()
                };
            }
            "module" | "module2" => {
                let module = self.image(arguments, "--nounzip");
                self.state.loaded.modules.extend(module);
            }
            "linux" | "linux16" | "linuxefi" => {
                let linux = self.image(arguments, "--quirk-");
                self.state.loaded = Loaded {
                    linux,
                    ..Loaded::default()
                };
            }
            "initrd" | "initrd16" | "initrdefi" => {
                self.state.loaded.initrd = arguments
                    .iter()
                    .filter_map(|file| self.image(std::slice::from_ref(file), "--"))
                    .collect();
            }
            "chainloader" | "freedos" | "ntldr" | "kfreebsd" | "xen_hypervisor" | "fwsetup"
            | "exit" | "halt" | "reboot" => {
                self.state.loaded = Loaded {
                    other: Some(name.clone()),
                    ..Loaded::default()
                };
            }

            name if UNREAD_ENTRIES.contains(&name) => {
                let warning = format!("the entries that `{name}` adds to GRUB's menu are not read");
                self.state.warnings.push(warning);
            }
            name if SUCCEED.contains(&name) => {}
            _ => return self.other(name, arguments),
        }
        Ok(Flow::Next)
    }

    /// A function, or an assignment, or nothing that matters.
    fn other(&mut self, name: &str, arguments: &[String]) -> Result<Flow> {
        if let Some(body) = self.state.functions.get(name).cloned() {
            return self.call(&body, arguments.to_vec());
        }
        match name.split_once('=') {
            Some((name, value)) => self.state.set(name, value),
            None => self.state.succeeded = false,
        }
        Ok(Flow::Next)
    }

    /// How many loops `break` and `continue` are about; `None` outside of loops.
    fn out_of_loops(&self, count: &str) -> Option<usize> {
        let count = count.parse().unwrap_or(1).min(self.loops);
        (count > 0).then_some(count)
    }

    /// Leaves this menu for that of another file.
    fn other_menu(&mut self, name: &str) -> Result<Flow> {
        if self.read(name).is_err() {
            self.state.succeeded = false;
            let warning = format!("{}, to which GRUB goes on, is not here", without_host(name));
            self.state.warnings.push(warning);
            return Ok(Flow::Next);
        }
        let name = name.to_owned();
        self.state.open_menu();
        self.source(&name)?;
        Ok(Flow::Menu)
    }

    fn load_env(&mut self, arguments: &[String]) {
        let given = options::read(
            arguments,
            &[
                Known::new("file", Some('f'), Value::Required),
                Known::new("skip-sig", Some('s'), Value::None),
            ],
        );
        let name = match given.value("file") {
            Some(name) => name.to_owned(),
            None => format!("{}/grubenv", self.state.get("prefix").unwrap_or_default()),
        };
        let variables = self
            .read(&name)
            .and_then(|text| environment_block::parse(&text));
        let variables = match variables {
            Ok(variables) => variables,
            Err(error) => {
                let warning = format!("{} is not read: {error:#}", without_host(&name));
                self.state.warnings.push(warning);
                self.state.succeeded = false;
                return;
            }
        };
        for (name, value) in variables {
            if !given.arguments.is_empty() && !given.arguments.contains(&name) {
                continue;
            }
            if name == "next_entry" {
                self.state.next_entry = Some(value.clone());
            }
            self.state.set(&name, &value);
        }
    }

    /// `menuentry` and `submenu`.
    fn define(&mut self, submenu: bool, arguments: &[String], body: Option<&Block>) -> Result<()> {
        let given = options::read(
            arguments,
            &[
                Known::new("class", None, Value::Required),
                Known::new("users", None, Value::Optional),
                Known::new("hotkey", None, Value::Required),
                Known::new("source", None, Value::Required),
                Known::new("id", None, Value::Required),
                Known::new("unrestricted", None, Value::None),
            ],
        );
        let body = match (body, given.value("source")) {
            (Some(body), _) => body.clone(),
            (None, Some(source)) => parse(source).context("in `--source`")?,
            (None, None) => Block::default(),
        };
        let Some(title) = given.arguments.first() else {
            self.state.succeeded = false;
            return Ok(());
        };
        let item = Item {
            title: title.clone(),
            id: given.value("id").unwrap_or(title).to_owned(),
            submenu,
            body,
            arguments: given.arguments.clone(),
        };
        Rc::make_mut(&mut self.state.menu).push(item);
        Ok(())
    }

    /// The file and the command line of a loader's command, behind its options.
    fn image(&mut self, arguments: &[String], options: &str) -> Option<Command> {
        let is_option = |argument: &&String| argument.starts_with(options);
        let skipped = arguments.iter().take_while(is_option).count();
        let Some((name, words)) = arguments[skipped..].split_first() else {
            self.state.succeeded = false;
            return None;
        };
        let (root, file) = self.state.file(name);
        Some(Command {
            file,
            root,
            words: command_line(words),
        })
    }
}
