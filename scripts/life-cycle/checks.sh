# shellcheck shell=sh
# What is done to the systems with rkexec's packages, and what is looked at then. Sourced by
# scripts/life-cycle/install.
: "${systems:?}"

# apt NAME COMMAND...
apt() {
	system=$1
	shift
	in_system "$system" apt-get -y "$@"
}

# has NAME PACKAGE...: whether the archive has them; else $refusal is why not. They are downloaded.
has() {
	system=$1
	shift
	sure in_system "$system" apt-get -y --download-only install "$@" >>"$log" 2>&1
}

# lacks NAME: what was to be tested cannot be, for `has` has failed: skipped, if it is the archive that says no.
lacks() {
	if [ -n "$refusal" ]; then
		skip "$1" "$refusal"
	else
		ok "$1" eval 'tail -n 20 "$log"; false'
	fi
}

# The files of our packages, as the systems see them.
ours() {
	for package; do (cd "$systems/packages" && ls "${package}"_*.deb); done | sed 's,^,/run/packages/,'
}

# What apt and the packages say is in $answer.
answer=$systems/answer

# install NAME WORD...: by apt, as people do it. $took says how long it took.
install() {
	system=$1
	shift
	installed=0
	begun=$(date +%s)
	times >"$systems/times"
	cpu=$(cpu_seconds)
	apt "$system" install "$@" >"$answer" 2>&1 || installed=$?
	times >"$systems/times"
	cpu=$(($(cpu_seconds) - cpu))
	took="$(($(date +%s) - begun)) s ($cpu s of processors)"
	cat "$answer"
	return "$installed"
}

# What the programs have taken that this one has run: the second line of `times`, as 1m2.3s 0m4.5s.
cpu_seconds() {
	sed -n '2s/[ms]/ /gp' "$systems/times" | awk '{ printf "%d", 60 * ($1 + $3) + $2 + $4 }'
}

# says PATTERN...: each is in what was said last.
says() {
	for pattern; do grep -e "$pattern" "$answer" || return; done
}

# dpkg has nothing to complain about.
audited() {
	complaint=$(in_system "$1" dpkg --audit) || return
	echo "$complaint"
	[ -z "$complaint" ]
}

# configured NAME PACKAGE...: dpkg has configured them.
configured() {
	system=$1
	shift
	packages "$system" | grep rkexec
	for package; do packages "$system" | grep -q "^ii  *$package " || return; done
}

# module NAME KERNEL: the module of that kernel in a system.
module() {
	find "$systems/$1/usr/lib/modules/$2" -name 'rkexec.ko*' 2>/dev/null
}

has_module() {
	found=$(module "$1" "$2")
	echo "module: $found"
	[ "$(echo "$found" | wc -w)" -eq 1 ] || return
	made_for=$(modinfo -F vermagic "$found" | cut -d' ' -f1)
	echo "made for: $made_for"
	[ "$made_for" = "$2" ] &&
		in_system "$1" modprobe --set-version "$2" --show-depends rkexec | grep "/rkexec.ko"
}

has_no_module() {
	! module "$1" "$2" | grep .
}

is_signed() {
	signer=$(modinfo -F signer "$(module "$1" "$2")")
	echo "signer: $signer"
	[ -n "$signer" ]
}

# livepatched NAME KERNEL: the relocations of a livepatch are in it, and as many as in the module that `make` has made.
livepatched() {
	relocations "$(module "$1" "$2")" >"$systems/relocations"
	cat "$systems/relocations"
	[ -s "$systems/relocations" ] && [ "$(cat "$systems/relocations")" = "$(relocations "$scripts/../.build/rkexec.ko")" ]
}

relocations() {
	case $1 in
	*.xz) xz -dc "$1" ;;
	*) cat "$1" ;;
	esac >"$systems/module"
	readelf -rW "$systems/module" | sed -n "s/^Relocation section '\(\.klp\.rela\.[^']*\)' .* contains \([0-9]*\) .*/\1 \2/p"
}

# nothing_of_ours NAME: no file with our name, and no package.
nothing_of_ours() {
	! find "$systems/$1" -xdev \( -path "$systems/$1/var/log" -o -path "$systems/$1/var/lib/apt" \) -prune \
		-o -name '*rkexec*' -print | grep . &&
		! packages "$1" | grep rkexec
}

# same NAME WHAT PATTERN: what `files` or `packages` say now is what $systems/NAME.WHAT says, but for that.
same() {
	[ -s "$systems/$1.$2" ] || return
	"$2" "$1" >"$systems/$1.$2.now" || return
	! diff "$systems/$1.$2" "$systems/$1.$2.now" | grep '^[<>]' | grep -vE -e "$3"
}
