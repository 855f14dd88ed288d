//! The addresses, and lines through the picture where they are.

use super::canvas::{Anchor, Canvas, Font};
use super::scale::Scale;
use super::{column, units};

/// Where hexadecimal digits end and the same in bytes begins, in px from the left.
const HEX_END: f64 = column::AXIS + 0.6 * column::AXIS_WIDTH;
const BYTES_START: f64 = HEX_END + 6.0;

/// Draws all borders between bands.
pub(super) fn draw(canvas: &mut Canvas, scale: &Scale, width: f64) {
    for border in scale.borders() {
        let y = scale.y(border);
        canvas.rule(column::MARGIN, y, width - 2.0 * column::MARGIN, "rule");
    }
    for border in scale.borders() {
        let (y, raw) = (scale.y(border), border.raw());
        canvas.text(HEX_END, y, Font::Address, Anchor::End, &format!("{raw:#x}"));
        if raw > 0 {
            canvas.text(
                BYTES_START,
                y,
                Font::Small,
                Anchor::Start,
                &units::bytes(raw),
            );
        }
    }
}
