#!/usr/bin/env bash
# listings_test.sh SOURCE: the machine code in docs/barriers.md is what the compilers make of the barriers today.
set -uo pipefail
source=$1
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../support/tally.sh"
document=$source/docs/barriers.md

# shown COMPILER: the listings in the document that are marked as this compiler's.
shown() {
  awk -v mark="<!-- $1 -->" '$0 == mark { wanted = 1; next } /^```/ { inside = wanted && !inside; if (!inside) wanted = 0; next } inside' \
    "${2:-$document}"
}
# made COMPILER
made() {
  "$1" -std=c++20 -O2 -I "$source" -c "$here/barriers.cpp" -o "$scratch/barriers.o" &&
    objdump --disassemble --reloc --no-show-raw-insn --wide "$scratch/barriers.o" | awk -f "$here/normalise.awk"
}
same() { diff <(shown "$1" "${2:-$document}") "$scratch/$1"; }
different() { ! same "$@"; }

# A compiler's next version may choose other instructions, and then the document still tells the truth about these.
for compiler in g++-12 clang++-14; do
  if [[ $(uname -m) != x86_64 ]] || ! command -v $compiler >/dev/null; then
    skip "listings of $compiler" 'the listings are of GCC 12 and Clang 14 on x86-64'
    continue
  fi
  check "$compiler compiles the barriers" eval "made $compiler >'$scratch/$compiler'"
  check "$compiler shows all seven" test "$(grep -c ':$' "$scratch/$compiler")" = 7
  check "listings of $compiler are up to date" same $compiler
  # The controls: an instruction less, and another one.
  sed '/ shr /d' "$document" >"$scratch/shorter.md"
  check "a listing of $compiler that lacks an instruction is noticed" different $compiler "$scratch/shorter.md"
  sed 's/\$0x9,/$0xa,/' "$document" >"$scratch/other.md"
  check "a listing of $compiler with another operand is noticed" different $compiler "$scratch/other.md"
done
finish
