//! The page tables: a column for each level, a box for each table, as high as what it stands for.
//!
//! A number in a box is that of the entries in use. Where tables are too many to be told apart, a
//! stack of cards stands for them.

use super::canvas::{Anchor, Canvas, Font, Rect};
use super::scale::Scale;
use super::table_pages::{Level, Tables, ENTRIES};
use super::{column, lane, units};

/// A table that is less high than this shares its place with others of its band, in px.
const MIN_HEIGHT: f64 = 13.0;

/// What the cards of a stack stick out by, in px.
const STICKS_OUT: f64 = 3.0;

/// Draws all levels.
pub(super) fn draw(canvas: &mut Canvas, scale: &Scale, levels: &[Level]) {
    for (index, level) in levels.iter().enumerate() {
        let x = column::TABLES + column::TABLE_WIDTH * index as f64;
        let mut pen = Pen {
            canvas,
            scale,
            level: level.name,
            x,
            stack: None,
        };
        level.tables.iter().for_each(|tables| pen.add(tables));
        pen.end_stack();
    }
}

/// `2 tables`, or just the number if that is too long for a column.
pub(super) fn number(nr: u64) -> String {
    let text = units::count(nr, "table");
    if Font::Small.width(&text) < column::TABLE_WIDTH - 2.0 * STICKS_OUT {
        text
    } else {
        nr.to_string()
    }
}

/// Draws a level, from the top down.
struct Pen<'a> {
    canvas: &'a mut Canvas,
    scale: &'a Scale,
    level: &'static str,
    /// The column's place.
    x: f64,
    /// What has not been drawn yet.
    stack: Option<Stack>,
}

/// Tables that are too small to be told apart, and begin in one band.
struct Stack {
    band: usize,
    top: f64,
    bottom: f64,
    nr: u64,
    /// The last of them.
    last: Tables,
}

impl Pen<'_> {
    fn add(&mut self, tables: &Tables) {
        let range = tables.range();
        let (top, bottom) = (self.scale.y(range.start()), self.scale.y(range.end()));
        let band = self.scale.band(range.start());
        let nr = tables.numbers.end - tables.numbers.start;
        // CAST: too many to draw, if it is not exact.
        if bottom - top >= MIN_HEIGHT * nr as f64 {
            self.end_stack();
            tables.each().for_each(|table| self.table(&table));
            return;
        }
        match &mut self.stack {
            Some(stack) if stack.band == band => {
                stack.bottom = bottom;
                stack.nr += nr;
                stack.last = tables.clone();
            }
            _ => {
                self.end_stack();
                self.stack = Some(Stack {
                    band,
                    top,
                    bottom,
                    nr,
                    last: tables.clone(),
                });
            }
        }
    }

    /// Draws what has been put together so far.
    fn end_stack(&mut self) {
        let Some(stack) = self.stack.take() else {
            return;
        };
        if stack.nr == 1 {
            return self.table(&stack.last);
        }
        let front = Rect {
            width: column::TABLE_WIDTH - 2.0 * STICKS_OUT,
            ..self.rect(stack.top, stack.bottom)
        };
        for card in [2.0, 1.0, 0.0] {
            let card = Rect {
                x: front.x + card * STICKS_OUT,
                ..front
            };
            self.canvas.plain_rect(card.inset(lane::GAP), self.level);
        }
        self.label(front, &number(stack.nr));
    }

    fn table(&mut self, table: &Tables) {
        let range = table.range();
        let rect = self.rect(self.scale.y(range.start()), self.scale.y(range.end()));
        let used = format!("{}, {} of {ENTRIES} entries in use", self.level, table.used);
        let tooltip = lane::tooltip(range, &used);
        self.canvas
            .rect(rect.inset(lane::GAP), self.level, &tooltip);
        self.label(rect, &table.used.to_string());
    }

    fn rect(&self, top: f64, bottom: f64) -> Rect {
        Rect {
            x: self.x,
            y: top,
            width: column::TABLE_WIDTH,
            height: bottom - top,
        }
    }

    fn label(&mut self, rect: Rect, text: &str) {
        if rect.has_room() {
            let (x, y) = (rect.x + rect.width / 2.0, rect.y + rect.height / 2.0);
            self.canvas.text(x, y, Font::Label, Anchor::Middle, text);
        }
    }
}
