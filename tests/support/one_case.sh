#!/usr/bin/env bash
# A test program that counts no cases, as one case: NAME COMMAND [argument...]. With --says TEXT first, what counts is not
# its exit status but that its output holds TEXT: for programs that have to fail.
set -euo pipefail
# shellcheck source=tally.sh
source "$(dirname "${BASH_SOURCE[0]}")/tally.sh"

says() {
  local text=$1
  shift
  "$@" 2>&1 | tee "$scratch/said" || true
  grep -qF -- "$text" "$scratch/said"
}

command=()
if [[ $1 == --says ]]; then
  command=(says "$2")
  shift 2
fi
check "$1" "${command[@]}" "${@:2}"
finish
