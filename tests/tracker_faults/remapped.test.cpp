// Memory that is taken from under a tracker: noticed at the next call, and mended once the memory is back.
#include <doctest/doctest.h>
#include <sys/mman.h>

#include <functional>
#include <gcbarrier/kernel/userfaultfd.hpp>

#include "armed_tracker.hpp"

namespace kernel = gcbarrier::kernel;
namespace uapi = gcbarrier::kernel::uapi;
using gcbarrier::mechanism_kind;
using support::memory;
using support::memory_kind;

namespace {

constexpr int read_write = PROT_READ | PROT_WRITE;

void map_over(const memory& heap, std::size_t first, std::size_t count, int protection = read_write) {
  REQUIRE(::mmap(heap.page(first), count * memory::page_size(), protection,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == heap.page(first));
}

// Each mechanism, each kind of memory: `take` takes tracking away, and somebody writes.
void for_each_loss(const std::function<void(armed_tracker&)>& take,
                   const std::function<void(armed_tracker&)>& look) {
  for (const mechanism_kind kind : every_real_mechanism) {
    CAPTURE(name_of(kind));
    for (const memory_kind of : support::every_memory_kind) {
      CAPTURE(name_of(of));
      armed_tracker one(kind, {}, of);
      take(one);
      look(one);
    }
  }
}

void noticed_and_mended(armed_tracker& one) {
  CHECK(one.answers_everything());
  CHECK(one.is_exact());
}

}  // namespace

TEST_CASE("remapped: without a loss the answer is exact, and no problem is given") {
  for_each_loss([](armed_tracker& one) { one.heap.write(5); },
                [](armed_tracker& one) {
                  CHECK(one.pages(one.tracker.collect()) == support::page_numbers{5});
                  CHECK_FALSE(one.tracker.problem());
                });
}

TEST_CASE("remapped: new memory over all of the arena") {
  for_each_loss([](armed_tracker& one) { map_over(one.heap, 0, 32); }, noticed_and_mended);
}

TEST_CASE("remapped: new memory over a part of the arena, and a write to it") {
  for_each_loss(
      [](armed_tracker& one) {
        map_over(one.heap, 7, 3);
        one.heap.write(8);
      },
      noticed_and_mended);
}

TEST_CASE("remapped: new memory over the arena's first and last page") {
  for (const std::size_t page : {0, 31}) {
    for_each_loss([page](armed_tracker& one) { map_over(one.heap, page, 1); }, noticed_and_mended);
  }
}

TEST_CASE("remapped: peek() notices as well, and arm() mends it") {
  for_each_loss([](armed_tracker& one) { map_over(one.heap, 7, 3); },
                [](armed_tracker& one) {
                  CHECK(one.pages(one.tracker.peek()) == one.whole());
                  CHECK(one.tracker.problem());
                  one.tracker.arm();
                  CHECK_FALSE(one.tracker.problem());
                  one.heap.write(8);
                  CHECK(one.pages(one.tracker.peek()) == support::page_numbers{8});
                  CHECK_FALSE(one.tracker.problem());
                });
}

TEST_CASE("remapped: a loss before arm() does not make the next answer too narrow") {
  for_each_loss([](armed_tracker& one) { map_over(one.heap, 7, 3); },
                [](armed_tracker& one) {
                  one.tracker.arm();
                  one.heap.write(8);
                  CHECK(one.tracker.collect().contains(one.heap.page(8)));
                  CHECK(one.is_exact());
                });
}

TEST_CASE("remapped: a hole is a problem as long as it is there") {
  for_each_loss([](armed_tracker& one) { REQUIRE(::munmap(one.heap.page(7), 3 * memory::page_size()) == 0); },
                [](armed_tracker& one) {
                  CHECK(one.answers_everything());
                  CHECK(one.answers_everything());
                  one.tracker.arm();
                  CHECK(one.tracker.problem());
                  CHECK(one.answers_everything());
                  map_over(one.heap, 7, 3);
                  CHECK(one.answers_everything());
                  CHECK(one.is_exact());
                });
}

TEST_CASE("remapped: all of the arena is unmapped") {
  for_each_loss([](armed_tracker& one) { REQUIRE(::munmap(one.heap.data(), one.heap.bytes()) == 0); },
                [](armed_tracker& one) {
                  CHECK(one.answers_everything());
                  CHECK(one.answers_everything());
                });
}

TEST_CASE("remapped: the arena has moved away") {
  const memory elsewhere(memory_kind::untouched, 32);
  for_each_loss(
      [&elsewhere](armed_tracker& one) {
        REQUIRE(::mremap(one.heap.data(), one.heap.bytes(), one.heap.bytes(), MREMAP_MAYMOVE | MREMAP_FIXED,
                         elsewhere.data()) == elsewhere.data());
      },
      [](armed_tracker& one) {
        CHECK(one.answers_everything());
        map_over(one.heap, 0, 32);
        CHECK(one.answers_everything());
        CHECK(one.is_exact());
      });
}

TEST_CASE("remapped: the arena has moved away and left its mapping behind") {
  const memory elsewhere(memory_kind::untouched, 32);
  for (const mechanism_kind kind : every_real_mechanism) {
    CAPTURE(name_of(kind));
    armed_tracker one(kind);
    REQUIRE(::mremap(one.heap.data(), one.heap.bytes(), one.heap.bytes(),
                     MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, elsewhere.data()) == elsewhere.data());
    one.heap.write(9);
    CHECK(one.tracker.collect().contains(one.heap.page(9)));
    CHECK(one.is_exact());
  }
}

TEST_CASE("remapped: somebody else makes a part writable, for mprotect") {
  armed_tracker one(mechanism_kind::mprotect);
  REQUIRE(::mprotect(one.heap.page(4), memory::page_size(), read_write) == 0);
  one.heap.write(4);
  CHECK(one.answers_everything());
  CHECK(one.is_exact());
}

TEST_CASE("remapped: somebody else makes a part read-only, which hides no write") {
  for (const mechanism_kind kind : every_real_mechanism) {
    CAPTURE(name_of(kind));
    armed_tracker one(kind);
    one.heap.write(4);
    REQUIRE(::mprotect(one.heap.page(3), 3 * memory::page_size(), PROT_READ) == 0);
    CHECK(one.pages(one.tracker.collect()) == support::page_numbers{4});
    REQUIRE(::mprotect(one.heap.page(3), 3 * memory::page_size(),
                       kind == mechanism_kind::mprotect ? PROT_READ : read_write) == 0);
    CHECK(one.is_exact());
  }
}

TEST_CASE("remapped: a part is unregistered, by a descriptor of the same file") {
  const auto unregister = [](const memory& heap) {
    // Whoever holds a copy of the tracker's userfaultfd can do it; here we look for its number.
    int done = 0;
    for (int number = 3; number < 100; ++number) {
      done += kernel::unregister_range({}, number, heap.range(7, 3)) ? 0 : 1;
    }
    return done;
  };
  for (const memory_kind of : support::every_memory_kind) {
    CAPTURE(name_of(of));
    armed_tracker one(mechanism_kind::uffd_async, {}, of);
    REQUIRE(unregister(one.heap) == 1);
    one.heap.write(8);
    noticed_and_mended(one);
  }
}

TEST_CASE("remapped: another userfaultfd has taken the arena, which stays a problem until it lets go") {
  armed_tracker one(mechanism_kind::uffd_async);
  map_over(one.heap, 0, 32);
  {
    const auto other = kernel::open_userfaultfd({});
    REQUIRE(other);
    // Not an asynchronous one: the kernel cannot tell that from ours, so two trackers must not be given the
    // same memory.
    uapi::uffdio_api api{uapi::api_version, 0, 0};
    REQUIRE(kernel::system_calls{}.ioctl(other->number(), uapi::ioctl_api, &api) == 0);
    uapi::uffdio_register argument{{one.heap.range().begin, one.heap.bytes()}, uapi::register_mode_wp, 0};
    REQUIRE(kernel::system_calls{}.ioctl(other->number(), uapi::ioctl_register, &argument) == 0);
    CHECK(one.answers_everything());
    CHECK(one.tracker.problem().code == EBUSY);
    one.tracker.arm();
    CHECK(one.tracker.problem().code == EBUSY);
    CHECK(one.answers_everything());
  }
  CHECK(one.answers_everything());
  CHECK(one.is_exact());
}

TEST_CASE("remapped: an arena with a hole can be removed, and the rest is writable") {
  for_each_loss([](armed_tracker& one) { REQUIRE(::munmap(one.heap.page(7), 3 * memory::page_size()) == 0); },
                [](armed_tracker& one) {
                  (void)one.tracker.remove_arena(one.heap.data());
                  CHECK(one.tracker.arena_count() == 0);
                  for (std::size_t page = 0; page < 32; ++page) {
                    if (page < 7 || page >= 10) one.heap.write(page, 2);
                  }
                });
}
