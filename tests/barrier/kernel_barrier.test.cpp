#include <doctest/doctest.h>
#include <gcbarrier/barrier/kernel_barrier.hpp>
#include <gcbarrier/kernel/uapi.hpp>
#include <support/faked_calls.hpp>
#include <support/memory.hpp>

#include <cerrno>
#include <optional>

namespace {

using gcbarrier::kernel_barrier;
using gcbarrier::uffd_async;
using support::faked_calls;
using support::memory;

TEST_CASE("kernel barrier: memory that follows an arena extends it, also after it was refused once") {
  const memory heap(support::memory_kind::small_pages, 12);
  bool refuses = false;
  faked_calls fake([&](long number, faked_calls::argument_list a) -> std::optional<long> {
    const bool registers =
        number == SYS_ioctl && static_cast<unsigned long>(a[1]) == gcbarrier::kernel::uapi::ioctl_register;
    return registers && refuses ? std::optional<long>(-ENOMEM) : std::nullopt;
  });
  auto barrier = kernel_barrier<uffd_async>::open(fake.calls());
  REQUIRE(barrier);
  REQUIRE_FALSE(barrier->add_arena(heap.range(0, 4)));
  refuses = true;
  CHECK(barrier->add_arena(heap.range(4, 4)).code == ENOMEM);
  refuses = false;
  CHECK_FALSE(barrier->add_arena(heap.range(4, 4)));
  CHECK_FALSE(barrier->add_arena(heap.range(8, 4)));
  CHECK(barrier->tracker().arena_count() == 1);
  barrier->rearm();
  heap.write(9);
  CHECK(heap.pages_in(barrier->written()) == support::page_numbers{9});
}

}  // namespace
