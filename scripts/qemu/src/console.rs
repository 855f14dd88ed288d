//! The serial console as lines of text.

use std::sync::LazyLock;

use regex::Regex;

/// Escape sequences that a terminal would obey.
static ESCAPES: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\x1b(\[[0-9;?]*[A-Za-z]|[c78()][0AB]?)").expect("constant"));

/// One line as a person sees it.
pub fn clean(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    let text = ESCAPES.replace_all(text.trim_end_matches(['\r', '\n']), "");
    text.chars()
        .filter(|c| !c.is_control() || *c == '\t')
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_loses_what_only_a_terminal_needs() {
        assert_eq!(
            clean(b"\x1b[2J\x1b[01;00H(XEN) Xen\x1b[0m\r\n"),
            "(XEN) Xen"
        );
        assert_eq!(clean(b"a\0b\tc"), "ab\tc");
    }
}
