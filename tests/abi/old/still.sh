#!/bin/sh
# SPDX-License-Identifier: MIT
# What the first headers promised is there as it was, and at most has grown: still.sh same|broken ROOT BUILD
# broken: a copy of the description without a function, and with a member in the middle, does not get through.
set -u
mode=$1 root=$2
here=$root/tests/abi/old
command -v abidiff >/dev/null || { echo "skipped: no abidiff (Debian: abigail-tools)"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

compare() { # compare NEW: is what it says all that is allowed?
	abidiff --no-added-syms --suppressions "$here/grown.suppr" "$here/libvu.abi.xml" "$1" >"$tmp/report" 2>&1 &&
		python3 "$here/members.py" "$here/libvu.abi.xml" "$1" >>"$tmp/report"
}

# The description that is stored is that of the tree: another test says so.
new=$root/abi/libvu.abi.xml
if [ "$mode" = same ]; then
	compare "$new"
	status=$?
	cat "$tmp/report"
	exit $status
fi
python3 - "$new" "$tmp/removed.xml" <<'END'
import re, sys
text = open(sys.argv[1], encoding='utf-8').read()
less = re.sub(r"\s*<elf-symbol name='vu_queue_next' [^>]*/>", '', text)
less = re.sub(r"\s*<function-decl name='vu_queue_next' .*?</function-decl>", '', less, flags=re.S)
assert 'vu_queue_next\'' not in less
open(sys.argv[2], 'w', encoding='utf-8').write(less)
END
compare "$tmp/removed.xml" && { echo "a function that is gone was not seen"; exit 1; }
grep -q vu_queue_next "$tmp/report" || { cat "$tmp/report"; exit 1; }
# The first two members of a struct change places: one that has not grown, and one that has.
for struct in vu_req vu_program_info; do
	python3 - "$new" "$tmp/moved.xml" $struct <<'END'
import re, sys
text = open(sys.argv[1], encoding='utf-8').read()
at = text.index(f"<class-decl name='{sys.argv[3]}' size-in-bits")
end = text.index('</class-decl>', at)
body = text[at:end]
first, second = re.findall(r"layout-offset-in-bits='\d+'", body)[:2]
swapped = body.replace(first, '\0', 1).replace(second, first, 1).replace('\0', second, 1)
assert swapped != body
open(sys.argv[2], 'w', encoding='utf-8').write(text[:at] + swapped + text[end:])
END
	compare "$tmp/moved.xml" && { echo "members of $struct that moved were not seen"; exit 1; }
	grep -q $struct "$tmp/report" || { cat "$tmp/report"; exit 1; }
done
