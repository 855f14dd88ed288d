//! The identity map against the seven rules that it has to keep (ARCHITECTURE.md), one by one.
//!
//! `rules` says what each rule means for tables that have been built; `random` applies all of them
//! to generated maps, `real` to those of real machines, `hostile` to nonsense (rule 6), `edges`, `small`
//! and `exhaustive` to every case of a small world. `certify` has finished tables spoilt, one bit after the other. `model` and `walker` are the two oracles.

mod alias;
mod certify;
mod edges;
mod exhaustive;
mod hostile;
pub mod maps;
mod model;
mod random;
mod real;
mod rules;
mod small;
mod walker;
