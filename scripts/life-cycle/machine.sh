# shellcheck shell=sh
# A machine with a compiler: rkexec-dkms builds the module for each kernel that comes. Sourced by
# scripts/life-cycle/install.
: "${systems:?}" "${old:?}" "${new:?}"

host=machine
kernel_packages() {
	echo "linux-image-$1" "linux-headers-$1"
}

# apt keeps what came for one package and is suggested or recommended by another, such as a compiler or openssl: to
# compare before and after it is to keep neither.
only_what_is_needed() {
	apt "$host" -o APT::AutoRemove::SuggestsImportant=false -o APT::AutoRemove::RecommendsImportant=false \
		purge --autoremove
}

# What is there before anything is installed.
remember() {
	only_what_is_needed >>"$log" 2>&1
	files "$host" >"$systems/$host.files" && packages "$host" >"$systems/$host.packages"
}

first_install() {
	title="apt installs rkexec on a machine with Linux $old, with nothing prepared"
	make_system "$host"
	# shellcheck disable=SC2046 # one word for each
	if ! has "$host" $(kernel_packages "$old"); then
		lacks "$title"
		no_disk "${refusal:-it could not be installed}" fresh upgraded no-headers
		return 1
	fi
	# shellcheck disable=SC2046
	install "$host" $(kernel_packages "$old") >>"$log" 2>&1
	remember
	before=$(megabytes "$host")
	# shellcheck disable=SC2046
	has "$host" $(ours rkexec rkexec-dkms) || true
	# shellcheck disable=SC2046
	ok "$title" install "$host" $(ours rkexec rkexec-dkms)
	[ "$result" -eq 0 ] || return
	note "it takes $took beside the download of packages, and $(($(megabytes "$host") - before)) MB;" \
		"$(says ' newly installed' | sed 's/.*upgraded, //')"
	ok 'the module is there' has_module "$host" "$old"
	ok 'it is signed' is_signed "$host" "$old"
	ok 'it has the relocations of a livepatch' livepatched "$host" "$old"
	ok 'dpkg is content' audited "$host"
	ok 'there is a disk of it' make_disk "$host" fresh "$old"
}

new_kernel() {
	title="apt installs Linux $new without its headers"
	# shellcheck disable=SC2046
	if ! has "$host" $(kernel_packages "$new"); then
		lacks "$title"
		no_disk "${refusal:-it could not be installed}" upgraded no-headers
		return
	fi
	ok "$title" install "$host" "linux-image-$new"
	ok 'there is no module for it' has_no_module "$host" "$new"
	ok 'that is said' says "Linux $new does NOT have it: apt install linux-headers-$new"
	ok 'that for the other one is there' has_module "$host" "$old"
	ok 'dpkg is content' audited "$host"
	ok 'there is a disk of it' make_disk "$host" no-headers "$new"
	cannot_be_built
	ok 'it is built when that is mended' install_anew
	note "it takes $took"
	ok 'the module is there' has_module "$host" "$new"
	ok 'it is signed' is_signed "$host" "$new"
	ok 'it has the relocations of a livepatch' livepatched "$host" "$new"
	ok 'that for the other one is there' has_module "$host" "$old"
	ok 'dpkg is content' audited "$host"
	ok 'there is a disk of it' make_disk "$host" upgraded "$new"
	ok 'apt purges that kernel and its headers' apt "$host" purge --autoremove "linux-*-$new"
	ok 'its module is gone' has_no_module "$host" "$new"
	ok 'so is all that was made for it' no_traces_of "$new"
}

# What a build wants and does not get. No package is the worse for it.
cannot_be_built() {
	default=$systems/$host/etc/default/rkexec-dkms
	echo 'DOWNLOAD=no' >"$default"
	ok 'apt installs the headers, and nothing may be downloaded' install "$host" "linux-headers-$new"
	ok 'it says which source is wanted' says "Linux $new does NOT have it: linux-source-.* is wanted, and DOWNLOAD=no"
	rm "$default"
	ok 'it is tried again, and the disk is full' eval 'on_a_full_disk >"$answer" 2>&1'
	ok 'that is said' says "Linux $new does NOT have it: .* MB are wanted below .*, and there are "
	ok 'there is no module for it' has_no_module "$host" "$new"
	ok 'that for the other one is there' has_module "$host" "$old"
	ok 'dpkg is content' audited "$host"
}

on_a_full_disk() {
	# shellcheck disable=SC2016 # dollars of the system's shell
	in_system "$host" sh -c '
		metadata=/var/lib/rkexec/metadata
		mount -t tmpfs -o size=20m tmpfs "$metadata" && /usr/lib/rkexec/install
	'
}

fails() {
	! "$@"
}

# As people do it.
install_anew() {
	begun=$(date +%s)
	in_system "$host" /usr/lib/rkexec/install
	took="$(($(date +%s) - begun)) s"
}

# An upgrade that fails in its first step leaves what was there, built.
failed_upgrade() {
	ok 'apt fails to upgrade it' fails install "$host" "/run/packages/$1"
	ok 'the old version is configured' configured "$host" rkexec-dkms
	ok 'its module is there' has_module "$host" "$old"
	ok 'dpkg is content' audited "$host"
}

# rkexec-dkms takes away what the old version has built, and the new one builds it again, of metadata that is there.
newer_version() {
	dkms=$(ours rkexec-dkms)
	ok 'there is a newer rkexec-dkms' "$scripts/life-cycle/newer" "$systems/packages/${dkms##*/}" "$systems/newer"
	newer=$(cd "$systems/newer" && ls rkexec-dkms_*)
	ok 'there is one that cannot be unpacked' refuse "$systems/newer/$newer" "$systems/packages/refuses.deb"
	failed_upgrade refuses.deb
	rm -f "$systems/packages/refuses.deb"
	mv "$systems/newer/$newer" "$systems/packages/"
	newer=${newer#*_}
	newer=${newer%_*}
	ok 'apt upgrades it' install "$host" "/run/packages/rkexec-dkms_${newer}_amd64.deb"
	note "it takes $took"
	rm "$systems/packages/rkexec-dkms_${newer}_amd64.deb"
	ok 'the module is there' has_module "$host" "$old"
	ok 'it is that of the newer version' is_of "$newer"
	ok 'it is signed' is_signed "$host" "$old"
	ok 'the sources of the older one are gone' only_source "$newer"
	ok 'dpkg is content' audited "$host"
}

# refuse PACKAGE NEW: the same with a preinst that fails.
refuse() {
	rm -rf "$systems/newer/tree"
	dpkg-deb --raw-extract "$1" "$systems/newer/tree"
	printf '#!/bin/sh\nexit 1\n' >"$systems/newer/tree/DEBIAN/preinst"
	chmod 755 "$systems/newer/tree/DEBIAN/preinst"
	dpkg-deb --root-owner-group --build "$systems/newer/tree" "$2"
	rm -rf "$systems/newer/tree"
}

is_of() {
	modinfo -F version "$(module "$host" "$old")" | grep -Fx "$1"
}

only_source() {
	ls "$systems/$host/usr/src" "$systems/$host/var/lib/dkms/rkexec"
	[ "$(cd "$systems/$host/usr/src" && echo rkexec-*)" = "rkexec-$1" ]
}

# The kernel's own packages leave what they leave.
no_traces_of() {
	! find "$systems/$host/var/lib/dkms" "$systems/$host/var/lib/rkexec" "$systems/$host/usr/lib" -name "*$1*" |
		grep rkexec
}

removal() {
	ok 'apt removes the packages' apt "$host" remove rkexec rkexec-dkms
	ok 'the module is gone' has_no_module "$host" "$old"
	ok 'dpkg is content' audited "$host"
	# apt does not know those any more of which nothing is left.
	ok 'dpkg purges them' in_system "$host" dpkg --purge rkexec rkexec-dkms
	ok 'nothing is there that has their name' nothing_of_ours "$host"
	ok 'apt removes what came with them' only_what_is_needed
	ok 'the packages are those from before' same "$host" packages '^$'
	# What others make anew, or leave when they are purged.
	ok 'the files are those from before' same "$host" files "$(exceptions)"
}

exceptions() {
	# initrds are made anew; ca-certificates, which came with openssl, takes the certificates along that the system
	# had been given for its mirror; DKMS leaves its keys; make_disk has made the last one.
	cat <<-END | paste -sd '|'
		^[<>] .* \./boot/initrd
		^[<>] .* \./etc/ssl(/.*)? $
		^[<>] .* \./etc/ssl/certs/ca-certificates\.crt$
		^[<>] .* \./var/lib/dkms(/mok\..*)? $
		^[<>] .* \./var/lib/kdump/latest_sysctls-
	END
}

# A machine whose compiler is another one: backports has newer ones.
other_compiler() {
	title='apt installs rkexec beside a rustc of backports'
	if ! has "$host" -t trixie-backports rustc; then
		lacks "$title"
		return
	fi
	install "$host" -t trixie-backports rustc >>"$log" 2>&1
	# shellcheck disable=SC2046
	ok "$title" install "$host" $(ours rkexec rkexec-dkms)
	ok 'it says that this rustc is not that of the kernel' says 'rkexec.*rustc 1\.85'
	ok 'the packages are configured' configured "$host" rkexec rkexec-dkms
	ok 'dpkg is content' audited "$host"
}

if first_install; then
	new_kernel
	newer_version
	removal
	other_compiler
fi
rm -rf --one-file-system "${systems:?}/$host"
