#!/usr/bin/env bash
# bdwgc_test.sh PROGRAMS PLUGIN DATA: unmodified runtimes, and programs of our own, on an unmodified libgc. PROGRAMS is
# the folder of what was built; PLUGIN and DATA are shared objects that two of the programs load.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../support/tally.sh"
programs=$1 plugin=$2 data=$3
run=$programs/gcbarrier-run
export GUILE_AUTO_COMPILE=0
unset LD_PRELOAD GC_ENABLE_INCREMENTAL GC_PAUSE_TIME_TARGET GC_USE_GETWRITEWATCH GCBARRIER_BDWGC

# ours [OPTION...] PROGRAM [ARGUMENT...]: bounded in time.
ours() { timeout -k 5 60 "$run" "$@"; }
stock() { timeout -k 5 60 "$@"; }
mprotect() { GC_ENABLE_INCREMENTAL=1 GC_PAUSE_TIME_TARGET=15 timeout -k 5 60 "$@"; }
status_is() {
  local wanted=$1 status=0
  shift
  "$@" || status=$?
  [[ $status == "$wanted" ]] || { echo "exit status $status instead of $wanted" && return 1; }
}

# ---- the launcher ----

passes_all_through() {
  [[ $(printf 'a b' | ours sh -c 'cat; printf " %s" "$@"' sh -v --manual 'x y') == 'a b -v --manual x y' ]]
}
says_nothing() { ours --verbose true 2>"$scratch/said" && [[ ! -s $scratch/said ]]; }
usage_is_shown() { ours "$@" 2>"$scratch/said" || true && grep -q '^Usage: ' "$scratch/said"; }
check 'launcher: help' status_is 0 ours --help
check 'launcher: version' status_is 0 ours --version
check 'launcher: no program' status_is 2 ours
check 'launcher: unknown option' status_is 2 ours --nonsense true
check 'launcher: bad usage is explained' usage_is_shown --nonsense true
check 'launcher: no such program' status_is 127 ours ./no-such-program
check 'launcher: not a program' status_is 126 ours /etc/passwd
check 'launcher: the exit status is the program'"'"'s' status_is 7 ours sh -c 'exit 7'
check 'launcher: so is the signal' status_is 143 ours sh -c 'kill -TERM $$'
check 'launcher: arguments and input are passed through' passes_all_through
check 'launcher: a program without libgc is left alone' says_nothing

# ---- which route ----

logs() {
  local wanted=$1
  shift
  GC_PRINT_STATS=1 "$@" >"$scratch/said" 2>&1 && grep -qF "$wanted" "$scratch/said"
}
logs_not() { ! logs "$@"; }
says() {
  local wanted=$1
  shift
  "$@" 2>"$scratch/said" && [[ $(<"$scratch/said") == "gcbarrier: libgc "*"$wanted"* ]] &&
    (($(wc -l <"$scratch/said") == 1))
}
mutate=("$programs/bdwgc_mutate")
few=("${mutate[@]}" 1 20000)
soft_dirty='Using soft-dirty bit feature'
check 'libgc says that it uses soft-dirty bits' logs "$soft_dirty" ours "${few[@]}"
check 'libgc does not say so by the manual route' logs_not "$soft_dirty" ours --manual "${few[@]}"
check 'the route is said: soft-dirty' says 'as soft-dirty bits' ours --verbose "${few[@]}"
check 'the route is said: manual' says 'by the manual route' ours --verbose --manual "${few[@]}"
check 'a libgc that is loaded late is served' says 'as soft-dirty bits' ours --verbose "$programs/bdwgc_late" "$plugin"
check 'GC_USE_GETWRITEWATCH=0 is respected' says 'asks for mprotect' env GC_USE_GETWRITEWATCH=0 "$run" -v "${few[@]}"

# ---- where the kernel cannot ----

old_kernel=("$programs/bdwgc_old_kernel")
check 'an old kernel: said' says 'is not served: UFFDIO_API' stock "${old_kernel[@]}" "$run" -v "${few[@]}"
check 'an old kernel: no incremental collection' logs_not 'mprotect' stock "${old_kernel[@]}" "$run" "${few[@]}"
check 'an old kernel: the program runs' stock "${old_kernel[@]}" "$run" "${few[@]}"

# ---- nothing is lost ----

collections=0
keeps_all() {
  "$@" >"$scratch/said"
  local status=$?
  cat "$scratch/said"
  ((collections += $(sed -n 's/^collections //p' "$scratch/said")))
  return $status
}
# The program's own exit status says whether it lost anything; a crash is what losing ends in as well.
loses() { ! GCBARRIER_BDWGC_BREAK=$1 GCBARRIER_BDWGC=$2 LD_PRELOAD=$programs/libgcbarrier-bdwgc-breakable.so timeout -k 5 60 "${@:3}"; }
loses_none_unbroken() { GCBARRIER_BDWGC=auto LD_PRELOAD=$programs/libgcbarrier-bdwgc-breakable.so timeout -k 5 60 "$@"; }

for options in '' --generational --manual; do
  for case in '1 600000' '2 200000' '3 150000' '4 100000' '2 150000 fork' '1 150000 close' '2 150000 unmap'; do
    # shellcheck disable=SC2086
    check "mutation $case ${options:-soft-dirty}" keeps_all ours $options "${mutate[@]}" $case
  done
  # shellcheck disable=SC2086
  {
    check "read(2) into objects ${options:-soft-dirty}" keeps_all ours $options "$programs/bdwgc_read_into" 6
    check "mark procedures ${options:-soft-dirty}" keeps_all ours $options "$programs/bdwgc_mark_procedure" 6
    check "unaligned roots ${options:-soft-dirty}" keeps_all ours $options "$programs/bdwgc_roots" 20 "$data"
  }
done
thousands() { echo "$collections collections" && ((collections > 3000)); }
check 'thousands of collections' thousands

no_efault() { "$@" >"$scratch/said" && grep -qx 'EFAULT 0' "$scratch/said"; }
check 'read(2) into objects never fails' no_efault ours "$programs/bdwgc_read_into" 2
fails_with_mprotect() { ! no_efault mprotect "$programs/bdwgc_read_into" 2; }
check 'but does with libgc'"'"'s mprotect' fails_with_mprotect

linked() {
  "$programs/bdwgc_linked" >"$scratch/said" || return
  cat "$scratch/said"
  grep -q '^0 libgc .* as soft-dirty bits$' "$scratch/said" && grep -qx 'late: 0' "$scratch/said" &&
    grep -qx 'protects: 0' "$scratch/said" && grep -qx 'tracked: 1' "$scratch/said" &&
    grep -qx 'problems: 0' "$scratch/said"
}
check 'a program that is linked with the adapter' linked
linked_refused() {
  stock "${old_kernel[@]}" "$programs/bdwgc_linked" >"$scratch/said"
  grep -q '^95 libgc is not served: UFFDIO_API' "$scratch/said" && grep -qx 'lost 0' "$scratch/said"
}
check 'and on an old kernel' linked_refused

# ---- and the tests would notice ----

check 'unbroken, the breakable library loses nothing' loses_none_unbroken "${mutate[@]}" 1 200000
for route in soft-dirty manual; do
  check "noticed: dirty runs dropped, $route" loses 'dirty runs' $route "${mutate[@]}" 1 200000
  check "noticed: dirty runs dropped, threads, $route" loses 'dirty runs' $route "${mutate[@]}" 4 50000
  check "noticed: dirty runs dropped, read(2), $route" loses 'dirty runs' $route "$programs/bdwgc_read_into" 4
  check "noticed: mark procedures ignored, $route" loses 'mark procedures' $route "$programs/bdwgc_mark_procedure" 4
done
check 'noticed: the end of a root forgotten' loses 'root tails' soft-dirty "$programs/bdwgc_roots" 20
check 'noticed: the end of a data segment forgotten' loses 'segment tails' soft-dirty "$programs/bdwgc_roots" 20 "$data"

# ---- real runtimes ----

# same_output COMMAND...: stock libgc and each of these ways of ours print the same.
ways=('' --generational --manual)
same_output() {
  stock "$@" >"$scratch/stock" || return
  [[ -s $scratch/stock ]] || return
  for options in "${ways[@]}"; do
    # shellcheck disable=SC2086
    ours $options "$@" >"$scratch/ours" || return
    cmp "$scratch/stock" "$scratch/ours" || return
  done
}
if command -v guile >/dev/null; then
  check 'Guile: a program'"'"'s output is the same' same_output guile -s "$here/programs/runtime.scm"
  check 'Guile: served' says 'as soft-dirty bits' ours -v guile -c '(gc)'
else
  skip 'Guile' 'guile is not installed (Debian: guile-3.0)'
fi
if command -v ecl >/dev/null; then
  # With threads that end ECL crashes now and then where libgc marks incrementally, in libgc's own mode too: see
  # docs/bdwgc.md. It was not seen with --generational.
  ecl=(ecl --norc --shell "$here/programs/runtime.lisp")
  WITHOUT_THREADS=1 check 'ECL: a program'"'"'s output is the same' same_output "${ecl[@]}"
  ways=(--generational)
  check 'ECL: and with threads' same_output "${ecl[@]}"
  check 'ECL: served' says 'as soft-dirty bits' ours -v ecl --norc --eval '(ext:quit 0)'
else
  skip 'ECL' 'ecl is not installed (Debian: ecl)'
fi
finish
