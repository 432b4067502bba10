# shellcheck shell=bash
# For tests that are shell scripts: counts cases, and ends as every test program does. Source it.
passed=0 failed=0 skipped=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# check NAME COMMAND...: one case; its output is shown if the command fails.
check() {
  local name=$1 status=0
  shift
  "$@" >"$scratch/output" 2>&1 </dev/null || status=$?
  if ((status == 0)); then
    ((++passed))
    echo "ok: $name"
  else
    ((++failed))
    echo "FAILED: $name (exit status $status)"
    sed 's/^/  | /' "$scratch/output"
  fi
}

# skip NAME WHY: a case that cannot run here.
skip() {
  ((++skipped))
  echo "SKIPPED: $1: $2"
}

finish() {
  echo "tally: $passed passed, $failed failed, $skipped skipped"
  exit $((failed > 0))
}
