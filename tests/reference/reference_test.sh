#!/usr/bin/env bash
# reference_test.sh SOURCE DOXYFILES: the API reference is made without a warning, and is complete.
set -uo pipefail
source=$1
doxyfiles=$2
. "$(cd "$(dirname "$0")" && pwd)/../support/tally.sh"

# make_it DOXYFILE [SETTING...]: in the scratch directory; any warning is a failure.
make_it() {
  { cat "$doxyfiles/$1" && printf '%s\n' "OUTPUT_DIRECTORY = $scratch" 'WARN_AS_ERROR = FAIL_ON_WARNINGS' "${@:2}"; } |
    doxygen -
}
functions() { grep -hoP '^GCB_API .*\bgcb_\w+(?=\()' "$source"/gcbarrier/*.h | grep -oP 'gcb_\w+$'; }
# Each function's page is a link to the page of its header, and that one has the text.
every_function_has_a_page() {
  local name missing=0 count=0
  for name in $(functions); do
    grep -qE '^\.so man3/(gcbarrier|write_watch)\.h\.3' "$scratch/man/man3/$name.3" || { echo "no page: $name" && missing=1; }
    ((++count))
  done
  echo "$count functions" && ((count > 30 && !missing)) && grep -q 'It never narrows' "$scratch/man/man3/gcbarrier.h.3"
}
cpp_comments_are_in() {
  grep -q 'It never narrows' "$scratch/html/classgcbarrier_1_1basic__write__tracker.html" &&
    grep -q 'one past the last byte' "$scratch/html/structgcbarrier_1_1address__range.html"
}
undocumented_is_noticed() {
  sed '/^\/\/\/ Reads the counters\.$/d' "$source/gcbarrier/gcbarrier.h" >"$scratch/gcbarrier.h"
  ! make_it Doxyfile.man "INPUT = $scratch/gcbarrier.h" 2>"$scratch/warned" || return 1
  cat "$scratch/warned"
  grep -q 'gcb_read_counters.*not documented' "$scratch/warned"
}

if command -v doxygen >/dev/null; then
  check 'HTML' make_it Doxyfile
  check 'man pages' make_it Doxyfile.man
  check 'every function in C has a man page' every_function_has_a_page
  check 'the comments of the C++ headers are in' cpp_comments_are_in
  check 'an undocumented function is noticed' undocumented_is_noticed
else
  skip 'API reference' 'doxygen is not installed'
fi
finish
