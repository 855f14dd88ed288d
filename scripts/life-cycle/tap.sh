# shellcheck shell=sh
# A report in TAP. Sourced; $log is a file for all that is said on the way.
: "${log:?}"

count=0
failed=0

# ok NAME COMMAND...: a test is a command. If it fails, what it says is shown, and $result is not 0.
ok() {
	what=$1
	shift
	count=$((count + 1))
	echo "== $what" >>"$log"
	result=0
	"$@" >"$log.test" 2>&1 || result=$?
	cat "$log.test" >>"$log"
	if [ "$result" -eq 0 ]; then
		echo "ok $count - $what"
	else
		failed=$((failed + 1))
		echo "not ok $count - $what"
		tail -n 30 "$log.test" | sed 's/^/#   /'
	fi
	rm -f "$log.test"
}

# skip NAME REASON
skip() {
	count=$((count + 1))
	echo "ok $count - $1 # SKIP $2"
}

# note TEXT: a remark.
note() {
	echo "# $*"
}

# plan: the end of the report, and of the program.
plan() {
	echo "1..$count"
	[ "$failed" -eq 0 ]
}
