#!/usr/bin/env bash
# docs/soundness.md rests on tests: each one that it names must exist, in the file that it names.
set -euo pipefail
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tests/support/tally.sh
source "$tests/support/tally.sh"

# Lines "FILE<tab>TEST CASE" of the document on standard input; the case is empty for a file named alone.
# shellcheck disable=SC2016  # the backticks are the document's
named() {
  grep -oE '`tests/[^`]+`|"[^"]+"' | while IFS= read -r token; do
    case $token in
      \`*) file=${token//\`/}; printf '%s\t\n' "$file" ;;
      *) printf '%s\t%s\n' "${file-}" "${token//\"/}" ;;
    esac
  done
}

# A name may be cut into several literals, on several lines.
exists() {
  [[ -f $tests/../$1 ]] && tr '\n' ' ' <"$tests/../$1" | sed -E 's/" +"//g' | grep -qF -- "$2"
}

document=$tests/../docs/soundness.md
while IFS=$'\t' read -r file name; do
  check "$file ${name:-(the file)}" exists "$file" "${name:+\"$name\"}"
done < <(named <"$document")
check "it names many tests" [ "$passed" -gt 50 ]

not() { ! "$@"; }
check "a test that does not exist is found out" not exists tests/oracle/oracle.test.cpp '"oracle: no such test"'
check "a file that does not exist is found out" not exists tests/oracle/none.test.cpp ""

finish
