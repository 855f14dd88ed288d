//! Free places for segments: where the kernel's own search finds them, page by page.

mod edges;
mod kernel;
mod same;
