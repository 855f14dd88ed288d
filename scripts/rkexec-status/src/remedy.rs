//! What to do about a line: what the README says, in its table of lines.

const README: &str = include_str!("../../../README.md");

/// What to do about what a line says, if the README has something like it; the row that has most of it counts.
pub fn of(line: &str) -> Option<String> {
    let rows = rows().filter_map(|(pattern, remedy)| Some((matched(pattern, line)?, remedy)));
    let (_, remedy) = rows.max_by_key(|(len, _)| *len)?;
    Some(remedy.replace('`', ""))
}

/// The first quoted text of each row's left cell, and the right cell.
fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    let table = README
        .split("## Troubleshooting")
        .nth(1)
        .unwrap_or_default();
    table.lines().filter_map(|line| {
        let row = line.strip_prefix("| ")?.strip_suffix(" |")?;
        let (left, right) = row.split_once(" | ")?;
        Some((left.split('`').nth(1)?, right))
    })
}

/// How many bytes of a line are in the pattern, if it has all of that. `...`, and a number `N`, are anything.
fn matched(pattern: &str, line: &str) -> Option<usize> {
    let mut rest = line;
    let mut len = 0;
    let parts = pattern.split("...").flat_map(|part| part.split(" N "));
    for part in parts.flat_map(|part| part.split(" N)")) {
        let part = part.trim_matches([' ', '(', ')', ',']);
        rest = &rest[rest.find(part)? + part.len()..];
        len += part.len();
    }
    Some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_row_that_has_most_of_a_line_counts() {
        let rule = |line| of(line).unwrap();
        let xen = rule("rkexec: not loaded: Xen 4.20 was built without kexec (CONFIG_KEXEC)");
        assert_eq!(xen, "another hypervisor package");
        let segment = rule("rkexec: image not loaded: segment 3 (ma:0x0-0xfff) is not in the machine's RAM: there is none at ma:0x0");
        assert!(segment.contains("another address"), "{segment}");
        let rust = rule("there is no module rkexec for the kernel 6.12: it is built without Rust");
        let headers =
            rule("there is no module rkexec for the kernel 7.3: its headers are not installed");
        assert!(
            rust != headers && !headers.contains('`'),
            "{rust}, {headers}"
        );
    }

    #[test]
    fn what_nobody_has_a_row_for_has_no_remedy() {
        assert_eq!(of("rkexec: something else"), None);
        assert_eq!(of(""), None);
    }

    #[test]
    fn a_pattern_is_there_whole_and_in_order() {
        assert_eq!(matched("a ... c", "a b c"), Some(2));
        assert_eq!(matched("a ... c", "c b a"), None);
        assert_eq!(matched("part N (...) is", "part 12 (x) is it"), Some(6));
        assert_eq!(
            matched("by the kernel (error N)", "by the kernel (error -22)"),
            Some(20)
        );
    }
}
