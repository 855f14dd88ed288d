//! What the picture looks like: a style sheet, and what is of which class.
//!
//! The paper has a colour of its own, so that the picture looks the same on a light page and on a
//! dark one. Tables have the colour of the pages that their entries can map.

use rkexec::identity::{Attr, LeafSize};
use rkexec::memmap::E820Type;

/// The style sheet, and the pattern of what is uncached.
pub(super) const STYLE: &str = r##"<style>
text { font-family: system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, "DejaVu Sans", sans-serif; fill: #1f2a37 }
.title { font-size: 19px; font-weight: 600 }
.subtitle { font-size: 13px; fill: #566273 }
.heading { font-size: 12px; font-weight: 600 }
.small { font-size: 11px; fill: #566273 }
.label { font-size: 11px }
.address { font-size: 11px; font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #3b4654 }
.address, .small { paint-order: stroke; stroke: #fcfbf8; stroke-width: 4px; stroke-linejoin: round }
.paper { fill: #fcfbf8; stroke: #d8d4ca }
.rule { stroke: #c9c4b8; stroke-width: 0.75; stroke-dasharray: 1 3 }
rect { stroke-width: 0.75 }
.nothing { fill: none }
.unmapped { fill: #f4f2ec; stroke: #cfcabd; stroke-dasharray: 3 3 }
.gib { fill: #94bfec; stroke: #5588bf }
.mib { fill: #9bd7bd; stroke: #55a184 }
.kib { fill: #f8cd86; stroke: #cb9540 }
.uncached { fill: url(#hatch); stroke: #c9545c }
.several { fill: #f4f2ec; stroke: #a9a394 }
.usable { fill: #dfeccf; stroke: #9cb684 }
.reserved { fill: #dcdfe5; stroke: #aab1bd }
.acpi { fill: #e6d8f5; stroke: #b294d6 }
.nvs { fill: #d3bdf0; stroke: #9b77cc }
.unusable { fill: #f3c1c1; stroke: #cf7f7f }
.persistent { fill: #efe0b0; stroke: #c3a955 }
.other { fill: #c8dde3; stroke: #83a9b5 }
.PT { fill: #fdebcb; stroke: #cb9540 }
.PD { fill: #d3f0e4; stroke: #55a184 }
.PDPT { fill: #d5e6f9; stroke: #5588bf }
.PML4, .PML5 { fill: #e7e4f3; stroke: #8f86b8 }
</style>
<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><path d="M0 0h6v6h-6z" fill="#fdf0ee"/><path d="M0 0v6" stroke="#f3b5b0" stroke-width="4"/></pattern></defs>
"##;

/// The class of pages.
pub(super) fn pages(size: LeafSize, attr: Attr) -> &'static str {
    match (attr, size) {
        (Attr::Uncached, _) => "uncached",
        (Attr::WriteBack, LeafSize::Gib1) => "gib",
        (Attr::WriteBack, LeafSize::Mib2) => "mib",
        (Attr::WriteBack, LeafSize::Kib4) => "kib",
    }
}

/// The class of a memory-map entry.
pub(super) fn kind(kind: E820Type) -> &'static str {
    match kind {
        E820Type::Ram => "usable",
        E820Type::Reserved => "reserved",
        E820Type::Acpi => "acpi",
        E820Type::Nvs => "nvs",
        E820Type::Unusable => "unusable",
        E820Type::Persistent => "persistent",
        E820Type::Other(_) => "other",
    }
}
