//! The formats that more than one program here reads: memory maps as text ([`e820`]), and kernels as
//! Linux's build makes them ([`bzimage`]). And [`unpacked`], by which a packed file cannot take all memory.

pub mod bzimage;
pub mod e820;
mod unpacked;

pub use unpacked::unpacked;
