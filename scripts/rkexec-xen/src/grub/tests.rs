//! Whole menus, read in worlds that the tests make.

mod entries;
mod found;
mod scripts;
mod world;
