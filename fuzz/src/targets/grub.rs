//! GRUB's menu, and what it reads beside: any texts, in a system that is made of them. All comes to an end.

use std::io;
use std::path::Path;
use std::rc::Rc;

use rkexec_xen::grub::{Config, Device, Kind, Platform, World};

/// What the texts of an input are, in this order, and a name of an entry.
const FILES: [&str; 4] = [
    "/boot/grub/grub.cfg",
    "/boot/grub/grubenv",
    "/boot/grub/custom.cfg",
    "/proc/self/mountinfo",
];
/// What ends one.
const SEPARATOR: u8 = 0;

pub(super) const WORDS: &[&[u8]] = &[
    b"menuentry '", b"submenu \"", b" --id ", b"$menuentry_id_option ", b" {\n", b"\n}\n", b"if [ ", b" ]; then ",
    b"; elif ", b"; else ", b"; fi\n", b"for i in ", b"; do ", b"; done\n", b"while ", b"until ", b"function f { ",
    b"source ", b"configfile ", b"$prefix/", b"custom.cfg", b"load_env", b"save_env ", b"set ", b"export ", b"unset ",
    b"default", b"next_entry", b"saved_entry", b"search --set=root --fs-uuid ", b"search --label ", b"search --file ",
    b"--no-floppy", b"--hint ", b"linux /k ", b"initrd /i ", b"multiboot2 /xen.gz ", b"module2 /k ", b"multiboot ",
    b"module ", b"setparams ", b"shift", b"eval ", b"return 1", b"break 2", b"continue 2", b"true", b"false", b"test ",
    b" -f ", b" -d ", b" -e ", b" -s ", b" -n ", b" -z ", b" -a ", b" -o ", b" = ", b" -eq ", b" -lt ", b"! ", b"( ",
    b"${", b"$@", b"$#", b"$?", b"$*", b"\\\n", b"regexp ", b"insmod ", b"chainloader ", b"blscfg", b"1>0", b">>",
    b"(hd0,gpt2)", b"(host)", b"# GRUB Environment Block\n", b" - ext4 /dev/sda1 rw\n", b"36 35 8:1 / /boot rw",
];

pub(super) fn run(data: &[u8]) {
    let mut texts = data.splitn(FILES.len() + 1, |byte| *byte == SEPARATOR);
    let files = FILES.map(|_| texts.next().unwrap_or_default().to_vec());
    let name = String::from_utf8_lossy(texts.next().unwrap_or_default()).into_owned();
    let world = Rc::new(Texts(files));
    let platform = match name.len() % 2 {
        0 => Platform::Pc,
        _ => Platform::Efi,
    };
    let Ok(config) = Config::read_in(world.clone(), Path::new(FILES[0]), platform) else {
        return;
    };
    assert!(config.entries().len() <= 1000);
    let chosen = [config.default_entry(), config.entry(&name)];
    for entry in chosen.into_iter().flatten() {
        assert!(!entry.path.is_empty());
        let commands = entry.hypervisor.iter().chain(&entry.modules);
        let commands = commands.chain(&entry.linux).chain(&entry.initrd);
        for path in commands.filter_map(|it| it.locate(world.as_ref()).ok()) {
            assert!(world.kind(&path).is_some());
        }
    }
}

/// A system of these files. Where a name begins with `/k` there is something, too.
struct Texts([Vec<u8>; FILES.len()]);

impl World for Texts {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let nr = FILES.iter().position(|name| Path::new(name) == path);
        let nr = nr.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(self.0[nr].clone())
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        if path == Path::new("/boot") || path == Path::new("/") {
            return Some(Kind::Directory);
        }
        let text = self.read(path).ok();
        let is_kernel = path.starts_with("/k") || path.starts_with("/boot/k");
        let len = text.map(|text| text.len()).or_else(|| is_kernel.then_some(1))?;
        Some(Kind::File { len: len as u64 })
    }

    fn names(&self, directory: &Path) -> Vec<String> {
        match directory.to_str() {
            Some("/dev/disk/by-uuid") => vec!["12-ab".into(), "34-cd".into()],
            Some("/dev/disk/by-label") => vec!["a\\x20b".into()],
            _ => vec![],
        }
    }

    fn device(&self, path: &Path) -> Option<Device> {
        let number = if path.ends_with("34-cd") { "8:2" } else { "8:1" };
        path.starts_with("/dev").then(|| Device {
            path: "/dev/sda1".into(),
            number: number.into(),
        })
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let menu = include_str!("../../../scripts/rkexec-xen/src/grub/tests/debian.cfg");
    let block = "# GRUB Environment Block\nsaved_entry=1>0\nnext_entry=\n####";
    let mounts = "36 1 8:1 / / rw - ext4 /dev/sda1 rw\n37 36 8:2 / /boot rw,noatime shared:1 - ext4 /dev/sda2 rw\n";
    let seed = |menu: &str, name: &str| {
        let custom = "menuentry c --id d { multiboot2 /k; module2 /k/l; }\n";
        [menu, block, custom, mounts, name].join("\0").into_bytes()
    };
    let scripts = [
        "x=' a  b '; menuentry T { linux /k $x \"$x\" p${x}q; }",
        "function f { x=$2; return 1; }\nif f a b; then x=no; elif ! [ a = b -o ( -f /k ) ]; then x=2; fi\nmenuentry T --id t { linux /k $x; initrd /k1 /k2 }",
        "for i in a 'b c' d; do if [ $i = d ]; then break; fi; x=$x$i; done\nsubmenu s { menuentry b { search --set --fs-uuid 12-ab; linux ($root)/k } }",
        "until [ \"$i\" = xxx ]; do i=x$i; done; source $prefix/custom.cfg; load_env saved_entry; set default=$saved_entry",
        "submenu s { source $prefix/grub.cfg; }\nmenuentry 'é' { configfile $prefix/custom.cfg }",
    ];
    // Pieces of the menu of Debian's: as a whole it is longer than an input.
    let whole = menu.replace("@DEFAULT@", "0");
    let mut pieces: Vec<_> = whole.split("\n### BEGIN").map(|piece| seed(piece, "s>b")).collect();
    pieces.push(b"menuentry T { linux /k a\\".to_vec());
    pieces.extend(scripts.map(|script| seed(script, "1>0")));
    pieces
}
