//! What is said when the machine has started (`rkexec.service`): whether that has to fail.

use crate::facts::Facts;
use crate::module::State;
use crate::trouble;

/// What becomes of the start.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Good(String),
    Bad(String),
}

/// Bad is what leaves a machine without what it was set up for, and that is only in a dom0: there the kernel's own
/// kexec loads what can never start, and a crash leaves no dump. On bare metal all goes on without rkexec, by the kernel's
/// own code; a unit that fails would say otherwise, for months, of a machine that is kept on another kernel. In a
/// guest nothing was ever there to lose.
pub fn verdict(facts: &Facts) -> Verdict {
    let Some(what) = trouble::of_module(facts) else {
        return Verdict::Good(format!("rkexec is at work on the kernel {}", facts.kernel));
    };
    if !facts.host.kind.is_dom0() {
        return Verdict::Good(format!("{what}; kexec is the kernel's own"));
    }
    let mut why: Vec<_> = facts.clients.dependent();
    if facts.module.state == State::Refused && facts.module.wanted_at_boot {
        why.push("modules-load.d");
    }
    match why.is_empty() {
        true => Verdict::Good(format!(
            "{what}; kexec does not work in this dom0, and nothing is set up that needs it"
        )),
        false => {
            let depends = if why.len() == 1 { "depends" } else { "depend" };
            Verdict::Bad(format!("{what}; {} {depends} on it", why.join(" and ")))
        }
    }
}
