#!/bin/sh
# SPDX-License-Identifier: MIT
# The sketches compile against the public headers: sketches.sh ROOT BUILD_INCLUDE COMPILER...
set -u
root=$1 built=$2
shift 2
failed=0
for source in "$root"/tests/sketches/*.c; do
	case $source in
	*/blk.c)
		if ! echo '#include <liburing.h>' | "$@" -E -o /dev/null - 2> /dev/null; then
			echo "blk.c left out: liburing-dev is not installed"
			continue
		fi
		;;
	esac
	"$@" -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wno-unused-parameter -Wmissing-prototypes \
		-Wshadow -Wvla -Wcast-qual -Wstrict-prototypes -Wundef -Werror \
		-I "$root/include" -I "$built" -fsyntax-only "$source" || failed=1
done
exit $failed
