# shellcheck shell=sh
# How the pieces are got from the Debian archive. Sourced by the programs of this folder, which run
# inside the build root as root; the tests run them with an APT_CONFIG of their own.
#
# A program that gets a piece ends with 0 if it is there now, and with $GONE if the archive does not
# have it: because it does not list it, or because it lists what it then does not serve, as happens
# while it changes. All else that goes wrong is an error, so that no test gets lost by a bad connection.

LC_ALL=C
DEBIAN_FRONTEND=noninteractive
export LC_ALL DEBIAN_FRONTEND

# The exit status of what the archive does not have. The reason is the last line that begins so.
GONE=3
REASON='GONE: '

# Ends the program: the archive does not have it.
gone() {
	echo "$REASON$*"
	exit "$GONE"
}

# What apt says when the archive answers, and the answer is no.
no='(404  Not Found|410  Gone|does not have a Release file|no longer has a Release file|Unable to locate package|has no installation candidate|Version .* was not found|Unable to find a source package|No packages found|Depends: .* but it|[Uu]nmet dependencies\.|Hash Sum mismatch|File has unexpected size)'

# try COMMAND...: runs a command of apt's. If the archive says no, $refusal is that, and the status $GONE.
try() {
	refusal=
	said=$(mktemp)
	status=0
	"$@" >"$said" 2>&1 || status=$?
	cat "$said"
	if [ "$status" -ne 0 ]; then
		# The address is of no interest, and may be nobody's business.
		refusal=$({ grep -E "^E: .*$no" "$said" || grep -E "$no" "$said"; } | head -n 1 |
			sed -e 's/^[A-Z]: *//' -e 's,Failed to fetch [^ ]*/\([^/ ]*\)  ,\1: ,' \
				-e 's,[a-z]*://[^ ]*,the mirror,g' -e 's/  */ /g' -e 's/ \[IP.*//') || true
		[ -z "$refusal" ] || status=$GONE
	fi
	rm -f "$said"
	return "$status"
}

# Whether apt's lists are as new as they can be. Those of the build root are as old as the root.
fresh=

update() {
	[ -z "$fresh" ] || return 0
	fresh=yes
	try apt-get update --error-on=any
}

# sure COMMAND...: as try, but a no counts only when the lists are new.
sure() {
	status=0
	try "$@" || status=$?
	if [ "$status" -eq "$GONE" ] && [ -z "$fresh" ]; then
		update || return
		status=0
		try "$@" || status=$?
	fi
	return "$status"
}

# must COMMAND...: as sure, and the end of the program if it fails.
must() {
	sure "$@" && return
	[ "$status" -ne "$GONE" ] || gone "$refusal"
	exit "$status"
}

# The newest version of a package that is listed; nothing if there is none.
newest_version() {
	apt-cache madison "$1" | awk -F' *[|] *' '$3 ~ / Packages$/ { print $2; exit }'
}

# The mirror of the build root. RKEXEC_MIRROR is for the tests.
mirror() {
	[ -z "${RKEXEC_MIRROR-}" ] || {
		echo "$RKEXEC_MIRROR"
		return
	}
	awk '$1 == "deb" { for (i = 2; i <= NF; i++) if ($i ~ /:\//) { print $i; exit } }' \
		/etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null
}

# only RELEASE [TYPE]: from here on apt knows nothing but one release, and has lists and a cache of its
# own below $work: nothing of another release can get installed, nor is what is installed taken for a part
# of that release. The keys are the root's, and every release is signed. Those that change all the time
# say until when they hold; to a mirror that is not quite up to date that does no harm here, where the
# worst is a hypervisor that is tested once too often.
outer=${APT_CONFIG-}
only() {
	: "${work:?}"
	rm -rf "$work/apt"
	mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
	: >"$work/apt/status"
	echo "${2:-deb} $(mirror) $1 main" >"$work/apt/sources.list"
	{
		[ -z "$outer" ] || printf '#include "%s";\n' "$outer"
		cat <<-END
			Dir::Etc::SourceList "$work/apt/sources.list";
			Dir::Etc::SourceParts "/dev/null";
			Dir::State::Lists "$work/apt/lists";
			Dir::State::Status "$work/apt/status";
			Dir::Cache "$work/apt/cache";
			Acquire::Languages "none";
			Acquire::Retries "3";
			Acquire::Check-Valid-Until "false";
			APT::Sandbox::User "root";
		END
	} >"$work/apt/conf"
	APT_CONFIG=$work/apt/conf
	export APT_CONFIG
	fresh=
	update
}
