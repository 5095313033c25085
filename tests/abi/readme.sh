#!/bin/sh
# SPDX-License-Identifier: MIT
# The listing in the README is examples/read/minimal-rng.c, in at most 40 lines: readme.sh ROOT
set -eu
sed -n '/^```c$/,/^```$/p' "$1/README.md" | sed '1d;$d' | diff - "$1/examples/read/minimal-rng.c"
[ "$(wc -l < "$1/examples/read/minimal-rng.c")" -le 40 ]
