//! The formats that more than one program here reads: memory maps as text ([`e820`]), and kernels as
//! Linux's build makes them ([`bzimage`]).

pub mod bzimage;
pub mod e820;
