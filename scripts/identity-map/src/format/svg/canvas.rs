//! Writes SVG: the few elements that the picture is made of.
//!
//! What it looks like (colours, fonts) the style sheet in `palette.rs` says, by class.

use std::fmt::{self, Write};

use super::palette;

/// A font of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Font {
    /// The picture's name.
    Title,
    /// What is said below it.
    Subtitle,
    /// The name of a column.
    Heading,
    /// What is said below that, and in the legend.
    Small,
    /// In a box.
    Label,
    /// An address.
    Address,
}

impl Font {
    #[cfg(test)]
    pub(super) const ALL: [Self; 6] = [
        Self::Title,
        Self::Subtitle,
        Self::Heading,
        Self::Small,
        Self::Label,
        Self::Address,
    ];

    /// The class in the style sheet.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Subtitle => "subtitle",
            Self::Heading => "heading",
            Self::Small => "small",
            Self::Label => "label",
            Self::Address => "address",
        }
    }

    /// The size, in px.
    pub(super) const fn size(self) -> f64 {
        match self {
            Self::Title => 19.0,
            Self::Subtitle => 13.0,
            Self::Heading => 12.0,
            Self::Small | Self::Label | Self::Address => 11.0,
        }
    }

    /// What a text takes, in px: rather too much, for nobody knows which font there will be.
    pub(super) fn width(self, text: &str) -> f64 {
        // The average of letters and digits in common sans-serif fonts is between 0.5 and 0.6,
        // and a character of a common monospaced font is 0.6.
        self.size() * 0.6 * text.chars().count() as f64
    }

    /// The text, or as much of it as fits in so many px.
    pub(super) fn fit(self, text: &str, width: f64) -> String {
        if self.width(text) <= width {
            return text.to_owned();
        }
        // CAST: some ten characters.
        let room = (width / self.width("m")) as usize;
        let start: String = text.chars().take(room.saturating_sub(1)).collect();
        format!("{}\u{2026}", start.trim_end())
    }
}

/// Where a text's x is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    /// SVG's word for it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// A rectangle, in px.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

impl Rect {
    /// Whether a line of text has room in it.
    pub(super) fn has_room(self) -> bool {
        self.height >= Font::Label.size() + 1.0
    }

    /// The rectangle within it that leaves so much on every side.
    pub(super) fn inset(self, by: f64) -> Self {
        Self {
            x: self.x + by,
            y: self.y + by,
            width: (self.width - 2.0 * by).max(1.0),
            height: (self.height - 2.0 * by).max(1.0),
        }
    }
}

/// What has been drawn.
#[derive(Default)]
pub(super) struct Canvas {
    elements: String,
}

impl Canvas {
    /// A box of this class. A viewer that can shows `tooltip` to whoever points at it.
    pub(super) fn rect(&mut self, rect: Rect, class: &str, tooltip: &str) {
        let (x, y) = (Px(rect.x), Px(rect.y));
        let (width, height) = (Px(rect.width), Px(rect.height));
        self.line(format_args!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" class=\"{class}\">\
             <title>{}</title></rect>",
            Escaped(tooltip)
        ));
    }

    /// A box that says nothing.
    pub(super) fn plain_rect(&mut self, rect: Rect, class: &str) {
        let (x, y) = (Px(rect.x), Px(rect.y));
        let (width, height) = (Px(rect.width), Px(rect.height));
        self.line(format_args!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" class=\"{class}\"/>"
        ));
    }

    /// A horizontal line.
    pub(super) fn rule(&mut self, x: f64, y: f64, width: f64, class: &str) {
        let (x, y, width) = (Px(x), Px(y), Px(width));
        self.line(format_args!(
            "<path d=\"M{x} {y}h{width}\" class=\"{class}\"/>"
        ));
    }

    /// A text on one line, `y` being its middle.
    pub(super) fn text(&mut self, x: f64, y: f64, font: Font, anchor: Anchor, text: &str) {
        // The middle of digits and capitals is some 0.35 of the size above the baseline.
        let (x, y) = (Px(x), Px(y + 0.35 * font.size()));
        let (class, anchor) = (font.class(), anchor.word());
        self.line(format_args!(
            "<text x=\"{x}\" y=\"{y}\" class=\"{class}\" text-anchor=\"{anchor}\">{}</text>",
            Escaped(text)
        ));
    }

    /// The document with all that has been drawn.
    pub(super) fn finish(self, width: f64, height: f64, title: &str) -> String {
        let (width, height, title) = (Px(width), Px(height), Escaped(title));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
             <title>{title}</title>\n\
             {}\
             <rect width=\"{width}\" height=\"{height}\" rx=\"10\" class=\"paper\"/>\n\
             {}</svg>\n",
            palette::STYLE,
            self.elements
        )
    }

    fn line(&mut self, element: fmt::Arguments<'_>) {
        // Writing into a string cannot fail.
        let _ = writeln!(self.elements, "{element}");
    }
}

/// A length with one decimal at most.
struct Px(f64);

impl fmt::Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 * 10.0).round() / 10.0;
        write!(f, "{tenths}")
    }
}

/// A text as XML wants it between tags. What XML has no character for is replaced.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '\u{fffe}' | '\u{ffff}' => f.write_char(char::REPLACEMENT_CHARACTER),
            c if c.is_control() => f.write_char(char::REPLACEMENT_CHARACTER),
            c => f.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped() {
        assert_eq!(
            Escaped("<a> & b\0").to_string(),
            "&lt;a&gt; &amp; b\u{fffd}"
        );
    }

    #[test]
    fn a_text_that_is_too_long_is_cut() {
        let width = Font::Label.width("ten chars!");
        assert_eq!(Font::Label.fit("ten chars!", width), "ten chars!");
        assert_eq!(Font::Label.fit("eleven char", width), "eleven ch\u{2026}");
    }
}
