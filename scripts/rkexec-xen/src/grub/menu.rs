//! The menu: which entry a name leads to, and what GRUB does when it chooses one.

use anyhow::{bail, Context, Result};

use super::files::World;
use super::parser::Block;
use super::script::{Flow, Interpreter, MAX_WORK};
use super::state::State;
use super::words::leading_number;

/// How many menus deep a choice may lead.
const MAX_DEPTH: usize = 16;

/// How many entries are listed at most: a menu may hold itself.
const MAX_ENTRIES: usize = 1000;

/// How much the entries of a listing may do together. One alone may be endless and the others are read all the same; but
/// a thousand of them would take minutes.
const MAX_WORK_OF_ALL: usize = 4 * MAX_WORK;

/// What `menuentry` or `submenu` has defined.
#[derive(Clone)]
pub(super) struct Item {
    pub(super) title: String,
    /// The `--id`, or the title.
    pub(super) id: String,
    pub(super) submenu: bool,
    pub(super) body: Block,
    /// What the body has as `$1` and so on: the title first.
    pub(super) arguments: Vec<String>,
}

/// One choice on the way to an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The position in its menu, from 0.
    pub number: usize,
    /// The identifier (`--id`), or the title of an entry without one.
    pub id: String,
    /// The title.
    pub title: String,
}

/// An entry at the end of a way.
pub(super) struct Chosen {
    pub(super) steps: Vec<Step>,
    /// What its commands have left.
    pub(super) state: State,
    /// What GRUB could not find.
    pub(super) note: Option<String>,
}

/// One entry or submenu of all that there are.
pub(super) struct Node {
    pub(super) steps: Vec<Step>,
    /// Its own state once it is chosen, or why it cannot be.
    pub(super) after: Result<State, String>,
    pub(super) opens_menu: bool,
}

/// The entry that GRUB starts when nobody touches the keyboard: in every menu that which `default`
/// names (`run_menu` in GRUB's normal/menu.c). In a submenu that is what `default` says behind a `>`,
/// and the first entry if it says nothing there.
pub(super) fn follow_default(top: &State, world: &dyn World) -> Result<Chosen> {
    follow(start(top), Vec::new(), world)
}

/// The entry that a choice leads to which somebody has made.
pub(super) fn follow_node(node: &Node, world: &dyn World) -> Result<Chosen> {
    let state = match &node.after {
        Ok(state) => state.clone(),
        Err(error) => bail!("{error}"),
    };
    if node.opens_menu {
        return follow(state, node.steps.clone(), world);
    }
    Ok(Chosen {
        steps: node.steps.clone(),
        state,
        note: None,
    })
}

/// From the state of a menu to an entry.
fn follow(mut state: State, mut steps: Vec<Step>, world: &dyn World) -> Result<Chosen> {
    let mut note = None;
    let mut work_left = MAX_WORK_OF_ALL;
    loop {
        let name = match steps.last() {
            Some(step) => format!("submenu `{}`", step.title),
            None => "menu".to_owned(),
        };
        if steps.len() == MAX_DEPTH {
            bail!("the {name} is nested too deeply");
        }
        let default = state.get("default").unwrap_or_default().to_owned();
        let number = find(&state.menu, &default);
        if number.is_none() && !default.is_empty() {
            note = Some(format!(
                "GRUB's default `{default}` is not in the {name}: it takes the first entry"
            ));
        }
        let number = number.unwrap_or(0);
        let Some(item) = state.menu.get(number).cloned() else {
            bail!("the {name} has no entries");
        };
        steps.push(item.step(number));
        let (after, opens_menu) = choose(&state, &item, world, &mut work_left)?;
        state = after;
        if !opens_menu {
            return Ok(Chosen { steps, state, note });
        }
    }
}

/// What every choice begins with: what there was to warn of before is said already.
fn start(top: &State) -> State {
    let mut state = top.clone();
    state.warnings.clear();
    state
}

/// All entries and submenus, each behind the submenu that it is in.
pub(super) fn nodes(top: &State, world: &dyn World) -> Vec<Node> {
    let mut top = start(top);
    top.unset("default");
    let (mut work_left, mut nodes) = (MAX_WORK_OF_ALL, Vec::new());
    collect(&top, &[], world, &mut work_left, &mut nodes);
    nodes
}

fn collect(
    menu: &State,
    above: &[Step],
    world: &dyn World,
    work_left: &mut usize,
    nodes: &mut Vec<Node>,
) {
    for (number, item) in menu.menu.iter().enumerate() {
        if nodes.len() == MAX_ENTRIES || above.len() == MAX_DEPTH {
            return;
        }
        let mut steps = above.to_vec();
        steps.push(item.step(number));
        let (after, opens_menu) = match choose(menu, item, world, work_left) {
            Ok((state, opens_menu)) => (Ok(state), opens_menu),
            Err(error) => (Err(format!("{error:#}")), false),
        };
        let inside = after.as_ref().ok().filter(|_| opens_menu).cloned();
        nodes.push(Node {
            steps: steps.clone(),
            after,
            opens_menu,
        });
        if let Some(inside) = inside {
            collect(&inside, &steps, world, work_left, nodes);
        }
    }
}

/// Runs what stands in an entry, as GRUB does when it is chosen. With whether a menu opens then. What it does is taken off
/// `work_left`.
fn choose(
    menu: &State,
    item: &Item,
    world: &dyn World,
    work_left: &mut usize,
) -> Result<(State, bool)> {
    let mut state = menu.clone();
    if item.submenu {
        state.open_menu();
    }
    state.loaded = Default::default();
    let id = item.id.replace('>', ">>");
    let chosen = match menu.get("chosen") {
        Some(above) => format!("{above}>{id}"),
        None => id,
    };
    state.set("chosen", &chosen);
    state.export("chosen");
    match menu.get("default").and_then(behind_first) {
        Some(rest) => state.set("default", rest),
        None => state.unset("default"),
    }

    let mut run = Interpreter::new(world, state, *work_left);
    let flow = run.call(&item.body, item.arguments.clone());
    *work_left = work_left.saturating_sub(run.work);
    let flow = flow.with_context(|| format!("in the entry `{}`", item.title))?;
    Ok((run.state, item.submenu || flow == Flow::Menu))
}

impl Item {
    fn step(&self, number: usize) -> Step {
        Step {
            number,
            id: self.id.clone(),
            title: self.title.clone(),
        }
    }
}

/// The position of the entry that a value of `default` names, as GRUB finds it: a number if it begins
/// with one, else a title or an identifier. What stands behind a `>` is for the submenu; a `>` that
/// belongs to a title is doubled.
fn find(menu: &[Item], default: &str) -> Option<usize> {
    if let Some(number) = leading_number(default) {
        return usize::try_from(number).ok().filter(|n| *n < menu.len());
    }
    let (first, _) = split(default);
    menu.iter()
        .position(|item| item.title == first || item.id == first)
        .filter(|_| !default.is_empty())
}

/// What stands behind the first single `>`, if there is something.
fn behind_first(default: &str) -> Option<&str> {
    split(default).1.filter(|rest| !rest.is_empty())
}

/// The first name of a path, its doubled `>` made single, and the rest of the path.
fn split(path: &str) -> (String, Option<&str>) {
    let mut name = String::new();
    let mut rest = path;
    while let Some((before, behind)) = rest.split_once('>') {
        name.push_str(before);
        match behind.strip_prefix('>') {
            Some(behind) => {
                name.push('>');
                rest = behind;
            }
            None => return (name, Some(behind)),
        }
    }
    name.push_str(rest);
    (name, None)
}

/// The node that a name means which somebody has typed: a path of titles, identifiers or numbers,
/// else the only entry, in whatever submenu, with this title or identifier.
pub(super) fn find_typed<'a>(nodes: &'a [Node], name: &str) -> Option<&'a Node> {
    let mut path = Vec::new();
    let mut rest = Some(name);
    while let Some(text) = rest {
        let (first, behind) = split(text);
        path.push(first);
        rest = behind;
    }
    let by_path = |is_step: fn(&Step, &str) -> bool| {
        nodes.iter().find(|node| {
            node.steps.len() == path.len()
                && node
                    .steps
                    .iter()
                    .zip(&path)
                    .all(|(step, name)| is_step(step, name))
        })
    };
    let named = |step: &Step, name: &str| step.title == name || step.id == name;
    let anywhere = || {
        let mut ends = nodes
            .iter()
            .filter(|node| node.steps.last().is_some_and(|step| named(step, name)));
        ends.next().filter(|_| ends.next().is_none())
    };
    by_path(|step, name| step.title == name || step.id == name)
        .or_else(|| {
            by_path(|step, name| {
                step.title == name || step.id == name || name.parse() == Ok(step.number)
            })
        })
        .or_else(anywhere)
}
