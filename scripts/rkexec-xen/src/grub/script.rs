//! Runs scripts: statements, functions and files.

use std::path::PathBuf;

use anyhow::{bail, Context, Result};

use super::files::{locate, Kind, World};
use super::lexer::Word;
use super::parser::{parse, Block, Statement};
use super::state::State;
use super::words::expand;

/// How deep blocks, functions and files may stand in each other. GRUB gives up at about the same depth.
const MAX_DEPTH: usize = 64;

/// How much one run may do: commands, and bytes of their arguments. No menu needs a tenth of it. (What is endless for a
/// fuzzer is so sooner: it has many menus to try.)
pub(super) const MAX_WORK: usize = if cfg!(fuzzing) { 20_000 } else { 2_000_000 };

/// Where a run goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Flow {
    Next,
    /// Behind the end of so many loops.
    Break(usize),
    /// With the next round of the loop that is so many loops out.
    Continue(usize),
    /// Behind the call of the function.
    Return,
    /// In another menu, out of which nothing comes back.
    Menu,
}

/// Runs scripts on a state.
pub(super) struct Interpreter<'a> {
    pub(super) world: &'a dyn World,
    pub(super) state: State,
    depth: usize,
    /// How much it has done, and may do.
    pub(super) work: usize,
    most_work: usize,
    /// The loops that are run in the function that is run.
    pub(super) loops: usize,
}

impl<'a> Interpreter<'a> {
    /// One that may do what any may, but no more than `most_work`.
    pub(super) fn new(world: &'a dyn World, state: State, most_work: usize) -> Self {
        Self {
            world,
            state,
            depth: 0,
            work: 0,
            most_work: most_work.min(MAX_WORK),
            loops: 0,
        }
    }

    pub(super) fn run(&mut self, block: &Block) -> Result<Flow> {
        if self.depth == MAX_DEPTH {
            bail!("nested too deeply (does a file include itself?)");
        }
        self.depth += 1;
        let mut flow = Flow::Next;
        for statement in block.iter() {
            flow = self.statement(statement)?;
            if flow != Flow::Next {
                break;
            }
        }
        self.depth -= 1;
        Ok(flow)
    }

    /// Runs a function or the body of an entry, with its arguments.
    pub(super) fn call(&mut self, body: &Block, arguments: Vec<String>) -> Result<Flow> {
        let outer = std::mem::replace(&mut self.state.parameters, arguments);
        let loops = std::mem::take(&mut self.loops);
        let flow = self.run(body)?;
        self.state.parameters = outer;
        self.loops = loops;
        Ok(match flow {
            Flow::Menu => Flow::Menu,
            _ => Flow::Next,
        })
    }

    /// Runs a file, if it can be read; otherwise GRUB says so and goes on.
    pub(super) fn source(&mut self, name: &str) -> Result<Flow> {
        let Ok(text) = self.read(name) else {
            self.state.succeeded = false;
            return Ok(Flow::Next);
        };
        let block = parse(&text).with_context(|| without_host(name).to_owned())?;

        let before = ["config_file", "config_directory"]
            .map(|name| (name, self.state.get(name).map(str::to_owned)));
        self.state.set("config_file", name);
        let directory = name.rsplit_once('/').map_or("", |(directory, _)| directory);
        self.state.set("config_directory", directory);
        for (name, _) in &before {
            self.state.export(name);
        }
        let flow = self.run(&block)?;
        for (name, value) in before {
            match value {
                Some(value) => self.state.set(name, &value),
                None => self.state.unset(name),
            }
        }
        self.state.succeeded = true;
        Ok(flow)
    }

    /// The text of a file that a script names.
    pub(super) fn read(&self, name: &str) -> Result<String> {
        let bytes = self.world.read(&self.locate(name)?)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// What there is under a name in a script.
    pub(super) fn kind(&self, name: &str) -> Option<Kind> {
        let (root, path) = self.state.file(name);
        match (&root, self.world.kind(path.as_ref())) {
            (None, kind @ Some(_)) => kind,
            _ => self.world.kind(&self.locate(name).ok()?),
        }
    }

    fn locate(&self, name: &str) -> Result<PathBuf> {
        let (root, path) = self.state.file(name);
        locate(&path, root.as_ref(), self.world)
    }

    fn statement(&mut self, statement: &Statement) -> Result<Flow> {
        match statement {
            Statement::Command { words, body } => {
                let arguments = self.expand(words)?;
                self.command(&arguments, body.as_ref())
            }
            Statement::If {
                branches,
                otherwise,
            } => {
                for (condition, body) in branches {
                    let flow = self.run(condition)?;
                    if flow != Flow::Next {
                        return Ok(flow);
                    }
                    if self.state.succeeded {
                        return self.run(body);
                    }
                }
                self.state.succeeded = true;
                self.run(otherwise)
            }
            Statement::While {
                until,
                condition,
                body,
            } => self.in_loop(|run| loop {
                let flow = run.run(condition)?;
                if flow != Flow::Next || run.state.succeeded == *until {
                    return Ok(flow);
                }
                if let Some(flow) = after_round(run.run(body)?) {
                    return Ok(flow);
                }
                run.charge(1)?;
            }),
            Statement::For { name, words, body } => {
                let values = self.expand(words)?;
                self.in_loop(|run| {
                    for value in values {
                        run.state.set(name, &value);
                        if let Some(flow) = after_round(run.run(body)?) {
                            return Ok(flow);
                        }
                    }
                    Ok(Flow::Next)
                })
            }
            Statement::Function { name, body } => {
                self.state.functions.insert(name.clone(), body.clone());
                Ok(Flow::Next)
            }
        }
    }

    fn in_loop(&mut self, rounds: impl FnOnce(&mut Self) -> Result<Flow>) -> Result<Flow> {
        self.loops += 1;
        let flow = rounds(self);
        self.loops = self.loops.saturating_sub(1);
        flow
    }

    fn expand(&mut self, words: &[Word]) -> Result<Vec<String>> {
        let arguments = expand(words, &self.state);
        self.charge(1 + arguments.iter().map(String::len).sum::<usize>())?;
        Ok(arguments)
    }

    fn charge(&mut self, work: usize) -> Result<()> {
        self.work += work;
        if self.work > self.most_work {
            bail!("the script does not come to an end");
        }
        Ok(())
    }
}

/// How a loop ends after a round that ended like this; `None` if it goes on.
fn after_round(flow: Flow) -> Option<Flow> {
    match flow {
        Flow::Next | Flow::Continue(1) => None,
        Flow::Break(1) => Some(Flow::Next),
        Flow::Break(loops) => Some(Flow::Break(loops - 1)),
        Flow::Continue(loops) => Some(Flow::Continue(loops - 1)),
        Flow::Return | Flow::Menu => Some(flow),
    }
}

/// A name in a script as a path for a message.
pub(super) fn without_host(name: &str) -> &str {
    name.strip_prefix("(host)").unwrap_or(name)
}
