#!/usr/bin/env bash
# docs/soundness.md and docs/heap.md rest on tests: each one that they name must exist, in the file that they name.
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

for document in soundness heap; do
  while IFS=$'\t' read -r file name; do
    check "$document: $file ${name:-(the file)}" exists "$file" "${name:+\"$name\"}"
  done < <(named <"$tests/../docs/$document.md")
done
check "it names many tests" [ "$passed" -gt 50 ]

not() { ! "$@"; }
check "a test that does not exist is found out" not exists tests/oracle/oracle.test.cpp '"oracle: no such test"'
check "a file that does not exist is found out" not exists tests/oracle/none.test.cpp ""

finish
