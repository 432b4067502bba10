// gcbarrier_store_instructions BARRIER SITUATION: makes pointer stores and nothing else in counted_store(),
// for callgrind to count the instructions of (bench/report/instructions.py). Without arguments it lists what
// can be asked for. Ends with status 3 where the barrier does not work here.
#include <array>
#include <cstddef>
#include <cstdio>
#include <gcbarrier/address_range.hpp>
#include <gcbarrier/barrier/none.hpp>
#include <heap/barriers.hpp>
#include <string_view>

#include "measure/arena_memory.hpp"
#include "measure/old_space.hpp"

namespace gcbench {
namespace {

constexpr std::size_t stores = 1000;

// The instructions of one store: all of this function's but the return. The count is of calls, so that a
// slow path that only every so many stores take is spread over them.
template <class Barrier>
[[gnu::noinline]] void counted_store(Barrier& barrier, void** slot, void* value) {
  barrier.store(slot, value);
}

constexpr std::array situations{"young_slot", "old_value", "young_value", "young_value_again"};

// Memory's first half is the old space and its second the nursery.
template <class Barrier>
int run(std::string_view situation) {
  const arena_memory memory(std::size_t{16} << 20, page_kind::small);
  const gcbarrier::address_range old = memory.range(0, memory.pages() / 2);
  const gcbarrier::address_range young = memory.range(memory.pages() / 2, memory.pages() / 2);
  auto barrier = gcheap::open_barrier<Barrier>(memory.range(), young);
  if (!barrier || barrier->add_arena(old)) return 3;
  // Pages are left unprotected: a fault is no instruction of the store, and under valgrind, which runs one
  // thread at a time, the monitor thread that uffd_sync waits for would never run.
  if (barrier->granule() < arena_memory::page_size()) {
    (void)barrier->written();
    barrier->rearm();
  }
  auto* const old_slots = reinterpret_cast<void**>(old.begin);
  auto* const young_slots = reinterpret_cast<void**>(young.begin);
  void* const value = situation == "old_value" ? old_slots : young_slots;
  void** const slots = situation == "young_slot" ? young_slots : old_slots;
  // Into another card each time, or the same slot once more.
  const std::size_t stride = situation == "young_value_again" ? 0 : 512 / sizeof(void*);
  if (stride == 0) barrier->store(slots, value);
  for (std::size_t i = 0; i < stores; ++i) counted_store(*barrier, slots + i * stride, value);
  return 0;
}

int run_named(std::string_view wanted, std::string_view situation) {
  int status = 2;
  const auto one = [&]<class Barrier>() {
    if (wanted == Barrier::name) status = run<Barrier>(situation);
  };
  one.template operator()<gcbarrier::no_barrier>();
  gcheap::each_barrier(one);
  return status;
}

void list() {
  std::printf("stores %zu\n", stores);
  for (const char* const situation : situations) std::printf("situation %s\n", situation);
  const auto one = []<class Barrier>() {
    std::printf("barrier %s\n", std::string_view(Barrier::name).data());
  };
  one.template operator()<gcbarrier::no_barrier>();
  gcheap::each_barrier(one);
}

}  // namespace
}  // namespace gcbench

int main(int argc, char** argv) {
  if (argc == 3) return gcbench::run_named(argv[1], argv[2]);
  gcbench::list();
  return argc == 1 ? 0 : 2;
}
