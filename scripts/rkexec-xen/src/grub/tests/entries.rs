//! Which entry is booted, and what is in it.

use super::world::Files;
use crate::grub::{Command, Entry, Platform, Search};

fn command(file: &str, words: &str) -> Command {
    Command {
        file: file.into(),
        root: Some(Search::FsUuid("6f0c-root".into())),
        words: words.into(),
    }
}

fn default_of(files: Files) -> Entry {
    files.config().default_entry().unwrap()
}

/// The identifiers that lead to an entry.
fn id(entry: &Entry) -> String {
    let ids = entry.path.iter().map(|step| step.id.replace('>', ">>"));
    ids.collect::<Vec<_>>().join(">")
}

#[test]
fn an_entry_without_xen_has_a_linux_and_its_initrds() {
    let entry = default_of(Files::debian("0"));
    assert_eq!(entry.title, "Debian GNU/Linux");
    assert_eq!(id(&entry), "gnulinux-simple-6f0c");
    assert_eq!(entry.hypervisor, None);
    assert_eq!(
        entry.linux,
        Some(command(
            "/boot/vmlinuz-6.12",
            "root=UUID=6f0c-root ro quiet"
        ))
    );
    assert_eq!(
        entry.initrd,
        [
            command("/boot/early.img", ""),
            command("/boot/initrd.img-6.12", "")
        ]
    );
    assert_eq!((entry.modules, entry.note), (vec![], None));
}

#[test]
fn an_entry_with_xen_has_its_modules_in_order() {
    let entry = default_of(Files::debian("xen-gnulinux-simple-6f0c"));
    assert_eq!(
        entry.hypervisor,
        Some(command(
            "/boot/xen-4.20-amd64.gz",
            "placeholder dom0_mem=2G,max:2G"
        ))
    );
    assert_eq!(
        entry.modules,
        [
            command(
                "/boot/vmlinuz-6.12",
                r#"placeholder root=UUID=6f0c-root ro quiet "dyndbg=file a.c +p""#
            ),
            command("/boot/initrd.img-6.12", ""),
            command("/boot/xenpolicy-4.20", ""),
        ]
    );
    assert_eq!((entry.linux, entry.initrd), (None, vec![]));
}

#[test]
fn on_uefi_xen_gets_what_the_menu_gives_it_there() {
    let config = Files::debian("2").read_menu(Platform::Efi).unwrap();
    let entry = config.default_entry().unwrap();
    assert_eq!(
        entry.hypervisor.unwrap().words,
        "placeholder dom0_mem=2G,max:2G no-real-mode edd=off"
    );
    let firmware = config.entry("uefi-firmware").unwrap();
    assert_eq!(
        firmware.note.unwrap(),
        "the entry starts something else, by `fwsetup`"
    );
    assert!(Files::debian("2").config().entry("uefi-firmware").is_err());
}

#[test]
fn the_default_is_found_as_grub_finds_it() {
    let in_submenu = "3>0>1";
    for (default, number) in [
        ("2", "2"),
        ("0x2", "2"),
        ("2 and more", "2"),
        ("Debian GNU/Linux, with Xen hypervisor", "2"),
        ("xen-gnulinux-simple-6f0c", "2"),
        ("3>0>1", in_submenu),
        (
            "xen-advanced-6f0c>xen-hypervisor-4.20-6f0c>xen-gnulinux-6.1-advanced-6f0c",
            in_submenu,
        ),
        (
            "3>Xen hypervisor, version 4.20-amd64>\
             Debian GNU/Linux, with Xen 4.20-amd64 and Linux 6.1",
            in_submenu,
        ),
        // A submenu means its first entry.
        ("3", "3>0>0"),
        ("3>", "3>0>0"),
        ("3>1", "3>1>0"),
        ("xen-advanced-6f0c", "3>0>0"),
        // What an entry has behind it means nothing.
        ("2>1", "2"),
        ("", "0"),
        // The menu itself puts this title right.
        ("Xen 4.17-amd64>Old title", "3>1>0"),
    ] {
        let entry = default_of(Files::debian(default));
        assert_eq!(
            (entry.number().as_str(), entry.note),
            (number, None),
            "{default}"
        );
    }
}

#[test]
fn a_default_that_is_not_there_is_the_first_entry_with_a_note() {
    for default in ["gone", "17", "-1", "gone>1", "99999999999999999999"] {
        let entry = default_of(Files::debian(default));
        assert_eq!(entry.number(), "0");
        assert_eq!(
            entry.note.unwrap(),
            format!("GRUB's default `{default}` is not in the menu: it takes the first entry")
        );
    }
    let entry = default_of(Files::debian("3>gone"));
    assert_eq!(entry.number(), "3>0>0");
    assert_eq!(
        entry.note.unwrap(),
        "GRUB's default `gone` is not in the submenu `Advanced options for Debian GNU/Linux \
         (with Xen hypervisor)`: it takes the first entry"
    );
}

#[test]
fn the_saved_entry_is_taken_from_the_environment_block() {
    let menu = || Files::debian("${saved_entry}");
    for (saved, number) in [
        ("saved_entry=3>1", "3>1>0"),
        (
            "saved_entry=xen-advanced-6f0c>xen-hypervisor-4.17-6f0c",
            "3>1>0",
        ),
        ("saved_entry=", "0"),
        ("other=1", "0"),
        // What savedefault keeps of the time before an entry was booted once.
        ("saved_entry=0\nprev_saved_entry=2", "0"),
    ] {
        let entry = default_of(menu().grubenv(saved));
        assert_eq!(
            (entry.number().as_str(), entry.note),
            (number, None),
            "{saved}"
        );
    }
    assert_eq!(default_of(menu()).number(), "0");
}

#[test]
fn the_next_entry_decides_once_and_says_so() {
    let menu = |variables: &str| Files::debian("${saved_entry}").grubenv(variables).config();
    let config = menu("saved_entry=0\nnext_entry=3>0>1");
    assert_eq!(config.next_entry(), Some("3>0>1"));
    assert_eq!(config.default_entry().unwrap().number(), "3>0>1");

    let config = menu("saved_entry=2\nnext_entry=");
    assert_eq!(config.next_entry(), None);
    assert_eq!(config.default_entry().unwrap().number(), "2");

    // A menu that does not ask for it.
    let config = Files::menu("load_env; menuentry a { true }; menuentry b { true }")
        .grubenv("next_entry=1")
        .config();
    assert_eq!(config.next_entry(), None);
}

#[test]
fn an_entry_is_found_by_what_people_type() {
    let config = Files::debian("0").config();
    for (name, number) in [
        ("2", "2"),
        ("3>0>1", "3>0>1"),
        ("3>1", "3>1>0"),
        ("xen-advanced-6f0c>1>0", "3>1>0"),
        ("Debian GNU/Linux, with Xen hypervisor", "2"),
        // Titles and identifiers of submenus' entries.
        ("xen-gnulinux-6.1-advanced-6f0c", "3>0>1"),
        (
            "Debian GNU/Linux, with Xen 4.17-amd64 and Linux 6.12",
            "3>1>0",
        ),
        ("xen-hypervisor-4.17-6f0c", "3>1>0"),
    ] {
        assert_eq!(config.entry(name).unwrap().number(), number, "{name}");
    }
    for entry in config.entries() {
        assert_eq!(config.entry(&entry.number()).unwrap(), entry);
        assert_eq!(config.entry(&id(&entry)).unwrap(), entry);
    }
}

#[test]
fn what_is_typed_and_not_there_is_refused() {
    let config =
        Files::menu("menuentry A { true }; submenu S { menuentry 'B>C' { true } }").config();
    for name in ["a", "2", "1>1", "0>0", "", "B"] {
        assert_eq!(
            config.entry(name).unwrap_err().to_string(),
            format!(
                "GRUB's menu has no entry `{name}`, or more than one (--list shows those with Xen)"
            )
        );
    }
    assert_eq!(id(&config.entry("S>B>>C").unwrap()), "S>B>>C");

    // One name for two: neither is meant.
    let debian = Files::debian("0").config();
    assert!(debian.entry("xen-gnulinux-6.12-advanced-6f0c").is_err());
}

#[test]
fn a_menu_of_ones_own_is_part_of_it() {
    let custom = "menuentry 'Mine' --id=mine --unrestricted {\n\
                  \tset root=(hd1,msdos1)\n\
                  \tmultiboot --quirk-bad-kludge (hd0,1)/xen.gz 'a \"b\"' 'c\\d'\n\
                  \tmodule ($root)/vmlinuz\n\
                  }\n";
    let config = Files::debian("mine")
        .file("/boot/grub/custom.cfg", custom)
        .config();
    let entry = config.default_entry().unwrap();
    assert_eq!(entry.number(), "4");
    assert_eq!(
        entry.hypervisor,
        Some(Command {
            file: "/xen.gz".into(),
            root: Some(Search::Device("hd0,1".into())),
            words: r#""a \"b\"" c\\d"#.into(),
        })
    );
    let root = Some(Search::Device("hd1,msdos1".into()));
    assert_eq!(entry.modules[0].root, root);
    assert_eq!(entry.modules[0].file, "/vmlinuz");
}

#[test]
fn the_last_loader_is_what_boots() {
    let entry = default_of(Files::menu(
        "menuentry x {\n linux /a\n initrd /b\n multiboot2 /xen\n module2 /c\n module2\n}",
    ));
    assert_eq!((entry.linux, entry.initrd), (None, vec![]));
    assert_eq!(entry.hypervisor.unwrap().root, None);
    assert_eq!(entry.modules.len(), 1);
    let entry = default_of(Files::menu(
        "menuentry x {\n multiboot2 /xen\n module2 /c\n chainloader /EFI/xen.efi\n}",
    ));
    assert_eq!((entry.hypervisor, entry.modules), (None, vec![]));
    assert!(entry.note.unwrap().contains("`chainloader`"));
}

#[test]
fn a_menu_may_lead_to_the_menu_of_another_file() {
    let files = Files::menu(
        "search.fs_uuid 6f0c-root root hd0,gpt2\nset prefix=($root)'/boot/real'\n\
         set lost=1\nconfigfile $prefix/grub.cfg\nmenuentry never { true }",
    )
    .file(
        "/boot/real/grub.cfg",
        "set default=1\nmenuentry a { true }\nmenuentry \"b$lost\" { linux $prefix/x }",
    );
    let config = files.config();
    assert_eq!(config.entries().len(), 2);
    let entry = config.default_entry().unwrap();
    assert_eq!(entry.title, "b");
    assert_eq!(entry.linux, Some(command("/boot/real/x", "")));

    let config = Files::menu("configfile /gone.cfg\nblscfg\nmenuentry a { configfile /b.cfg }")
        .file("/b.cfg", "menuentry c { true }")
        .config();
    assert_eq!(
        config.warnings(),
        [
            "/gone.cfg, to which GRUB goes on, is not here",
            "the entries that `blscfg` adds to GRUB's menu are not read"
        ]
    );
    assert_eq!(config.default_entry().unwrap().title, "a > c");

    // An entry that leads nowhere says so.
    let entry = default_of(Files::menu("menuentry a { configfile /gone.cfg; exit }"));
    assert_eq!(
        entry.note.unwrap(),
        "/gone.cfg, to which GRUB goes on, is not here; \
         the entry starts something else, by `exit`"
    );
}
