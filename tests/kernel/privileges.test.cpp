// What an unprivileged or undumpable process can do.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <gcbarrier/kernel/userfaultfd.hpp>
#include <gcbarrier/mechanism/uffd_async.hpp>
#include <string_view>
#include <support/child.hpp>
#include <support/memory.hpp>
#include <support/skip.hpp>

namespace kernel = gcbarrier::kernel;
using support::exited;
using support::memory;
using support::memory_kind;

namespace {

// As root: becomes somebody without any privilege. Otherwise we are that already.
bool become_nobody() {
  return ::getuid() != 0 || (::setresgid(65534, 65534, 65534) == 0 && ::setresuid(65534, 65534, 65534) == 0);
}

// Runs one cycle with a store and a read(2); 0 if both pages were seen and no other.
int track(gcbarrier::uffd_async& mechanism) {
  const memory heap(memory_kind::small_pages, 8);
  gcbarrier::run_list runs;
  if (runs.reserve(8)) return 10;
  if (mechanism.attach(heap.range())) return 11;
  if (mechanism.protect(heap.range())) return 12;
  heap.write(2);
  const kernel::descriptor zero({}, ::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  if (::read(zero.number(), heap.page(5), 8) != 8) return 13;
  if (mechanism.read(heap.range(), runs)) return 14;
  return heap.pages_in(runs.runs()) == support::page_numbers{2, 5} ? 0 : 15;
}

}  // namespace

TEST_CASE("privileges: an unprivileged process tracks its stores and its system calls") {
  CHECK(support::run_in_child([] {
          if (!become_nobody()) return 1;
          if (::prctl(PR_SET_DUMPABLE, 1) != 0) return 2;
          auto opened = gcbarrier::uffd_async::open({});
          return opened ? track(*opened) : 3;
        }) == exited(0));
}

TEST_CASE("privileges: with dumpable 0 the pagemap is refused, and PR_SET_DUMPABLE mends it") {
  CHECK(support::run_in_child([] {
          if (!become_nobody()) return 1;
          if (::prctl(PR_SET_DUMPABLE, 0) != 0) return 2;
          if (!kernel::open_userfaultfd({})) return 3;
          const auto refused = gcbarrier::uffd_async::open({});
          if (refused || refused.error().code != EACCES) return 4;
          if (std::string_view(refused.error().advice).find("PR_SET_DUMPABLE") == std::string_view::npos)
            return 5;
          if (::prctl(PR_SET_DUMPABLE, 1) != 0) return 6;
          auto opened = gcbarrier::uffd_async::open({});
          return opened ? track(*opened) : 7;
        }) == exited(0));
}

TEST_CASE("privileges: a process that has just given up root is not dumpable") {
  if (::getuid() != 0) SKIP_TEST("only root can give root up");
  CHECK(support::run_in_child([] {
          if (!become_nobody()) return 1;
          const auto refused = gcbarrier::uffd_async::open({});
          return !refused && refused.error().code == EACCES ? 0 : 2;
        }) == exited(0));
}

TEST_CASE("privileges: descriptors opened before root was given up go on working") {
  CHECK(support::run_in_child([] {
          auto opened = gcbarrier::uffd_async::open({});
          if (!opened || !become_nobody()) return 1;
          return track(*opened);
        }) == exited(0));
}
