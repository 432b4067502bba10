#!/usr/bin/env bash
# packages_test.sh SOURCE: the Debian packages install in a clean Debian 12, and work there. Needs root, debootstrap
# and Debian's mirror; takes one to two minutes.
set -uo pipefail
source=$1
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../support/tally.sh"
root=$scratch/root

make_packages() {
  cmake --preset packages -S "$source" -B "$scratch/build" && cmake --build "$scratch/build" --target all docs &&
    cpack --config "$scratch/build/CPackConfig.cmake" -B "$scratch/packages"
}
# Where this machine itself gets Debian from.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Codename: bookworm' 'Created-By: Packages' 2>/dev/null | head -n 1)
mirror=${mirror:-http://deb.debian.org/debian/}
clean_root() { debootstrap --variant=minbase --include=gcc,libc6-dev,pkgconf,guile-3.0 bookworm "$root" "$mirror"; }
# inside COMMAND...: in the clean root, with its own /proc; the mount goes with the command.
inside() {
  unshare --mount --pid --fork --kill-child bash -c '
    mount -t proc proc "$0/proc" && exec chroot "$0" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C "$@"' \
    "$root" "$@"
}
install_packages() {
  mkdir "$root/packages" && cp "$scratch"/packages/*.deb "$root/packages/" &&
    inside sh -c 'dpkg --install /packages/*.deb && dpkg --audit'
}
c_example() {
  inside sh -c 'cd /tmp && gcc -std=c99 -O2 /usr/share/doc/libgcbarrier-dev/examples/collector.c \
    $(pkg-config --cflags --libs gcbarrier) '"$*"' -o collector && ./collector'
}
guile_is_served() {
  inside sh -c 'GC_PRINT_STATS=1 GUILE_AUTO_COMPILE=0 gcbarrier-run guile -c "(gc) (display (iota 5)) (newline)" 2>&1' >"$scratch/said" &&
    grep -q 'Using soft-dirty bit feature' "$scratch/said" && grep -qF '(0 1 2 3 4)' "$scratch/said"
}
man_pages() {
  local page
  for page in gcbarrier.h gcb_collect write_watch.h gcb_get_write_watch; do
    [[ -s $root/usr/share/man/man3/$page.3 ]] || { echo "no man page: $page" && return 1; }
  done
}
remove_packages() {
  inside sh -c 'dpkg --purge $(dpkg-query -W -f "\${Package}\n" "*gcbarrier*")' &&
    [[ -z $(find "$root/usr" -name '*gcb*') ]]
}

if [[ $(id -u) != 0 ]]; then
  skip 'Debian packages' 'a root of its own needs root'
elif ! command -v debootstrap >/dev/null; then
  skip 'Debian packages' 'debootstrap is not installed'
elif ! unshare --mount --pid --fork true 2>/dev/null; then
  skip 'Debian packages' 'this container does not let root make namespaces'
elif ! wget -q -O /dev/null --tries=2 --timeout=20 "${mirror%/}/dists/bookworm/InRelease"; then
  skip 'Debian packages' "$mirror does not answer"
else
  check 'cpack makes the packages' make_packages
  check 'debootstrap makes a clean Debian 12' clean_root
  check 'the packages install, and nothing is missing' install_packages
  check 'the example in C compiles and runs' c_example
  check 'the example in C compiles and runs, static' c_example -static
  check 'an unmodified Guile runs on the adapter' guile_is_served
  check 'the man pages are there' man_pages
  check 'removing the packages leaves nothing' remove_packages
fi
finish
