# shellcheck shell=sh
# A machine without a compiler, which has the module prebuilt; a newer version of all packages is there. Sourced by
# scripts/life-cycle/install.
: "${systems:?}" "${new:?}"

host=prebuilt
title="apt installs rkexec with a prebuilt module for Linux $new"
make_system "$host"

# The newer versions, which are installed when the machine runs; and what is there now, to compare with in the end.
leave_newer() {
	for file in $(ours rkexec "rkexec-modules-$new"); do
		"$scripts/life-cycle/newer" "$systems/packages/${file##*/}" "$systems/$host/usr/local/lib/newer" || return
	done
}

without_compiler() {
	packages "$host" | grep -E ' (rkexec|dkms|gcc|rustc)'
	! packages "$host" | grep -E ' (rkexec-dkms|dkms|gcc-[0-9]*|rustc) '
}

if has "$host" "linux-image-$new"; then
	install "$host" "linux-image-$new" >>"$log" 2>&1
	packages "$host" >"$systems/$host/usr/local/lib/packages-before"
	# shellcheck disable=SC2046 # one word for each
	ok "$title" install "$host" $(ours rkexec "rkexec-modules-$new")
	note "it takes $took"
	ok 'no compiler comes with it' without_compiler
	ok 'the module is there' has_module "$host" "$new"
	ok 'it has the relocations of a livepatch' livepatched "$host" "$new"
	ok 'dpkg is content' audited "$host"
	ok 'there are newer packages' leave_newer
	ok 'there is a disk of it' make_disk "$host" prebuilt "$new"
else
	lacks "$title"
	no_disk "${refusal:-it could not be installed}" prebuilt
fi
rm -rf --one-file-system "${systems:?}/$host"
