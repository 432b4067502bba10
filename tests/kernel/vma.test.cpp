// What tracking does to the process's list of mappings, page tables and faults.
#include <doctest/doctest.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <gcbarrier/kernel/mappings.hpp>
#include <string>
#include <support/memory.hpp>
#include <support/page_watch.hpp>

namespace kernel = gcbarrier::kernel;
using support::memory;
using support::memory_kind;
using support::page_watch;

namespace {

int mappings_in(gcbarrier::address_range range) {
  int count = 0;
  const kernel::system_calls real;
  const kernel::descriptor maps(real, static_cast<int>(real.open("/proc/self/maps", O_RDONLY)));
  REQUIRE_FALSE(kernel::for_each_mapping(real, maps.number(), [&](const kernel::mapping& one) {
    count += one.range.overlaps(range) ? 1 : 0;
    return true;
  }));
  return count;
}

long page_table_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmPTE:", 0) == 0) return std::strtol(line.c_str() + 6, nullptr, 10);
  }
  FAIL("no VmPTE in /proc/self/status");
  return 0;
}

long minor_faults() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

}  // namespace

TEST_CASE("mappings: registering a part splits a mapping, and registering the rest merges it again") {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    const memory heap(kind, 64);
    page_watch watch;
    CHECK(mappings_in(heap.range()) == 1);
    REQUIRE_FALSE(watch.add(heap.range(0, 32)));
    CHECK(mappings_in(heap.range()) == 2);
    REQUIRE_FALSE(watch.add(heap.range(32, 32)));
    CHECK(mappings_in(heap.range()) == 1);
  }
}

TEST_CASE("mappings: memory that grows step by step stays one mapping") {
  for (const memory_kind kind : {memory_kind::small_pages, memory_kind::memfd_shared}) {
    CAPTURE(name_of(kind));
    memory heap(kind, 16, 256);
    page_watch watch;
    for (std::size_t pages = 16; pages <= 256; pages += 16) {
      heap.grow(pages);
      REQUIRE_FALSE(watch.add(heap.range()));
      REQUIRE_FALSE(watch.arm(heap.range()));
    }
    CHECK(mappings_in(heap.range()) == 1);
  }
}

TEST_CASE("mappings: arming every other page splits nothing, and mprotect splits at each") {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    const memory heap(kind, 64);
    page_watch watch;
    REQUIRE_FALSE(watch.add(heap.range()));
    for (std::size_t page = 0; page < 64; page += 2) REQUIRE_FALSE(watch.arm(heap.range(page, 1)));
    CHECK(mappings_in(heap.range()) == 1);
    for (std::size_t page = 0; page < 64; page += 2) {
      REQUIRE(::mprotect(heap.page(page), memory::page_size(), PROT_READ) == 0);
    }
    CHECK(mappings_in(heap.range()) == 64);
  }
}

TEST_CASE("mappings: arming empty space costs its page tables") {
  const memory heap(memory_kind::untouched, 128 * 512);  // 256 MiB, mapped by 128 tables of 4 KiB
  page_watch watch;
  REQUIRE_FALSE(watch.add(heap.range()));
  const long before = page_table_kib();
  REQUIRE_FALSE(watch.arm(heap.range()));
  CHECK(page_table_kib() - before >= 128 * 4);
}

TEST_CASE("mappings: the first write to armed empty space takes two faults, to empty space one") {
  for (const bool armed : {false, true}) {
    const memory heap(memory_kind::untouched, 1024);
    // The first write takes faults in a sanitizer's shadow of the memory too, and those are not to be
    // counted.
    heap.touch();
    REQUIRE(::madvise(heap.data(), heap.bytes(), MADV_DONTNEED) == 0);
    page_watch watch;
    REQUIRE_FALSE(watch.add(heap.range()));
    if (armed) REQUIRE_FALSE(watch.arm(heap.range()));
    const long before = minor_faults();
    heap.touch();
    const long faults = minor_faults() - before;
    // A few more may come from the counting itself.
    CHECK(faults >= (armed ? 2048 : 1024));
    CHECK(faults < (armed ? 2148 : 1124));
  }
}
