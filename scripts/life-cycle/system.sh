# shellcheck shell=sh
# Debian systems in folders, each of which stands for a machine, and what is done there. Sourced by
# scripts/life-cycle/install, inside the build root as root. $systems is where they are.
: "${systems:?}"

# in_system NAME COMMAND...: runs it there. It sees the world as on a machine, but no service is started, and what
# apt downloads is kept for the others. (The root of in-root has its mounts for itself already.)
in_system() {
	name=$1
	shift
	printf '#!/bin/sh\nexit 101\n' >"$systems/$name/usr/sbin/policy-rc.d"
	chmod 755 "$systems/$name/usr/sbin/policy-rc.d"
	status=0
	# shellcheck disable=SC2016 # the dollars are for the shell that runs it
	unshare --mount --propagation unchanged -- sh -c '
		set -e
		root=$1 archives=$2 packages=$3
		shift 3
		for dir in proc sys dev; do mount --rbind "/$dir" "$root/$dir"; done
		mount -t tmpfs -o mode=755 run "$root/run"
		mkdir -p "$root/var/cache/apt/archives" "$root/run/lock" "$root/run/packages"
		mount --bind "$archives" "$root/var/cache/apt/archives"
		mount --bind "$packages" "$root/run/packages"
		for file in /etc/resolv.conf /etc/hosts; do
			if [ -e "$file" ]; then
				[ -e "$root$file" ] || : >"$root$file"
				mount --bind "$file" "$root$file"
			fi
		done
		exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
			DEBIAN_FRONTEND=noninteractive SUDO_FORCE_REMOVE=yes ${http_proxy:+"http_proxy=$http_proxy"} \
			${https_proxy:+"https_proxy=$https_proxy"} "$@"
	' in_system "$systems/$name" "$systems/archives" "$systems/packages" "$@" </dev/null || status=$?
	rm -f "$systems/$name/usr/sbin/policy-rc.d"
	return "$status"
}

# The system that all others are copies of.
make_base() {
	base=$systems/base
	cp -a /opt/debian/life-cycle "$base" || return
	# It stands for a machine; in a chroot kdump-tools would make no initrd.
	in_system base dpkg-divert --quiet --local --rename --add /usr/bin/ischroot
	ln -s false "$base/usr/bin/ischroot"
	in_system base systemctl disable xen.service xendomains.service
	# The console of the crash kernel is no console of Xen's. Without Linux's vmcoreinfo makedumpfile
	# refuses any higher level.
	printf '%s\n' 'KDUMP_CMDLINE="root=/dev/vda ro panic=-1 console=ttyS0,115200"' 'MAKEDUMP_ARGS="-c -d 1"' \
		>>"$base/etc/default/kdump-tools"
	"$scripts/dom0-system" "$base"
	fresh=yes
	try in_system base apt-get update --error-on=any
}

# make_system NAME: a machine more.
make_system() {
	rm -rf --one-file-system "${systems:?}/$1"
	cp -a "$systems/base" "$systems/$1"
}

# make_disk SYSTEM NAME KERNEL: leaves what a test machine boots from in $systems/disks/NAME.
make_disk() {
	root=$systems/$1 disk=$systems/disks/$2
	rm -rf "$disk"
	mkdir -p "$disk"
	# That of the crash kernel is as new as that: else it would be made again when the machine boots.
	cp "$root/etc/kdump/sysctl.conf" "$root/var/lib/kdump/latest_sysctls-$3" &&
		truncate -s 6G "$disk/disk" &&
		mkfs.ext4 -q -d "$root" "$disk/disk" &&
		cp "$root/boot/vmlinuz-$3" "$disk/vmlinuz" &&
		cp "$root/boot/initrd.img-$3" "$disk/initrd"
}

# no_disk REASON NAME...: there is none.
no_disk() {
	reason=$1
	shift
	for disk; do
		rm -rf "${systems:?}/disks/$disk"
		mkdir -p "$systems/disks/$disk"
		echo "$reason" >"$systems/disks/$disk/missing"
	done
}

# files NAME: all that is in a system, and what is in its /etc. What apt and the system note of their own work is left
# out: lists, logs, caches, backups of dpkg's, whose state is listed by `packages`.
files() {
	(
		cd "$systems/$1" || exit
		find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./run -o -path ./tmp -o -path ./var/log \
			-o -path ./var/lib/apt -o -path ./var/cache -o -path ./var/lib/dpkg -o -path ./var/backups \) -prune \
			-o -printf '%y %m %u:%g %p %l\n'
		# The cache of libraries is made anew whenever one comes or goes.
		find ./etc -xdev -type f ! -path ./etc/ld.so.cache -exec sha256sum {} +
	) | sort
}

# packages NAME: the state of each package, those of which only the configuration is left, too.
packages() {
	# shellcheck disable=SC2016 # dpkg's dollars
	chroot "$systems/$1" dpkg-query --show --showformat='${db:Status-Abbrev} ${Package} ${Version}\n' | sort
}

# megabytes NAME: what it takes on the disk.
megabytes() {
	du -sxm --exclude=./var/lib/apt/lists --exclude=./var/cache/apt "$systems/$1" | cut -f1
}
