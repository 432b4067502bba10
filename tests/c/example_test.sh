#!/usr/bin/env bash
# example_test.sh COLLECTOR: the example collector in C.
set -uo pipefail
collector=$1
. "$(cd "$(dirname "$0")" && pwd)/../support/tally.sh"

collects() { "$collector" | tee "$scratch/said" && grep -qE '^[a-z_]+: [1-9][0-9]* minor and [1-9]' "$scratch/said"; }
notices() { ! "$collector" --forget 2>"$scratch/said" && grep -qF 'that is reachable was freed' "$scratch/said"; }
explains() { "$collector" --nonsense 2>"$scratch/said"; [[ $? == 2 ]] && grep -q '^usage' "$scratch/said"; }

check 'collects, and frees nothing that is reachable' collects
check 'notices when written pages are ignored' notices
check 'says how it is used' explains
finish
