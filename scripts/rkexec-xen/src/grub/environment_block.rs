//! GRUB's environment block (`grubenv`): the variables that outlive a boot.
//!
//! A file of 1024 bytes: a first line that says what it is, a line `name=value` for each variable, and
//! `#` up to the end. A backslash in a value keeps the character behind it, be it an end of line.

use anyhow::{bail, Result};

const SIGNATURE: &str = "# GRUB Environment Block\n";

/// The variables of a block, in its order.
///
/// # Errors
///
/// A text that is no environment block. A variable that is cut off at the end is left out.
pub(super) fn parse(text: &str) -> Result<Vec<(String, String)>> {
    let Some(mut rest) = text.strip_prefix(SIGNATURE) else {
        bail!("this is no GRUB environment block");
    };
    let mut variables = Vec::new();
    while !rest.is_empty() {
        let Some((line, behind)) = split_line(rest) else {
            break;
        };
        rest = behind;
        if line.starts_with('#') {
            continue;
        }
        if let Some((name, value)) = line.split_once('=') {
            variables.push((name.to_owned(), unescape(value)));
        }
    }
    Ok(variables)
}

/// The text before the first end of line that has no backslash before it, and the text behind.
fn split_line(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    let end = text.find(|c| {
        let is_end = c == '\n' && !escaped;
        escaped = c == '\\' && !escaped;
        is_end
    })?;
    Some((&text[..end], &text[end + 1..]))
}

fn unescape(value: &str) -> String {
    let mut chars = value.chars();
    let mut plain = String::new();
    while let Some(c) = chars.next() {
        plain.extend(match c {
            '\\' => chars.next(),
            c => Some(c),
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read_up_to_the_padding() {
        let text = format!(
            "{SIGNATURE}# a warning\nsaved_entry=a>b\nnext_entry=\nodd=x\\\\y\\\nz=1\n{}",
            "#".repeat(900)
        );
        assert_eq!(
            parse(&text).unwrap(),
            [
                ("saved_entry".into(), "a>b".into()),
                ("next_entry".into(), String::new()),
                ("odd".into(), "x\\y\nz=1".to_owned()),
            ]
        );
    }

    #[test]
    fn what_is_cut_off_or_no_block_is_not_taken() {
        assert_eq!(parse(&format!("{SIGNATURE}a=1\nb=2")).unwrap().len(), 1);
        assert_eq!(
            parse("saved_entry=1\n").unwrap_err().to_string(),
            "this is no GRUB environment block"
        );
        assert!(parse("").is_err());
    }
}
