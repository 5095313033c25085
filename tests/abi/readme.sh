#!/bin/sh
# SPDX-License-Identifier: MIT
# The listing in the README is examples/minimal-rng.c, in at most 45 lines: readme.sh ROOT
set -eu
sed -n '/^```c$/,/^```$/p' "$1/README.md" | sed '1d;$d' | diff - "$1/examples/minimal-rng.c"
[ "$(wc -l < "$1/examples/minimal-rng.c")" -le 45 ]
