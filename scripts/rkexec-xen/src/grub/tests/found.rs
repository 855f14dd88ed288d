//! Where files are found in the running system.

use std::path::PathBuf;

use super::world::Files;
use crate::grub::{locate, Search};

fn uuid(uuid: &str) -> Search {
    Search::FsUuid(uuid.into())
}

/// `/` and `/boot` on disks of their own, with another system's disk beside them.
fn separate_boot() -> Files {
    Files::default()
        .device("/dev/sda2", "8:2", &["/dev/disk/by-uuid/ROOT-1"])
        .device(
            "/dev/sda1",
            "8:1",
            &["/dev/disk/by-uuid/b007-2", "/dev/disk/by-label/my\\x20boot"],
        )
        .device("/dev/sdb1", "8:17", &["/dev/disk/by-uuid/other"])
        .mounts(&[
            ["8:2", "/", "/", "/dev/sda2"],
            ["8:1", "/", "/boot", "/dev/sda1"],
        ])
        .file("/boot/xen.gz", "")
        .file("/srv/xen.gz", "")
}

#[test]
fn a_file_is_found_where_its_file_system_is_mounted() {
    let files = separate_boot();
    let boot = Some(PathBuf::from("/boot/xen.gz"));
    for (root, file, path) in [
        (uuid("b007-2"), "/xen.gz", boot.clone()),
        (uuid("B007-2"), "/xen.gz", boot.clone()),
        (Search::Label("my boot".into()), "/xen.gz", boot.clone()),
        (Search::File("/xen.gz".into()), "/xen.gz", boot.clone()),
        (uuid("root-1"), "/srv/xen.gz", Some("/srv/xen.gz".into())),
        // /boot of the root file system is hidden.
        (uuid("root-1"), "/boot/xen.gz", None),
        (uuid("b007-2"), "/srv/xen.gz", None),
        // Not mounted, and what is there is another one's.
        (uuid("other"), "/xen.gz", None),
        (uuid("other"), "/boot/xen.gz", None),
        // Nobody knows it: the best guess.
        (uuid("gone"), "/xen.gz", boot.clone()),
        (uuid("gone"), "/boot/xen.gz", boot.clone()),
        (Search::Label("gone".into()), "/xen.gz", boot.clone()),
        (Search::Device("hd0,gpt1".into()), "/xen.gz", boot.clone()),
    ] {
        assert_eq!(
            locate(file, Some(&root), &files).ok(),
            path,
            "{root} {file}"
        );
    }
    assert_eq!(locate("/xen.gz", None, &files).ok(), boot);
}

#[test]
fn a_part_of_a_file_system_is_seen_below_its_mount() {
    // Btrfs: numbers of its own, two subvolumes, one of them mounted with a blank in its name.
    let files = Files::default()
        .device(
            "/dev/dm-0",
            "253:0",
            &["/dev/mapper/vg", "/dev/disk/by-uuid/b7f5"],
        )
        .mounts(&[
            ["0:30", "/@", "/", "/dev/mapper/vg"],
            ["0:30", "/@home", "/home\\040dir", "/dev/mapper/vg"],
        ])
        .file("/boot/xen.gz", "")
        .file("/home dir/xen.gz", "");
    let found = |file| locate(file, Some(&uuid("b7f5")), &files).ok();
    assert_eq!(found("/@/boot/xen.gz"), Some("/boot/xen.gz".into()));
    assert_eq!(found("/@home/xen.gz"), Some("/home dir/xen.gz".into()));
    // A path below the default subvolume.
    assert_eq!(found("/boot/xen.gz"), Some("/boot/xen.gz".into()));
    assert_eq!(found("/@x/xen.gz"), None);

    // ZFS, of whose pools udev knows nothing.
    let zfs = Files::default()
        .mounts(&[
            ["0:31", "/", "/", "rpool/ROOT/debian"],
            ["0:32", "/", "/boot", "bpool/BOOT/debian"],
        ])
        .file("/boot/xen.gz", "");
    let found = locate("/BOOT/debian@/xen.gz", Some(&uuid("1234")), &zfs);
    assert_eq!(found.ok(), Some("/boot/xen.gz".into()));
}

#[test]
fn what_is_not_found_is_said_in_one_line() {
    let files = separate_boot();
    for (root, file, error) in [
        (None, "/vmlinuz", "there is no /vmlinuz"),
        (None, "xen.gz", "`xen.gz` is no absolute path"),
        (
            Some(uuid("other")),
            "/xen.gz",
            "/xen.gz is not in what is mounted of the file system with UUID other (/dev/sdb1)",
        ),
        (
            Some(uuid("gone")),
            "/vmlinuz",
            "/vmlinuz: the file system with UUID gone is not here, and there is no such file",
        ),
    ] {
        let said = locate(file, root.as_ref(), &files).unwrap_err();
        assert_eq!(said.to_string(), error);
    }
}

#[test]
fn an_entrys_files_are_found() {
    let files = Files::debian("2")
        .device("/dev/sda2", "8:2", &["/dev/disk/by-uuid/6f0c-root"])
        .mounts(&[["8:2", "/", "/", "/dev/root"]])
        .file("/boot/xen-4.20-amd64.gz", "")
        .file("/boot/vmlinuz-6.12", "");
    let entry = files.clone().config().default_entry().unwrap();
    let hypervisor = entry.hypervisor.unwrap().locate(&files).unwrap();
    assert_eq!(hypervisor, PathBuf::from("/boot/xen-4.20-amd64.gz"));
    let found: Vec<_> = entry
        .modules
        .iter()
        .map(|m| m.locate(&files).is_ok())
        .collect();
    assert_eq!(found, [true, false, false]);
}

#[test]
fn a_separate_boot_is_where_a_menu_reads_from() {
    let files = separate_boot()
        .file(
            "/boot/grub/grub.cfg",
            "search --set=root --label 'my boot'\nif [ -s ($root)/xen.gz ]; then x=full; fi\n\
             if [ -e /xen.gz ]; then source /more.cfg; fi",
        )
        .file("/boot/more.cfg", "menuentry \"m$x\" { true }");
    assert_eq!(files.config().entries()[0].title, "m");
}
