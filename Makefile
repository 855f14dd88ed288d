# rkexec. `make help` says what there is.
#
# Nearly everything runs inside the build root (.build/root, see scripts/buildroot), through
# scripts/in-root; what that needs beside compilers is fetched piece by piece (scripts/pieces/). What has
# dependencies of its own to track (cargo, Kbuild) is asked every time and answers quickly when nothing
# changed.

MAKEFLAGS += --no-builtin-rules --no-print-directory
ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc)
endif

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

in-root := scripts/in-root
step := scripts/step
# The kernel that the root has: known once it has one. KERNEL=RELEASE chooses it by name.
export RKEXEC_KERNEL := $(KERNEL)
kernel = $(shell cat .build/root/etc/rkexec-kernel)
# Tests have one more, if the archive has it.
second = $(shell cat .build/root/etc/rkexec-kernel-second 2>/dev/null)
# That of Debian sid, in a root of its own.
sid = $(shell cat .build/root-sid/etc/rkexec-kernel)
in-sid := scripts/in-root --sid
# For a kernel $(1): its headers and its source, named after the upstream series: 7.3.4+deb13-amd64 comes from
# 7.3; and the folder of what is made for it.
headers = /usr/src/linux-headers-$(1)
dot := .
source = /usr/src/linux-source-$(subst $() ,$(dot),$(wordlist 1,2,$(subst $(dot), ,$(1)))).tar.xz
made = .build/kernels/$(1)
# What the test machines are made of, where scripts/vm looks for it.
assets := .build/vm/assets
bin := .build/bin
target := x86_64-unknown-linux-gnu

.PHONY: all root pieces test-pieces metadata tools guest command probe handover module
all: module tools guest command probe assets ## the module (.build/rkexec.ko) and the tools; make run needs no more

root: ## the build root
	@scripts/buildroot

pieces: root
	@$(in-root) --root scripts/pieces/fetch --needed kernel xen qemu python3

# What the archive does not have is no failure: the tests that want it are skipped.
test-pieces: pieces
	@$(in-root) --root scripts/pieces/fetch $(test-pieces)
test-pieces := kernel-second xen-trixie xen-bookworm xen-bullseye xen-sid xen-source xen-build xen-utils xen-utils-bookworm ovmf grub \
	makedumpfile selftests debian-trixie rustfmt clippy rust-analyzer shellcheck flake8 libfuzzer deb

# Of the kernel $(1), in the root by $(2), with these options.
make-metadata = $(2) scripts/rust-metadata --check $(headers) $(made)/metadata || \
	$(step) $@ "rebuilding the Rust metadata of $(1)" \
		$(2) scripts/rust-metadata $(3) $(headers) $(source) $(made)/metadata
for-editor = --editor $(made)/editor
make-module = $(step) $@ "building the module for $(1)" \
	$(2) scripts/build-module $(made)/metadata .build/handover/handover.bin $(bin)/klp-relocs $(made)

metadata: pieces
	@$(call make-metadata,$(kernel),$(in-root),$(call for-editor,$(kernel)))

# The programs that run inside the test machines are static: there is no library there.
tools: root
	@$(step) tools "building the tools" \
		$(in-root) cargo build --locked -p identity-map -p klp-relocs -p vm
	@mkdir -p .build && ln -sfn target/debug .build/bin

guest: root
	@$(step) guest "building the programs of the test machines" \
		$(in-root) cargo build --locked -p rkexec-selftests --release --target $(target) \
			--config 'target.$(target).rustflags=["-Ctarget-feature=+crt-static"]'

# Static too: they may have been built for another release than the host's.
command: root
	@$(step) command "building the commands" \
		$(in-root) cargo build --locked -p rkexec-xen -p rkexec-status -p identity-map -p klp-relocs \
			--release --target $(target) \
			--config 'target.$(target).rustflags=["-Ctarget-feature=+crt-static"]'

# Freestanding. pie, relro-level, switch-to-lookup: see scripts/handover-blob.
probe-flags := "-Crelocation-model=pie","-Crelro-level=off","-Cllvm-args=-switch-to-lookup=false"
probe: root
	@rm -f .build/probe.bin
	@$(step) probe "building the probe, another next kernel" \
		$(in-root) cargo build --locked -p rkexec-probe --features blob --bin probe \
			--profile handover --target $(target) \
			--config 'target.$(target).rustflags=[$(probe-flags)]'
	@$(in-root) objcopy -O binary .build/target/$(target)/handover/probe .build/probe.bin

handover: root
	@$(step) handover "building the hand-over" \
		$(in-root) scripts/handover-blob .build/handover

module: metadata handover tools
	@rm -f .build/rkexec.ko
	@$(call make-module,$(kernel),$(in-root))
	@for name in editor module rkexec.ko; do \
		rm -rf .build/$$name && ln -s kernels/$(kernel)/$$name .build/$$name; done

# Links to the kernel $(3) and its module, by the name $(1); below $(2) is the root that has it.
link-linux = mkdir -p $(assets)/linux/$(1) && \
	ln -sfn $(2)/lib/modules/$(3) $(assets)/linux/$(1)/modules && \
	ln -sfn $(2)/lib/modules/$(3)/vmlinuz $(assets)/linux/$(1)/vmlinuz && \
	ln -sfn /rkexec/$(call made,$(3)) $(assets)/linux/$(1)/made && \
	ln -sfn made/rkexec.ko $(assets)/linux/$(1)/rkexec.ko

module-second: handover tools test-pieces
	@$(if $(second),$(call make-metadata,$(second),$(in-root),$(call for-editor,$(second))))
	@$(if $(second),$(call make-module,$(second),$(in-root)))
	@$(if $(second),$(call link-linux,second,,$(second)))

# With the compilers of sid, which its kernel was built with: in a root of its own.
pieces-sid:
	@scripts/buildroot sid
	@$(in-sid) --root scripts/pieces/fetch --needed kernel-sid

module-sid: handover tools pieces-sid
	@$(call make-metadata,$(sid),$(in-sid))
	@$(call make-module,$(sid),$(in-sid))
	@$(call link-linux,sid,/rkexec/.build/root-sid,$(sid))

# Kernels that look for mistakes while they run, which are built here.
debug-shapes := dom0 kasan
module-debug: handover tools pieces
	@$(in-root) --root scripts/pieces/fetch --needed ktest
	@for shape in $(debug-shapes); do \
		$(in-root) scripts/debug-kernel/build --check $$shape || \
			$(step) debug-kernel "building a debug kernel, $$shape (half an hour)" \
				$(in-root) scripts/debug-kernel/build $$shape || exit; \
		$(step) $@ "building the module for it" $(in-root) scripts/debug-kernel/module $$shape || exit; \
		mkdir -p $(assets)/linux; \
		ln -sfn /rkexec/.build/debug-kernel/$$shape $(assets)/linux/debug-$$shape; \
	done

.PHONY: module-debug module-second pieces-sid module-sid kselftests xen-without-kexec dom0-disk assets
kselftests: test-pieces
	@$(in-root) scripts/kselftests --check || \
		$(step) kselftests "building Linux's own tests of kexec" $(in-root) scripts/kselftests

xen-without-kexec: test-pieces
	@$(in-root) scripts/xen-without-kexec --check || \
		$(step) xen-without-kexec "building a Xen without kexec" $(in-root) scripts/xen-without-kexec

assets: pieces
	@mkdir -p $(assets)/xen
	@for name in main bullseye bookworm trixie sid; do \
		ln -sfn /opt/xen/$$name $(assets)/xen/$$name; done
	@ln -sfn /rkexec/.build/xen-without-kexec $(assets)/xen/without-kexec
	@ln -sfn /opt/xen-utils/trixie $(assets)/xen-utils
	@ln -sfn /opt/xen-utils/bookworm $(assets)/xen-utils-bookworm
	@ln -sfn /usr/lib/grub/x86_64-efi/monolithic/grubx64.efi $(assets)/grub.efi
	@ln -sfn /usr/lib/grub/i386-pc $(assets)/grub-pc
	@ln -sfn /lib/modules/$(kernel) $(assets)/modules
	@ln -sfn /lib/modules/$(kernel)/vmlinuz $(assets)/vmlinuz
	@ln -sfn /rkexec/.build/rkexec.ko $(assets)/rkexec.ko
	@ln -sfn /rkexec/scripts/modprobe.conf $(assets)/rkexec.conf
	@ln -sfn /rkexec/scripts/kexec-syscalls $(assets)/kexec-syscalls
	@ln -sfn /rkexec/.build/target/$(target)/release $(assets)/guest
	@ln -sfn /rkexec/.build/probe.bin $(assets)/probe
	@ln -sfn /rkexec/.build/kselftests $(assets)/kselftests
	@ln -sfn /rkexec/.build/dom0 $(assets)/dom0
	@ln -sfn /rkexec/.build/life-cycle/disks $(assets)/life-cycle
	@ln -sfn /var/lib/rkexec/missing $(assets)/missing

# It has the module in it.
make-dom0-disk = $(in-root) --root scripts/dom0-disk --check trixie || \
	$(step) dom0-disk "making the disk of a Debian dom0" $(in-root) --root scripts/dom0-disk trixie
dom0-disk: all test-pieces
	@$(make-dom0-disk)

# Whatever the archive has of it.
test-machines: all test-pieces module-second kselftests xen-without-kexec dom0-disk

.PHONY: deb
# The prebuilt module says it, as those do that DKMS builds.
deb: export RKEXEC_VERSION = $(shell scripts/version)
deb: all ## Debian packages, in .build/deb: rkexec and rkexec-dkms; prebuilt/ has what is for one kernel
	@$(in-root) --root scripts/pieces/fetch --needed deb
	@$(step) deb "making the packages" $(in-root) scripts/deb "$$(scripts/version)" \
		"$$(scripts/version maintainer)" "$$(scripts/version date)"

.PHONY: run run-xen test test-machines test-debug test-sid test-clients test-xen-to-xen test-package test-kdump soak fuzz ktest map bench
run: all ## boots Xen and dom0 in QEMU, loads a kernel, reboots into it, and tells what happens
	@$(in-root) scripts/pieces/downloaded
	@$(in-root) $(bin)/vm run

run-xen: all ## boots Xen and Debian in QEMU, restarts that host into its Xen by rkexec-xen, and tells what happens
	@$(in-root) --root scripts/pieces/fetch --needed xen-trixie debian-trixie
	@$(make-dom0-disk)
	@$(in-root) $(bin)/vm run-xen

# What does not build makes tests fail, and others still pass.
test: root ## all tests; the last line is their count
	@status=0; $(MAKE) --keep-going test-machines || status=$$?; \
		$(in-root) scripts/check --build-status $$status

test-sid: all module-sid ## the core of the tests on the newest kernel of Debian sid, built with sid's compilers (ten minutes)
	@$(in-root) $(bin)/vm sid

test-debug: all module-debug ## on kernels with lockdep, kmemleak, KASAN and more; every failure once (an hour, and one more to build them)
	@$(in-root) $(bin)/vm debug

test-clients: test-machines ## kexec-tools and systemd as they are, on a Debian system in dom0 (five minutes)
	@$(in-root) --root scripts/pieces/fetch debian-sid
	@$(in-root) --root scripts/dom0-disk --check sid || \
		$(step) dom0-disk-sid "making the disk of a dom0 of Debian sid" \
			$(in-root) --root scripts/dom0-disk sid
	@$(in-root) $(bin)/vm clients

test-xen-to-xen: test-machines ## a Debian host restarts from Xen into another Xen, the same, one with another kernel; from Linux; with UEFI
	@$(in-root) $(bin)/vm xen-to-xen

test-package: deb ## the life cycle of the packages on Debian systems: installed, upgraded, booted, purged (25 minutes)
	@$(in-root) --root scripts/pieces/fetch debian-life-cycle
	@$(step) life-cycle "installing the packages on Debian systems" \
		$(in-root) --root scripts/life-cycle/install .build/deb
	@$(in-root) $(bin)/vm life-cycle --timeout-factor 2

# Without the debug information some of its tests fail, which say so.
test-kdump: test-machines ## Debian's kdump-tools in dom0, and crash(8) on what they save (six minutes; downloads 1.2 GB once)
	@$(in-root) scripts/debug-vmlinux --check || \
		$(step) debug-vmlinux "fetching the kernel's debug information (1.2 GB)" \
			$(in-root) scripts/debug-vmlinux || true
	@$(in-root) $(bin)/vm kdump

# Beside what make test does, for no failure in a thousand is another thing than none in one.
soak: test-machines ## loads and boots, or crashes, CYCLES=100 times: all kernels, Xens, firmware, calls by turns (20 minutes); goes on where it was left
	@$(in-root) $(bin)/vm soak --cycles "$(or $(CYCLES),100)" --of "$$(scripts/version)"

fuzz: root ## feeds every parser with what libFuzzer makes up: SECONDS=600 each, or TARGET="..." alone (two hours for all); goes on where it was left
	@$(in-root) --root scripts/pieces/fetch --needed libfuzzer
	@$(step) fuzz "building the fuzzer" $(in-root) scripts/fuzz-build
	@$(in-root) scripts/fuzz --seconds "$(or $(SECONDS),600)" $(TARGET)

ktest: test-machines ## Linux's ktest.pl: the stock kernel, and one built here with CONFIG_KEXEC_JUMP (15 minutes)
	@$(in-root) --root scripts/pieces/fetch --needed ktest
	@$(in-root) scripts/ktest/run

# Standard input serves for all files, also those outside of what the root can see.
map: root ## the identity map of a machine: make map E820=FILE [MAPFLAGS="--no-1g --la57 ..."]
	@test -n "$(E820)" || { echo "usage: make map E820=FILE (- is standard input)" >&2; exit 2; }
	@$(step) tools "building the tools" $(in-root) cargo build --locked -p identity-map
	@ln -sfn target/debug .build/bin
ifeq ($(E820),-)
	@$(in-root) $(bin)/identity-map $(MAPFLAGS) -
else
	@$(in-root) $(bin)/identity-map --title "$$(basename "$(E820)" .txt)" $(MAPFLAGS) - <"$(E820)"
endif

bench: test-machines ## benchmarks: the identity map, SHA-256, whole loads, hypercalls of programs, and the way into the next kernel at a reboot and at a crash, all of it beside Linux's own; a restart from Xen into Xen beside one through the firmware; what two dumps of one crash differ in (40 minutes)
	@$(step) ident-map "compiling Linux's builder of identity maps" \
		$(in-root) scripts/identity-bench/linux/build .build/bench
	@$(step) bench "building the benchmarks" \
		$(in-root) cargo build --locked --release -p identity-bench
	@$(in-root) .build/target/release/identity-bench --linux .build/bench/ident_map.so \
		--out .build/bench rust/tests/e820
	@$(in-root) cargo bench --locked -p rkexec -p rkexec-handover \
		--bench identity_map --bench sha256
	@$(in-root) $(bin)/vm reboot-time --output .build/vm/reboot-time
	@$(in-root) $(bin)/vm reboot-time --crash --output .build/vm/reboot-time-crash
	@$(in-root) $(bin)/vm measure --output .build/vm/measure
	@$(in-root) $(bin)/vm crash-time --output .build/vm/crash-time
	@$(in-root) --root scripts/pieces/fetch grub-pc
	@$(in-root) $(bin)/vm restart-time --output .build/vm/restart-time
	@$(in-root) $(bin)/vm dump-bytes --output .build/vm/dump-bytes

.PHONY: rust-project
rust-project: module ## .build/rust-project.json, by which rust-analyzer opens the module (see CONTRIBUTING.md)
	@$(in-root) scripts/rust-project "$(CURDIR)" >.build/rust-project.json

.PHONY: install install-dom0 clean distclean help
# Without anything to build: the machine may be another one than the one that built.
install: ## installs the module on this machine (DESTDIR=DIR: below DIR)
	install -D -m 644 .build/rkexec.ko "$(DESTDIR)/lib/modules/$(kernel)/updates/rkexec.ko"
	install -D -m 644 scripts/modprobe.conf "$(DESTDIR)/etc/modprobe.d/rkexec.conf"
	install -D -m 755 scripts/kexec-syscalls "$(DESTDIR)/usr/local/sbin/kexec-syscalls"
	install -D -m 755 .build/target/$(target)/release/rkexec-xen "$(DESTDIR)/usr/local/sbin/rkexec-xen"
	install -D -m 755 .build/target/$(target)/release/rkexec-status "$(DESTDIR)/usr/local/sbin/rkexec-status"
	depmod -b "$(DESTDIR)/" $(kernel)

install-dom0: ## beside install, for a dom0: rkexec at boot, kdump-tools behind it, and a unit that fails without it
	install -D -m 644 scripts/kdump-tools.conf "$(DESTDIR)/etc/systemd/system/kdump-tools.service.d/rkexec.conf"
	install -d "$(DESTDIR)/etc/modules-load.d"
	echo rkexec >"$(DESTDIR)/etc/modules-load.d/rkexec.conf"
	install -D -m 644 scripts/rkexec.service "$(DESTDIR)/etc/systemd/system/rkexec.service"
	install -d "$(DESTDIR)/etc/systemd/system/multi-user.target.wants"
	ln -sfn ../rkexec.service "$(DESTDIR)/etc/systemd/system/multi-user.target.wants/rkexec.service"

clean: ## removes what was built, but for the root and what was fetched
	rm -rf .build/bench .build/bin .build/clippy .build/deb .build/debug-kernel .build/editor .build/dom0 .build/fuzz .build/handover .build/kernels/*/module .build/kernels/*/rkexec.ko .build/kselftests .build/ktest .build/log .build/module .build/probe.bin .build/rkexec.ko .build/rust-project.json .build/target .build/vm .build/xen-without-kexec

distclean: ## removes everything that was made
	@test ! -d .build || [ "$$(id -u)" -eq 0 ] || exec sudo rm -rf --one-file-system .build
	rm -rf --one-file-system .build

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1 - \2/p' Makefile
	@echo "Knobs: V=1 shows all output; MIRROR=URL is the Debian mirror; KERNEL=RELEASE takes that kernel; make -j1 does one at a time."
