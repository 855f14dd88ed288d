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
	ok "apt installs the headers" install "$host" "linux-headers-$new"
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

# rkexec-dkms takes away what the old version has built, and the new one builds it again, of metadata that is there.
newer_version() {
	dkms=$(ours rkexec-dkms)
	ok 'there is a newer rkexec-dkms' "$scripts/life-cycle/newer" "$systems/packages/${dkms##*/}" "$systems/newer"
	newer=$(cd "$systems/newer" && ls rkexec-dkms_*)
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
	cat <<-END | paste -sd '|'
		^[<>] .* ./boot/initrd
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
