#!/bin/sh
# SPDX-License-Identifier: MIT
# A program of tests with one kind of mark left out must fail, and say so.
#   unmarked.sh PROGRAM SENTENCE
said=$("$1" 2>&1) && { echo "$1 found nothing"; exit 1; }
case $said in *"$2"*) exit 0 ;; esac
printf '%s\n' "$said"
echo "that is not: $2"
exit 1
