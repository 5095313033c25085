#!/bin/sh
# SPDX-License-Identifier: MIT
# One object of two archives, in which no name is global but vut_*, as an archive.
# archive.sh OUT FOLDER OBJCOPY AR ARCHIVE ARCHIVE COMPILER...
set -eu
out=$1 folder=$2 objcopy=$3 ar=$4 parts=$5 more=$6
shift 6
mkdir -p "$folder"
object=$folder/libvu-testing.o
"$@" -r -nostdlib -o "$object" -Wl,--whole-archive "$parts" "$more" -Wl,--no-whole-archive
"$objcopy" --wildcard --keep-global-symbol='vut_*' "$object"
rm -f "$out"
"$ar" rcD "$out" "$object"
