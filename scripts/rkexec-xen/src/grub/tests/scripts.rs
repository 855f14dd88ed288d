//! What scripts may do, and what they may not.

use proptest::prelude::*;

use super::world::Files;
use crate::grub::Platform;

fn error_of(files: Files) -> String {
    match files.read_menu(Platform::Pc) {
        Ok(config) => format!("{:#}", config.default_entry().unwrap_err()),
        Err(error) => format!("{error:#}"),
    }
}

/// The command line of `linux`, after these commands in an entry `T`.
fn words(commands: &str) -> String {
    let menu = format!("menuentry T {{\n{commands}\n}}");
    let entry = Files::menu(&menu).config().default_entry().unwrap();
    entry.linux.unwrap().words
}

#[test]
fn statements_do_what_they_do_in_grub() {
    for (commands, said) in [
        (
            "x=' a  b '; linux /k $x \"$x\" p${x}q",
            r#"a b " a  b " pa bq"#,
        ),
        ("set a=b=c; linux /k $a; ", "b=c"),
        ("unset 1; linux /k $1 $#", "T 1"),
        (
            "if false; then x=1; elif true; then x=2; else x=3; fi; linux /k $x",
            "2",
        ),
        ("if ! [ a = b ]; then linux /k yes; fi", "yes"),
        ("false; linux /k $?", "1"),
        (
            "for i in a 'b c' d; do if [ $i = d ]; then break; fi; x=$x$i; done; linux /k $x",
            "ab",
        ),
        (
            "for i in 1 2; do for j in a b; do if [ $j = b ]; then continue 2; fi; x=$x$i$j; \
             done; done; linux /k $x",
            "1a2a",
        ),
        (
            "i=x; while [ $i != xxx ]; do i=x$i; done; linux /k $i",
            "xxx",
        ),
        ("until [ \"$i\" = xxx ]; do i=x$i; done; linux /k $i", "xxx"),
        (
            "function f { x=$2; return 1; x=no; }; if f a b; then x=no; fi; linux /k $x $1",
            "b T",
        ),
        ("setparams p q r; shift; linux /k $@", "q r"),
        ("eval 'x=1; linux /k $x'", "1"),
        ("linux /k \"two words\" it\\'s", r#""two words" it\'s"#),
        (
            "if loadfont x; then x=no; fi; if background_image /y; then x=no; fi; linux /k [$x]",
            "[]",
        ),
        (
            "if search --file /x; then x=1; fi; if insmod ext2; then x=${x}2; fi; linux /k $x",
            "12",
        ),
        ("if ! ! true; then x=1; fi; linux /k $x.", "1."),
        ("break; return; linux /no", ""),
    ] {
        if said.is_empty() {
            let menu = format!("menuentry T {{\n{commands}\n}}");
            let entry = Files::menu(&menu).config().default_entry().unwrap();
            assert_eq!(entry.linux, None, "{commands}");
        } else {
            assert_eq!(words(commands), said, "{commands}");
        }
    }
}

#[test]
fn an_entry_has_the_variables_of_the_end_of_the_menu() {
    let menu = "x=1\nmenuentry a { linux /k $x $kept }\n\
                submenu s { menuentry b { linux /k [$x] $kept $chosen } }\n\
                x=2; kept=3; export kept; set default=$default";
    let config = Files::menu(menu).config();
    let words = |name| config.entry(name).unwrap().linux.unwrap().words;
    assert_eq!(words("a"), "2 3");
    // A submenu has only those that are exported.
    assert_eq!(words("b"), "[] 3 s>b");
}

#[test]
fn what_is_no_script_is_named_with_file_and_line() {
    assert_eq!(
        error_of(Files::menu("menuentry 'a {\n}\n")),
        "cannot read GRUB's menu: /boot/grub/grub.cfg: line 1: the quote is not closed"
    );
    assert_eq!(
        error_of(Files::debian("0").file("/boot/grub/custom.cfg", "true\nfi\n")),
        "cannot read GRUB's menu: /boot/grub/custom.cfg: line 2: `fi` stands where the end should be"
    );
    assert_eq!(
        error_of(Files::menu("set default=0")),
        "/boot/grub/grub.cfg: the menu has no entries"
    );
    assert_eq!(
        error_of(Files::menu("submenu s { true; }")),
        "the submenu `s` has no entries"
    );
    assert!(error_of(Files::default()).starts_with("/boot/grub/grub.cfg: "));
}

#[test]
fn what_has_no_end_is_refused() {
    let too_deep = "cannot read GRUB's menu: nested too deeply (does a file include itself?)";
    assert_eq!(
        error_of(Files::menu("source $prefix/grub.cfg\nmenuentry a { true }")),
        too_deep
    );
    assert_eq!(
        error_of(
            Files::menu("source /a.cfg")
                .file("/a.cfg", "source /b.cfg")
                .file("/b.cfg", "configfile /a.cfg")
        ),
        too_deep
    );
    assert_eq!(error_of(Files::menu("function f { f }; f")), too_deep);
    let endless = "the script does not come to an end";
    assert_eq!(
        error_of(Files::menu("menuentry a { while true; do x=$x.; done }")),
        format!("in the entry `a`: {endless}")
    );
    assert_eq!(
        error_of(Files::menu("x=xxxxxxxxxxx; while true; do x=$x$x; done")),
        format!("cannot read GRUB's menu: {endless}")
    );
    assert!(error_of(Files::menu(&"! ".repeat(100_000))).contains("no entries"));
    // A submenu that is full of itself.
    let inside = "submenu s { source $prefix/grub.cfg; source $prefix/grub.cfg }";
    assert!(error_of(Files::menu(inside)).contains("too deeply"));
}

#[test]
fn an_entry_that_cannot_be_read_is_listed_with_the_reason() {
    let config =
        Files::menu("menuentry a { while true; do true; done }\nmenuentry b { linux /k }").config();
    let notes: Vec<_> = config
        .entries()
        .into_iter()
        .map(|entry| entry.note)
        .collect();
    let reason = "in the entry `a`: the script does not come to an end";
    assert_eq!(notes, [Some(reason.to_owned()), None]);
    assert_eq!(config.entry("a").unwrap_err().to_string(), reason);
    assert!(config.entry("b").is_ok());
}

/// Each of them alone is given up soon; a thousand, one after the other, would take minutes.
#[test]
fn a_menu_of_endless_entries_is_given_up_as_a_whole() {
    let endless = "menuentry a { while true; do true; done }\n".repeat(5);
    let config = Files::menu(&(endless + "menuentry b { linux /k }")).config();
    let entries = config.entries();
    assert_eq!(entries.len(), 6);
    let reason = "in the entry `b`: the script does not come to an end";
    assert_eq!(entries[5].note.as_deref(), Some(reason));
}

#[test]
fn an_environment_block_that_is_none_is_a_warning() {
    let config = Files::debian("0")
        .file("/boot/grub/grubenv", "broken")
        .config();
    assert_eq!(
        config.warnings(),
        ["/boot/grub/grubenv is not read: this is no GRUB environment block"]
    );
    let config = Files::menu("load_env -f /env a\nmenuentry x { linux /k $a $b }")
        .file("/env", "# GRUB Environment Block\na=1\nb=2\n#")
        .config();
    assert_eq!(config.default_entry().unwrap().linux.unwrap().words, "1");
}

/// Pieces of scripts, so that many texts get past the parser.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("menuentry 'a' --id b { ".to_owned()),
        Just("submenu \"s$x\" { ".to_owned()),
        Just(" }\n".to_owned()),
        Just("if [ -f /x -o ! ( a = $1 ) ]; then ".to_owned()),
        Just("; elif true; then ".to_owned()),
        Just("; fi\n".to_owned()),
        Just("for i in $@ a; do ".to_owned()),
        Just("until false; do ".to_owned()),
        Just("; done\n".to_owned()),
        Just("function f { ".to_owned()),
        Just("\nf \"$x\" y\n".to_owned()),
        Just("source $prefix/grub.cfg; ".to_owned()),
        Just("load_env -f; break; continue 2; return 1; shift 9; ".to_owned()),
        Just("search --set --fs-uuid --hint; module2; linux --; ! ; ! !; [ ]; ".to_owned()),
        Just("set default=1>0>é; set x='a\n b'; set =; = ; ".to_owned()),
        "[a-z$\\\\'\"{}();|&<> \n#=>\\-0-9é\u{0}]{0,12}",
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in prop_oneof![pieces(), any::<String>()], name in ".{0,8}") {
        let files = Files::menu(&text).grubenv(&text);
        if let Ok(config) = files.read_menu(Platform::Efi) {
            let _ = config.default_entry();
            let _ = config.entry(&name);
            prop_assert!(config.entries().len() <= 1000);
        }
    }

    #[test]
    fn a_command_line_is_what_was_quoted(argument in "[a-z =,]{1,20}") {
        let said = words(&format!("linux /k '{argument}'"));
        match argument.contains(' ') {
            true => prop_assert_eq!(said, format!("\"{argument}\"")),
            false => prop_assert_eq!(said, argument),
        }
    }
}
