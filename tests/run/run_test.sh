#!/usr/bin/env bash
# The ./run script where it must not build, and the counting of tests behind its last line.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$here/../..
. "$here/../support/tally.sh"

# expect STATUS TEXT COMMAND...: that exit status, and TEXT in what it prints.
expect() {
  local wanted=$1 text=$2 status=0
  shift 2
  "$@" >"$scratch/said" 2>&1 || status=$?
  cat "$scratch/said"
  [[ $status == "$wanted" ]] && grep -qF -- "$text" "$scratch/said"
}
# tallied STATUS LAST_LINE: of the log on standard input.
tallied() {
  local status=0
  awk -f "$here/tally.awk" >"$scratch/said" || status=$?
  cat "$scratch/said"
  [[ $status == "$1" && $(tail -n 1 "$scratch/said") == "$2" ]]
}
# log NAME OUTCOME LINE...: what ctest --verbose prints about its next test.
log() {
  local name=$1 outcome=$2 line
  shift 2
  number=$((${number:-0} + 1))
  printf 'test %d\n      Start %2d: %s\n\n' "$number" "$number" "$name"
  for line in "$@"; do printf '%d: %s\n' "$number" "$line"; done
  printf '%2d/12 Test #%d: %s ...%s\n' "$number" "$number" "$name" "$outcome"
}
good='   Passed    0.02 sec'
bad='***Failed    0.02 sec'
end='100% tests passed, 0 tests failed out of 2'

all_pass() {
  { log a "$good" 'tally: 3 passed, 0 failed, 0 skipped'; log b "$good" 'tally: 4 passed, 0 failed, 0 skipped'
    echo "$end"; } | tallied 0 '7 passed, 0 failed'
}
skips_are_listed() {
  { log a "$good" 'SKIPPED: huge pages: no huge page is free' 'tally: 3 passed, 0 failed, 1 skipped'; echo "$end"; } |
    tallied 0 '3 passed, 0 failed, 1 skipped' && grep -qF '  huge pages: no huge page is free' "$scratch/said"
}
failures_are_shown() {
  { log a "$bad" 'x.cpp:3: ERROR: CHECK( 1 == 2 )' 'tally: 3 passed, 2 failed, 0 skipped'; echo "$end"; } |
    tallied 1 '3 passed, 2 failed' && grep -qF 'CHECK( 1 == 2 )' "$scratch/said"
}
crash_counts() {
  { log a '***Exception: SegFault  0.20 sec' 'half a'; log b "$good" 'tally: 1 passed, 0 failed, 0 skipped'
    echo "$end"; } | tallied 1 '1 passed, 1 failed'
}
timeout_counts() { { log a '***Timeout  9.00 sec' 'still at it'; echo "$end"; } | tallied 1 '0 passed, 1 failed'; }
not_built_counts() { { log a '***Not Run   0.00 sec'; echo "$end"; } | tallied 1 '0 passed, 1 failed'; }
crash_after_tally_counts() {
  { log a "$bad" 'tally: 3 passed, 0 failed, 0 skipped'; echo "$end"; } | tallied 1 '3 passed, 1 failed'
}
silence_counts() { { log a "$good" 'all is well'; echo "$end"; } | tallied 1 '0 passed, 1 failed'; }
nothing_run_counts() {
  { log a "$good" 'tally: 0 passed, 0 failed, 0 skipped'; echo "$end"; } | tallied 1 '0 passed, 1 failed'
}
several_tallies_add_up() {
  { log a "$good" 'tally: 3 passed, 0 failed, 0 skipped' 'tally: 2 passed, 0 failed, 0 skipped'; echo "$end"; } |
    tallied 0 '5 passed, 0 failed'
}
unfinished_counts() { log a "$good" 'tally: 3 passed, 0 failed, 0 skipped' | tallied 1 '3 passed, 1 failed'; }
empty_counts() { tallied 1 '0 passed, 1 failed'; }

check 'passed cases add up' all_pass
check 'skipped cases are counted and listed with their reason' skips_are_listed
check 'the output of a failed test is shown' failures_are_shown
check 'a crash without a tally is one failure' crash_counts
check 'a timeout is one failure' timeout_counts
check 'a test that was not built is one failure' not_built_counts
check 'a crash after a clean tally is one failure' crash_after_tally_counts
check 'a test without a tally is one failure' silence_counts
check 'a test that ran no case is one failure' nothing_run_counts
check 'several tallies of one test add up' several_tallies_add_up
check 'a log that ends early is a failure' unfinished_counts
check 'an empty log is a failure' empty_counts

# A machine where nothing is installed and nobody is root.
mkdir "$scratch/bin"
printf '#!/bin/sh\nexit 1\n' >"$scratch/bin/dpkg-query"
printf '#!/bin/sh\necho 1000\n' >"$scratch/bin/id"
chmod +x "$scratch/bin/dpkg-query" "$scratch/bin/id"
for tool in bash dirname cat env; do ln -s "$(command -v $tool)" "$scratch/bin/$tool"; done

check 'help' expect 0 'usage: ./run' "$root/run" help
check 'no command: help' expect 0 'usage: ./run' "$root/run"
check 'an unknown command: exit status 2' expect 2 "there is no command 'tset'" "$root/run" tset
check 'missing packages, neither root nor sudo: says what to install' \
  expect 2 'apt-get install g++' env "PATH=$scratch/bin" "$root/run" demo
finish
