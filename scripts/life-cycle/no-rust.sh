# shellcheck shell=sh
# A machine with the kernel of the release alone, which has no Rust. Sourced by scripts/life-cycle/install.
: "${systems:?}"

host=no-rust
title='apt installs rkexec on a machine whose kernel has no Rust'
make_system "$host"
if has "$host" linux-image-amd64/trixie linux-headers-amd64/trixie; then
	install "$host" linux-image-amd64/trixie linux-headers-amd64/trixie >>"$log" 2>&1
	kernel=$(ls "$systems/$host/usr/lib/modules")
	# shellcheck disable=SC2046 # one word for each
	ok "$title" install "$host" $(ours rkexec rkexec-dkms)
	ok 'it says that this kernel does not fit' says "Linux $kernel cannot have it: .*CONFIG_RUST"
	ok 'there is no module' has_no_module "$host" "$kernel"
	ok 'the packages are configured' configured "$host" rkexec rkexec-dkms
	ok 'dpkg is content' audited "$host"
	ok 'there is a disk of it' make_disk "$host" no-rust "$kernel"
else
	lacks "$title"
	no_disk "${refusal:-it could not be installed}" no-rust
fi
rm -rf --one-file-system "${systems:?}/$host"
