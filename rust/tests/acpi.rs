//! Finding the tables of ACPI.

mod firmware;
mod hostile;
mod pages;
mod walk;
