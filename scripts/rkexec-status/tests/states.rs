//! Whole systems, each a tree of files: what is said of them, and the exit status.

mod system;

use serde_json::Value;
use system::{System, FILE};

const REFUSED: &str = "rkexec: not loaded: Xen 4.20 was built without kexec (CONFIG_KEXEC)";
const FORWARDED: &str =
    "rkexec: kexec is forwarded to Xen 4.20 (kexec interface V2, hand-over of 24 KiB)";

#[test]
fn a_dom0_that_is_well_has_about_ten_lines_and_status_0() {
    let said = System::new().forwarding().log(&[FORWARDED]).run(&[]);
    assert_eq!(said.status, 0, "{}", said.text);
    assert!(
        (9..=11).contains(&said.text.lines().count()),
        "{}",
        said.text
    );
    assert_eq!(said.row("rkexec"), "at work: kexec is forwarded to Xen");
    assert_eq!(
        said.row("host"),
        "Xen 4.20.5-pre, dom0, kexec interface V2 (of V1, V2)"
    );
    assert_eq!(said.row("default image"), "none");
    assert_eq!(
        said.row("crash area"),
        "256 MiB of Xen's, about 256 of them free"
    );
    assert_eq!(
        said.row("programs"),
        "those that call Xen are served by the kernel"
    );
    assert_eq!(said.row("last refusal"), "none");
    assert!(!said.text.contains("problem"), "{}", said.text);
}

#[test]
fn the_names_of_the_json_stay() {
    let json = System::new().forwarding().kdump_tools().json();
    let names = |value: &Value| {
        let names = value.as_object().unwrap().keys().cloned();
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        names.join(" ")
    };
    assert_eq!(
        names(&json),
        "clients crash_area host images kernel log module notes problems unreadable well"
    );
    assert_eq!(
        names(&json["module"]),
        "file kernels packages reason state version wanted_at_boot"
    );
    assert_eq!(names(&json["host"]), "interface interfaces kind xen");
    assert_eq!(names(&json["images"]["crash"]), "by_rkexec loaded mib");
    assert_eq!(names(&json["crash_area"]), "bytes free_bytes keeper");
    assert_eq!(
        names(&json["clients"]),
        "door kdump_tools load_disabled load_kexec lockdown"
    );
    assert_eq!(names(&json["log"]), "begins_at_seconds extent last_refusal");
    assert_eq!(names(&json["problems"][0]), "remedy what");
}

#[test]
fn a_kernel_without_a_module_is_told_why_and_which_kernels_have_one() {
    let none = || {
        System::new()
            .without(FILE)
            .file(
                "lib/modules/7.2.12/modules.dep",
                "updates/dkms/rkexec.ko.xz: \n",
            )
            .file("lib/modules/7.2.12/updates/dkms/rkexec.ko.xz", "")
    };
    let config = "boot/config-7.3.4+deb13-amd64";
    let build = "lib/modules/7.3.4+deb13-amd64/build/Makefile";
    let said = none().file(config, "CONFIG_RUST_IS_AVAILABLE=y").run(&[]);
    assert_eq!(said.status, 1);
    assert!(
        said.row("rkexec").contains(": it is built without Rust ->"),
        "{}",
        said.text
    );
    assert!(
        said.row("rkexec").contains("-> a kernel that has Rust"),
        "{}",
        said.text
    );
    assert!(
        said.row("kernel").ends_with("also for 7.2.12"),
        "{}",
        said.text
    );
    let said = none().file(config, "CONFIG_RUST=y").run(&[]);
    assert!(
        said.row("rkexec").contains("-> apt install linux-headers-"),
        "{}",
        said.text
    );
    let said = none()
        .file(config, "CONFIG_RUST=y")
        .file(build, "")
        .run(&[]);
    assert!(
        said.row("rkexec")
            .contains("-> with the package /usr/lib/rkexec/install"),
        "{}",
        said.text
    );
}

#[test]
fn what_modprobe_does_not_find_is_no_module() {
    let list = "lib/modules/7.3.4+deb13-amd64/modules.dep";
    let json = System::new().file(list, "kernel/other.ko:").json();
    assert_eq!(json["module"]["state"], "no-module");
    let json = System::new()
        .file(list, "updates/not-rkexec.ko: updates/rkexec.ko")
        .json();
    assert_eq!(json["module"]["state"], "no-module");
}

#[test]
fn a_refusal_of_modprobe_has_its_line_and_a_remedy() {
    let system = System::new().dom0().log(&["other", REFUSED]);
    let said = system.run(&[]);
    assert_eq!(said.status, 1);
    assert!(said
        .row("rkexec")
        .starts_with(&format!("rkexec was refused: {REFUSED} ->")));
    assert!(
        said.row("rkexec").contains("-> another hypervisor package"),
        "{}",
        said.text
    );
    assert!(said
        .row("last refusal")
        .starts_with("4 min 40 s ago: rkexec: not loaded"));
    assert_eq!(system.json()["module"]["state"], "refused");
}

#[test]
fn what_was_taken_out_or_never_loaded_is_not_loaded() {
    let out = "livepatch: 'rkexec': unpatching complete";
    for log in [&[] as &[&str], &[REFUSED, FORWARDED, out]] {
        let said = System::new().dom0().log(log).run(&[]);
        assert_eq!(said.status, 1);
        let row = said.row("rkexec");
        assert!(
            row.starts_with("rkexec is not loaded -> modprobe rkexec"),
            "{row}"
        );
    }
}

#[test]
fn a_transition_is_told_with_its_direction() {
    let state = |enabled, transition| {
        let system = System::new().dom0().loaded(enabled, transition);
        assert_eq!(system.run(&[]).status, 1);
        system.json()["module"]["state"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(state("1", "1"), "coming-in");
    assert_eq!(state("0", "1"), "going-out");
    assert_eq!(state("0", "0"), "not-in-use");
    let said = System::new().loaded("1", "1").run(&[]);
    assert!(said.row("rkexec").contains("patch_state"), "{}", said.text);
}

#[test]
fn images_in_a_dom0_are_the_modules_and_take_room_of_the_crash_area() {
    let json = System::new()
        .forwarding()
        .file("sys/kernel/kexec_loaded", "1")
        .file("sys/kernel/kexec_crash_loaded", "1")
        .log(&[FORWARDED, "rkexec: kexec_file_load: crash image of 5 segments, 40 MiB, to be entered at ma:0x101000"])
        .json();
    assert_eq!(json["images"]["default"]["by_rkexec"], true);
    assert_eq!(json["images"]["default"]["mib"], Value::Null);
    assert_eq!(json["images"]["crash"]["mib"], 40);
    assert_eq!(json["crash_area"]["free_bytes"], 216 << 20);
}

#[test]
fn an_image_on_bare_metal_is_whose_the_log_says() {
    let by = |log: &[&str], system: System| {
        let system = system.file("sys/kernel/kexec_loaded", "1").log(log);
        system.json()["images"]["default"]["by_rkexec"].clone()
    };
    let start = "rkexec: kexec images get a map of all memory (4 levels, no pages of 1 GiB)";
    let loads = "rkexec: kexec_file_load: 5 segments, 29 MiB, to be entered at ma:0x101000";
    let out = "livepatch: 'rkexec': unpatching complete";
    let loaded = || System::new().loaded("1", "0");
    assert_eq!(by(&[start, loads], loaded()), true);
    assert_eq!(by(&[start], loaded()), false);
    assert_eq!(by(&[], System::new()), false);
    assert_eq!(by(&[start, loads, out], System::new()), Value::Null);
}

#[test]
fn a_program_that_was_refused_is_told_with_the_kernels_reason() {
    let why = "rkexec: image not loaded: not enough memory for the image";
    let number =
        "rkexec: kexec has called Xen to load an image: refused, by the kernel (error -12)";
    let system = System::new().forwarding().log(&[FORWARDED, why, number]);
    let said = system.run(&[]);
    assert_eq!(
        said.status, 0,
        "a refused image leaves rkexec as it is: {}",
        said.text
    );
    let row = said.row("last refusal");
    // The two lines are ten seconds apart.
    assert!(
        row.starts_with("4 min 30 s ago") && row.contains("dom0_mem"),
        "{row}"
    );
    assert_eq!(system.json()["log"]["last_refusal"]["reason"], why);
}

#[test]
fn a_log_that_has_lost_its_beginning_says_so() {
    let said = System::new()
        .forwarding()
        .file("dev/kmsg", "6,900,42500000,-;a line")
        .run(&[]);
    assert!(
        said.row("last refusal")
            .contains("none in the log, which begins 42 s"),
        "{}",
        said.text
    );
}

#[test]
fn kdump_tools_without_a_crash_image_is_a_problem() {
    let kdump = || System::new().forwarding().kdump_tools();
    let said = kdump().run(&[]);
    assert!(
        said.status == 1 && said.row("problem").contains("-> kdump-config show"),
        "{}",
        said.text
    );
    let said = kdump().file("sys/kernel/kexec_crash_size", "0").run(&[]);
    assert!(
        said.row("problem")
            .contains("-> give Xen (not dom0) the option"),
        "{}",
        said.text
    );
    let said = kdump().file("sys/kernel/kexec_crash_loaded", "1").run(&[]);
    assert_eq!(said.status, 0, "{}", said.text);
}

#[test]
fn the_door_is_open_or_it_is_told_why_not() {
    let patched = "sys/kernel/livepatch/rkexec/xen_privcmd/patched";
    let shut = || System::new().forwarding().file(patched, "0");
    assert_eq!(System::new().forwarding().json()["clients"]["door"], "open");
    assert_eq!(shut().json()["clients"]["door"], "no-driver");
    let said = shut().file("sys/module/xen_privcmd/refcnt", "1").run(&[]);
    assert!(
        said.status == 1 && said.row("problem").contains("privcmd_ioctl()"),
        "{}",
        said.text
    );
    let left = shut().file("sys/module/rkexec/parameters/privcmd", "N");
    assert_eq!(left.json()["clients"]["door"], "left-to-xen");
    assert_eq!(left.run(&[]).status, 0);
}

#[test]
fn what_is_worth_a_note_is_no_problem() {
    let status = "Package: rkexec\nStatus: install ok installed\nVersion: 0.2.0\n\nPackage: rkexec-dkms\nStatus: deinstall ok config-files\nVersion: 0.2.0\n\nPackage: rkexecutor\nStatus: install ok installed\nVersion: 9";
    let system = System::new()
        .forwarding()
        .file("var/lib/dpkg/status", status)
        .file("proc/sys/kernel/kexec_load_disabled", "1")
        .file("sys/hypervisor/version/minor", "21")
        .file("sys/hypervisor/version/extra", ".0");
    assert_eq!(system.run(&[]).status, 0);
    let json = system.json();
    let notes: Vec<_> = json["notes"].as_array().unwrap().iter().collect();
    assert_eq!(notes.len(), 3, "{json}");
    assert!(
        notes.iter().all(|note| note["remedy"].is_string()),
        "{json}"
    );
    assert_eq!(
        json["module"]["packages"],
        serde_json::json!({"rkexec": "0.2.0"})
    );
}

#[test]
fn at_boot_a_dom0_fails_where_something_depends_on_the_module() {
    let none = || System::new().dom0().without(FILE);
    let (status, line) = none().boot();
    assert!(
        status == 0 && line.contains("nothing is set up that needs it"),
        "{line}"
    );
    let (status, line) = none().kdump_tools().boot();
    assert!(
        status == 1 && line.contains("kdump-tools (USE_KDUMP=1) depends on it"),
        "{line}"
    );
    let kexec = none()
        .file("etc/init.d/kexec-load", "")
        .file("etc/default/kexec", "LOAD_KEXEC=\"true\"");
    let (status, line) = kexec.boot();
    assert!(status == 1 && line.contains("LOAD_KEXEC=true"), "{line}");
    let (status, line) = none().kdump_tools().without("usr/sbin/kdump-config").boot();
    assert_eq!(status, 0, "it is not installed any more: {line}");
    let (status, line) = System::new().forwarding().kdump_tools().boot();
    assert_eq!(
        (status, line.as_str()),
        (0, "rkexec is at work on the kernel 7.3.4+deb13-amd64\n")
    );
}

#[test]
fn at_boot_a_dom0_fails_where_the_module_was_wanted_and_refused() {
    let refused = || System::new().dom0().log(&[REFUSED]);
    assert_eq!(refused().boot().0, 0);
    let wanted = [
        ("etc/modules-load.d/rkexec.conf", "rkexec"),
        ("usr/lib/modules-load.d/rkexec.conf", "# for kdump\nrkexec"),
        ("etc/modules", "rkexec"),
        ("proc/cmdline", "ro modules-load=other,rkexec quiet"),
    ];
    for (path, text) in wanted {
        let (status, line) = refused().file(path, text).boot();
        assert!(status == 1 && line.contains(REFUSED), "{path}: {line}");
    }
    assert_eq!(
        refused()
            .file("etc/modules-load.d/rkexec.conf", "# rkexec")
            .boot()
            .0,
        0
    );
    let taken_back = refused()
        .file("usr/lib/modules-load.d/rkexec.conf", "rkexec")
        .file("etc/modules-load.d/rkexec.conf", "");
    assert_eq!(taken_back.boot().0, 0);
}

#[test]
fn at_boot_bare_metal_and_a_guest_only_say_so() {
    let wanted = |system: System| {
        system
            .file("etc/modules", "rkexec")
            .kdump_tools()
            .log(&[REFUSED])
            .boot()
    };
    let (status, line) = wanted(System::new());
    assert!(
        status == 0 && line.contains("kexec is the kernel's own"),
        "{line}"
    );
    let guest = System::new()
        .dom0()
        .file("sys/hypervisor/properties/features", "0");
    assert_eq!(wanted(guest).0, 0);
}

#[test]
fn a_dom0_of_type_pvh_is_one_and_a_guest_is_none() {
    let kind = |system: System| system.json()["host"]["kind"].clone();
    assert_eq!(kind(System::new()), "bare-metal");
    assert_eq!(kind(System::new().dom0()), "dom0");
    assert_eq!(
        kind(
            System::new()
                .dom0()
                .file("sys/hypervisor/guest_type", "PVH")
        ),
        "pvh-dom0"
    );
    let features = "sys/hypervisor/properties/features";
    assert_eq!(kind(System::new().dom0().file(features, "0")), "guest");
    let xenfs = System::new()
        .dom0()
        .without(features)
        .file("proc/xen/capabilities", "control_d");
    assert_eq!(kind(xenfs), "dom0");
}
