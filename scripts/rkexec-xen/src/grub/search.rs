//! GRUB's `search`: which file system a variable is set to.
//!
//! GRUB looks for it among the disks. That happens later here, when a file on it is wanted.

use super::files::Search;
use super::options::{self, Given, Known, Value};

/// The variable that the command sets, and to what; `None` if it sets none.
pub(super) fn result(command: &str, arguments: &[String]) -> Option<(String, Search)> {
    match command {
        "search.fs_uuid" => by_position(arguments, Search::FsUuid),
        "search.fs_label" => by_position(arguments, Search::Label),
        "search.file" => by_position(arguments, Search::File),
        _ => by_options(arguments),
    }
}

/// `search.fs_uuid UUID [VARIABLE [HINT...]]`.
fn by_position(arguments: &[String], by: fn(String) -> Search) -> Option<(String, Search)> {
    let variable = arguments.get(1).map_or("root", String::as_str);
    Some((variable.to_owned(), by(arguments.first()?.clone())))
}

/// `search --fs-uuid --set=root [--hint=DEVICE...] UUID`.
fn by_options(arguments: &[String]) -> Option<(String, Search)> {
    let given = options::read(
        arguments,
        &[
            Known::new("file", Some('f'), Value::None),
            Known::new("label", Some('l'), Value::None),
            Known::new("fs-uuid", Some('u'), Value::None),
            Known::new("set", Some('s'), Value::Optional),
            Known::new("no-floppy", Some('n'), Value::None),
            Known::new("efidisk-only", None, Value::None),
            Known::new("cryptodisk-only", None, Value::None),
            Known::new("root-dev-only", Some('r'), Value::None),
            Known::new("hint", Some('h'), Value::Required),
            Known::new("hint-ieee1275", None, Value::Required),
            Known::new("hint-bios", None, Value::Required),
            Known::new("hint-baremetal", None, Value::Required),
            Known::new("hint-efi", None, Value::Required),
            Known::new("hint-arc", None, Value::Required),
        ],
    );
    let by = kind_of_search(&given)?;
    // Hints of platforms that are not known yet.
    let is_hint = |argument: &&String| argument.starts_with("--hint-");
    let wanted = given.arguments.iter().find(|argument| !is_hint(argument));
    let set = given.value("set");
    let (variable, wanted) = match (wanted, set) {
        (Some(wanted), set) => (set.unwrap_or("root"), wanted.as_str()),
        // `--set UUID`: the option has taken the only argument.
        (None, Some(wanted)) => ("root", wanted),
        (None, None) => return None,
    };
    given
        .has("set")
        .then(|| (variable.to_owned(), by(wanted.to_owned())))
}

fn kind_of_search(given: &Given) -> Option<fn(String) -> Search> {
    if given.has("label") {
        Some(Search::Label)
    } else if given.has("fs-uuid") {
        Some(Search::FsUuid)
    } else if given.has("file") {
        Some(Search::File)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn searched(command: &str) -> Option<(String, Search)> {
        let words: Vec<_> = command.split_whitespace().map(str::to_owned).collect();
        result(&words[0], &words[1..])
    }

    #[test]
    fn a_variable_is_set_however_the_search_is_written() {
        let uuid = Search::FsUuid("12-ab".into());
        for command in [
            "search --no-floppy --fs-uuid --set=root --hint-bios=hd0,gpt2 --hint='x' 12-ab",
            "search --no-floppy --fs-uuid --set 12-ab",
            "search --set --fs-uuid 12-ab",
            "search -n -u -s root 12-ab",
            "search --fs-uuid --hint-newer=x --set=root 12-ab",
            "search.fs_uuid 12-ab root hd0,gpt2",
            "search.fs_uuid 12-ab",
        ] {
            let found = Some(("root".to_owned(), uuid.clone()));
            assert_eq!(searched(command), found, "{command}");
        }
        assert_eq!(
            searched("search --label --set=dev disk"),
            Some(("dev".into(), Search::Label("disk".into())))
        );
        assert_eq!(
            searched("search -f /xen.gz --set=root"),
            Some(("root".into(), Search::File("/xen.gz".into())))
        );
        for command in [
            "search",
            "search.file",
            "search --fs-uuid 12-ab",
            "search --set=root x",
        ] {
            assert_eq!(searched(command), None, "{command}");
        }
    }
}
