//! What the `identity-map` command shares with the benchmark: how to read a memory map.

pub mod memory_map;
