#!/usr/bin/env bash
# install_test.sh SOURCE: the package as others use it. Installs into a prefix of its own, and compiles and runs
# the README's example against that and against the source tree.
set -uo pipefail
source=$1
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../support/tally.sh"
# Whoever runs this test may themselves be under settings for an installed package.
unset PKG_CONFIG_PATH PKG_CONFIG_LIBDIR CMAKE_PREFIX_PATH CPATH LIBRARY_PATH LD_LIBRARY_PATH CFLAGS CXXFLAGS

prefix=$scratch/prefix
example=$scratch/example.cpp
flags=(-std=c++20 -Wall -Wextra -Werror -O2)

install_it() {
  cmake -S "$source" -B "$scratch/build" -G Ninja -DGCBARRIER_BUILD_ALL=OFF -DCMAKE_BUILD_TYPE=Release &&
    cmake --build "$scratch/build" && cmake --install "$scratch/build" --prefix "$prefix"
}
# The one block of C++ in the README.
extract_example() {
  awk '/^```cpp$/ { inside = 1; ++blocks; next } /^```$/ { inside = 0 } inside
       END { exit blocks != 1 }' "$source/README.md" >"$example" && [[ $(wc -l <"$example") -ge 10 ]]
}
# says_what_the_readme_says PROGRAM
says_what_the_readme_says() {
  "$1" >"$scratch/said" && cat "$scratch/said" &&
    awk '/^```text$/ { inside = 1; next } /^```$/ { inside = 0 } inside' "$source/README.md" |
    diff - "$scratch/said"
}
# build_project DIRECTORY [-DOPTION...]: and runs what it builds.
build_project() {
  local project=$1 build
  shift
  build=$(mktemp -d "$scratch/project.XXXX")
  cmake -S "$here/$project" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release "-DEXAMPLE=$example" "$@" &&
    cmake --build "$build" && says_what_the_readme_says "$build/consumer" &&
    [[ -z $(find "$build" -name 'libgcbarrier*') ]]  # an embedder of the headers builds nothing else
}
with_pkg_config() {
  local found
  found=$(PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name gcbarrier.pc)") pkg-config "$@" gcbarrier) && echo "$found"
}
by_hand() {
  local compiler=$1 compile_flags
  shift
  read -ra compile_flags <<<"$(with_pkg_config --cflags)" && ((${#compile_flags[@]})) &&
    "$compiler" "${flags[@]}" "$@" "${compile_flags[@]}" "$example" -o "$scratch/by_hand" &&
    says_what_the_readme_says "$scratch/by_hand"
}
too_new() {
  sed 's/gcbarrier 0.1 /gcbarrier 99 /' "$here/consumer/CMakeLists.txt" >"$scratch/CMakeLists.txt"
  ! cmake -S "$scratch" -B "$scratch/too-new" -G Ninja "-DEXAMPLE=$example" "-DCMAKE_PREFIX_PATH=$prefix"
}
same_version() {
  local header
  header=$(awk '/^#define GCBARRIER_VERSION_M|^#define GCBARRIER_VERSION_P/ { printf "%s%s", dot, $3; dot = "." }' \
    "$prefix/include/gcbarrier/version.hpp")
  echo "header $header" && [[ $(with_pkg_config --modversion) == "$header" ]]
}

# Relative links in the README and docs/ lead to files that are there.
links_lead_somewhere() {
  local page link broken=0
  for page in "$source"/*.md "$source"/docs/*.md; do
    [[ -e $page ]] || continue
    while read -r link; do
      [[ -e $(dirname "$page")/$link ]] || { echo "$page: $link" && broken=1; }
    done < <(grep -oP '\]\(\K[^)#:]+(?=[)#])' "$page")
  done
  return $broken
}

library() { find "$prefix" -name "libgcbarrier.$1"; }
c_project() {
  local build=$scratch/c_project
  cmake -S "$here/c_consumer" -B "$build" -G Ninja "-DCMAKE_PREFIX_PATH=$prefix" -DCMAKE_BUILD_TYPE=Release \
    "-DEXAMPLE=$source/docs/examples/collector.c" && cmake --build "$build" &&
    "$build/shared" && "$build/static"
}
c_by_hand() {
  local found
  read -ra found <<<"$(with_pkg_config --cflags --libs)" && ((${#found[@]})) &&
    gcc -std=c99 -O2 "$source/docs/examples/collector.c" "${found[@]}" "$@" -o "$scratch/collector" &&
    LD_LIBRARY_PATH=$(dirname "$(library so)") "$scratch/collector"
}
exports_only_its_own() {
  local others
  nm -D --defined-only "$(library so)" | awk '{ print $3 }' | tee "$scratch/exports"
  others=$(grep -vE '^(gcb_[a-z_]+@@GCBARRIER_0|GCBARRIER_0)$' "$scratch/exports")
  [[ -z $others ]] && diff <(grep -oP '^gcb_\w+' "$scratch/exports" | sort) \
    <(grep -ohP 'GCB_API .*\bgcb_\w+(?=\()' "$prefix"/include/gcbarrier/*.h | grep -oP 'gcb_\w+$' | sort)
}
needs_libc_only() {
  readelf -d "$(library so)" | tee "$scratch/dynamic"
  [[ $(grep -c NEEDED "$scratch/dynamic") == 1 ]] && grep -q 'NEEDED.*libc\.so' "$scratch/dynamic" &&
    grep -q 'SONAME.*libgcbarrier\.so\.0\]' "$scratch/dynamic"
}

check 'configures, builds and installs without tests, heap and benchmarks' install_it
check 'the README has one example' extract_example
check 'find_package' build_project consumer "-DCMAKE_PREFIX_PATH=$prefix"
check 'find_package refuses a version that is not there' too_new
check 'add_subdirectory' build_project subdirectory "-DGCBARRIER=$source"
check 'FetchContent' build_project subdirectory "-DGCBARRIER=$source" -DFETCH=ON
check 'g++ and pkg-config' by_hand g++
check 'g++ and pkg-config, without exceptions and RTTI' by_hand g++ -fno-exceptions -fno-rtti
if command -v clang++ >/dev/null; then
  check 'clang++ and pkg-config' by_hand clang++
else
  skip 'clang++ and pkg-config' 'clang++ is not installed'
fi
check 'C: find_package, shared and static, without a C++ compiler' c_project
check 'C: gcc and pkg-config' c_by_hand
check 'C: gcc and pkg-config, static' c_by_hand -static
check 'libgcbarrier exports what the headers declare and nothing else' exports_only_its_own
check 'libgcbarrier needs libc and nothing else, and has a versioned soname' needs_libc_only
check 'the header, CMake and pkg-config agree on the version' same_version
check 'links between the documents' links_lead_somewhere
finish
