//! The command, as a user meets it.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

/// A PC with 1 GiB and a bit: RAM that ends inside a page, ACPI tables, a hole at the top.
const PC: &str = "\
# a PC
0000000000000000 000000000009fbff usable
000000000009fc00 000000000009ffff reserved
00000000000f0000 00000000000fffff reserved
0000000000100000 0000000040401fff usable
0000000040402000 00000000404027ff ACPI data
00000000fffc0000 00000000ffffffff reserved
";

fn start(args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_identity-map"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command")
}

/// Gives it this to read and waits for its end. It need not read it.
fn finish(mut child: Child, input: &str) -> Output {
    let mut stdin = child.stdin.take().expect("a pipe");
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("its end")
}

fn run(args: &[&str], input: &str) -> Output {
    finish(start(args), input)
}

fn stdout(args: &[&str], input: &str) -> String {
    let output = run(args, input);
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// What it says when it fails with this exit code; and it says nothing else.
fn stderr(code: i32, args: &[&str], input: &str) -> String {
    let output = run(args, input);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr).expect("text")
}

fn e820(name: &str) -> PathBuf {
    let maps = concat!(env!("CARGO_MANIFEST_DIR"), "/../../rust/tests/e820");
    PathBuf::from(maps).join(name)
}

#[test]
fn the_pages_of_a_pc_and_how_many_tables_they_take() {
    assert_eq!(
        stdout(&["-"], PC),
        "\
0000000000000000 000000000009efff 4K WB
00000000000a0000 00000000000fffff 4K UC
0000000000100000 00000000001fffff 4K WB
0000000000200000 00000000403fffff 2M WB
0000000040400000 0000000040402fff 4K WB
table pages: 6
"
    );
}

#[test]
fn a_page_of_1_gib_only_where_the_processor_has_them() {
    let map = "0 ffffffff usable";
    let with = "0000000040000000 00000000ffffffff 1G WB\ntable pages: 4\n";
    let without = "0000000000200000 00000000ffffffff 2M WB\ntable pages: 7\n";
    assert!(stdout(&["-"], map).ends_with(with));
    assert!(stdout(&["--no-1g", "-"], map).ends_with(without));
}

#[test]
fn five_levels_take_a_table_more_and_reach_all_memory() {
    assert!(stdout(&["--la57", "-"], PC).ends_with("\ntable pages: 7\n"));
    let far = "0 ffff usable\n800000000000 800000000fff usable\n";
    assert_eq!(
        stderr(1, &["-"], far),
        "identity-map: standard input: memory at [ma:0x800000000000, \
         ma:0x800000001000) reaches beyond ma:0x800000000000, the most that page tables of four \
         levels can map one to one; --la57 builds five\n"
    );
    let lines = stdout(&["--la57", "-"], far);
    assert!(lines.contains("\n0000800000000000 0000800000000fff 4K WB\n"));
}

#[test]
fn json_says_the_same_as_the_text() {
    let text = stdout(&["--format", "text", "-"], PC);
    let json = stdout(&["--format", "json", "-"], PC);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let mut lines = String::new();
    for run in json["leaves"].as_array().expect("an array") {
        let number = |name: &str| run[name].as_u64().expect("a number");
        let string = |name: &str| run[name].as_str().expect("a string");
        lines += &format!(
            "{:016x} {:016x} {} {}\n",
            number("start"),
            number("end"),
            string("size"),
            string("attr")
        );
    }
    lines += &format!("table pages: {}\n", json["table_pages"]);
    assert_eq!(lines, text);
    assert_eq!(json["levels"], 4);
    assert_eq!(json["gib_pages"], true);
}

/// The picture in ARCHITECTURE.md. After a change to the drawing, look at what this test leaves in
/// `.build/target/tmp/example.svg`, and copy it.
#[test]
fn the_example_is_what_is_drawn_today() {
    let path = e820("10-hpe-dl385-gen10plus-512g.txt");
    let map = std::fs::read_to_string(path).expect("a map");
    let title = ["--title", "HPE ProLiant DL385 Gen10 Plus"];
    let svg = stdout(&[&["--format", "svg"], &title[..], &["-"]].concat(), &map);
    tempfile("example.svg", &svg);
    assert!(
        svg == include_str!("../example.svg"),
        "it is another picture"
    );
}

#[test]
fn a_machine_is_called_as_its_file_or_as_the_last_title_says() {
    let file = tempfile("this-machine.txt", PC);
    let name = file.to_str().expect("text");
    let svg = |flags: &[&str]| stdout(&[&["--format", "svg"], flags, &[name]].concat(), "");
    assert!(svg(&[]).contains(">this-machine<"));
    assert!(svg(&["--title", "A", "--title", "B & C"]).contains(">B &amp; C<"));
}

#[test]
fn every_real_machine_has_a_map_in_every_shape() {
    let mut machines = 0;
    for file in e820("").read_dir().expect("the folder of maps") {
        let path = file.expect("a map").path();
        let path = path.to_str().expect("text");
        for flags in [&[][..], &["--no-1g"], &["--la57"], &["--la57", "--no-1g"]] {
            let lines = stdout(&[flags, &[path]].concat(), "");
            let is_legacy = |line: &str| {
                let (start, rest) = line.split_once(' ').expect("two addresses");
                start <= "00000000000a0000"
                    && rest.ends_with(" 4K UC")
                    && rest >= "00000000000fffff"
            };
            assert!(lines.lines().any(is_legacy), "{path}: {lines}");
        }
        machines += 1;
    }
    assert_eq!(machines, 46);
}

#[test]
fn a_wrong_line_is_named_by_its_file_and_number() {
    let file = tempfile("wrong-line", "0 fff usable\n1000 fff usable\n");
    let name = file.to_str().expect("text");
    assert_eq!(
        stderr(1, &[name], ""),
        format!(
            "identity-map: {name}: line 2: END 0xfff is below START 0x1000 (END is the last byte)\n"
        )
    );
}

#[test]
fn files_that_cannot_be_read() {
    let missing = stderr(1, &["no/such/file"], "");
    assert!(
        missing.starts_with("identity-map: no/such/file: No such file"),
        "{missing}"
    );
    let folder = stderr(1, &["."], "");
    assert!(
        folder.starts_with("identity-map: .: Is a directory"),
        "{folder}"
    );
    let empty = stderr(1, &["-"], "");
    assert_eq!(
        empty,
        "identity-map: standard input: there is no memory map in it\n"
    );
}

#[test]
fn a_wrong_call_is_told_from_a_wrong_map() {
    for args in [
        &[][..],
        &["--format", "xml", "-"],
        &["--2m", "-"],
        &["a", "b"],
    ] {
        assert!(stderr(2, args, "").contains("try '--help'"));
    }
}

#[test]
fn ram_past_the_end_of_memory_is_cut_off_with_a_warning() {
    let output = run(&["--la57", "-"], "fffffffff0000 ffffffffffffffff usable");
    assert!(output.status.success());
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "identity-map: standard input: line 1: warning: RAM ends at 2^52, the end of physical \
         memory\n"
    );
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        lines.contains("000fffffffff0000 000fffffffffffff 4K WB\n"),
        "{lines}"
    );
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut child = start(&["-"]);
    // Nobody reads, and only now there is something to write.
    drop(child.stdout.take());
    let output = finish(child, PC);
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

/// A file for one test, in cargo's folder for that.
fn tempfile(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).expect("a file");
    path
}
