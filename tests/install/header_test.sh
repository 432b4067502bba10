#!/usr/bin/env bash
# header_test.sh SOURCE: each public header compiles on its own and twice in one translation unit, with both
# compilers; those in C++ without exceptions and RTTI, those in C as C99 and as C++.
set -uo pipefail
source=$1
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../support/tally.sh"

# alone COMPILER HEADER FLAG...
alone() {
  local compiler=$1 header=$2
  shift 2
  printf '#include <gcbarrier/%s>\n' "$header" "$header" |
    "$compiler" "$@" -Wall -Wextra -Werror -fsyntax-only -I "$source" -
}
cd "$source/gcbarrier" || exit 1
for compiler in gcc clang; do
  if ! command -v $compiler >/dev/null; then
    skip "C headers with $compiler" 'it is not installed'
    continue
  fi
  for header in *.h; do
    check "$header, $compiler" alone $compiler "$header" -x c -std=c99 -pedantic -Wstrict-prototypes
    check "$header, $compiler as C++" alone $compiler "$header" -x c++ -std=c++11 -pedantic
  done
done
for compiler in g++ clang++; do
  if ! command -v $compiler >/dev/null; then
    skip "headers with $compiler" 'it is not installed'
    continue
  fi
  while read -r header; do
    check "$header, $compiler" alone $compiler "$header" -x c++ -std=c++20 -fno-exceptions -fno-rtti
  done < <(find . -name '*.hpp' -not -path './c/*' -printf '%P\n' | sort)
done
finish
