// What every mechanism promises, in every kind of memory.
#include <doctest/doctest.h>
#include <sys/mman.h>

#include <cerrno>
#include <gcbarrier/mechanism/any_mechanism.hpp>
#include <string_view>
#include <support/dropping.hpp>
#include <support/lost_pages.hpp>
#include <support/mechanism_cases.hpp>
#include <support/memory.hpp>
#include <utility>

using gcbarrier::address_range;
using gcbarrier::run_list;
using support::consecutive;
using support::memory;
using support::memory_kind;
using support::page_numbers;

#define TRACKER_MECHANISMS support::uffd_case, support::mprotect_case, support::soft_dirty_case
#define MECHANISMS TRACKER_MECHANISMS, support::uffd_sync_case

namespace {

constexpr std::size_t pages = 600;

// A mechanism and the memory that it watches.
template <class Case>
struct watched {
  Case on;
  memory heap;
  typename Case::mechanism mechanism;
  run_list runs;

  explicit watched(memory_kind kind, std::size_t capacity = pages)
      : heap(kind, pages, capacity), mechanism(open(on)) {
    on.models({heap.data(), capacity * memory::page_size()});
    REQUIRE_FALSE(runs.reserve(capacity));
    REQUIRE_FALSE(mechanism.attach(heap.range()));
    REQUIRE_FALSE(mechanism.protect(heap.range()));
  }
  static typename Case::mechanism open(Case& on) {
    auto opened = Case::mechanism::open(on.calls());
    REQUIRE(opened);
    return std::move(*opened);
  }

  void write(std::size_t page) { on.write(heap, page, 5); }
  page_numbers read() { return read(heap.range()); }
  page_numbers read(address_range range) {
    runs.clear();
    REQUIRE_FALSE(mechanism.read(range, runs));
    return heap.pages_in(runs.runs());
  }
  page_numbers collect() {
    runs.clear();
    REQUIRE_FALSE(mechanism.read_and_protect(heap.range(), runs));
    return heap.pages_in(runs.runs());
  }
};

// Runs the test for each kind of memory.
template <class Case, class F>
void for_each_kind(F test, std::size_t capacity = pages) {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    watched<Case> one(kind, capacity);
    test(one);
  }
}

}  // namespace

TEST_CASE_TEMPLATE("mechanism: after protecting, exactly the pages written are read", Case, MECHANISMS) {
  for_each_kind<Case>([](auto& one) {
    CHECK(one.read().empty());
    for (const std::size_t page : {0, 1, 5, 511, 512, 599}) one.write(page);
    CHECK(one.read() == page_numbers{0, 1, 5, 511, 512, 599});
  });
}

TEST_CASE_TEMPLATE("mechanism: reading changes nothing, reading and protecting forgets", Case, MECHANISMS) {
  for_each_kind<Case>([](auto& one) {
    one.write(3);
    for (int i = 0; i < 3; ++i) CHECK(one.read() == page_numbers{3});
    CHECK(one.collect() == page_numbers{3});
    CHECK(one.read().empty());
    one.write(3);
    one.write(4);
    CHECK(one.collect() == page_numbers{3, 4});
    CHECK(one.collect().empty());
  });
}

TEST_CASE_TEMPLATE("mechanism: only the range that is asked for is read", Case, MECHANISMS) {
  for_each_kind<Case>([](auto& one) {
    for (const std::size_t page : {9, 10, 11, 19, 20}) one.write(page);
    CHECK(one.read(one.heap.range(10, 10)) == page_numbers{10, 11, 19});
    CHECK(one.read(one.heap.range(12, 7)).empty());
  });
}

TEST_CASE_TEMPLATE("mechanism: runs are ordered, disjoint and appended after what is there", Case,
                   MECHANISMS) {
  for_each_kind<Case>([](auto& one) {
    for (std::size_t page = 100; page < 400; page += 3) one.write(page);
    one.runs.clear();
    one.runs.append({memory::page_size(), 2 * memory::page_size()});
    REQUIRE_FALSE(one.mechanism.read(one.heap.range(), one.runs));
    const auto runs = one.runs.runs();
    CHECK(runs.size() == 101);
    for (std::size_t i = 1; i < runs.size(); ++i) {
      CHECK(runs[i - 1].end < runs[i].begin);
      CHECK(runs[i].aligned_to(memory::page_size()));
    }
  });
}

TEST_CASE_TEMPLATE("mechanism: protecting forgets what was never read", Case, MECHANISMS) {
  for_each_kind<Case>([](auto& one) {
    one.write(3);
    REQUIRE_FALSE(one.mechanism.protect(one.heap.range()));
    CHECK(one.read().empty());
    one.write(4);
    CHECK(one.read() == page_numbers{4});
  });
}

TEST_CASE_TEMPLATE("mechanism: un-protected pages may be written, and what is written is read", Case,
                   MECHANISMS) {
  for_each_kind<Case>([](auto& one) {
    one.write(3);
    REQUIRE_FALSE(one.mechanism.unprotect(one.heap.range(10, 5)));
    one.write(12);
    const page_numbers written = one.read();
    CHECK(written.contains(3));
    CHECK(written.contains(12));
    CHECK(written.size() <= 6);
    one.collect();
    CHECK(one.read().empty());
    one.write(12);
    CHECK(one.read() == page_numbers{12});
  });
}

TEST_CASE_TEMPLATE("mechanism: attaching again forgets no write", Case, MECHANISMS) {
  for_each_kind<Case>([](auto& one) {
    one.write(3);
    REQUIRE_FALSE(one.mechanism.attach(one.heap.range()));
    CHECK(one.read().contains(3));
    one.collect();
    one.write(3);
    CHECK(one.read() == page_numbers{3});
  });
}

TEST_CASE_TEMPLATE("mechanism: an arena that grows by attaching it again", Case, MECHANISMS) {
  for_each_kind<Case>(
      [](auto& one) {
        for (std::size_t size : {601, 700, 1300}) {
          CAPTURE(size);
          one.write(3);
          one.heap.grow(size);
          REQUIRE_FALSE(one.mechanism.attach(one.heap.range()));
          CHECK(one.read().contains(3));
          REQUIRE_FALSE(one.mechanism.protect(one.heap.range()));
          CHECK(one.read().empty());
          one.write(size - 1);
          one.write(4);
          CHECK(one.collect() == page_numbers{4, size - 1});
        }
      },
      1300);
}

TEST_CASE_TEMPLATE("mechanism: detaching a tail leaves the rest watched, and the tail writable", Case,
                   MECHANISMS) {
  for_each_kind<Case>([](auto& one) {
    one.write(3);
    REQUIRE_FALSE(one.mechanism.detach(one.heap.range(300, 300)));
    CHECK(one.read(one.heap.range(0, 300)).contains(3));
    REQUIRE_FALSE(one.mechanism.protect(one.heap.range(0, 300)));
    one.heap.write(300, 9);
    one.heap.write(599, 9);
    one.write(299);
    CHECK(one.read(one.heap.range(0, 300)) == page_numbers{299});
  });
}

TEST_CASE_TEMPLATE("mechanism: detached memory is writable and keeps its contents", Case, MECHANISMS) {
  for_each_kind<Case>([](auto& one) {
    one.heap.write(7, 42);
    REQUIRE_FALSE(one.mechanism.protect(one.heap.range()));
    REQUIRE_FALSE(one.mechanism.detach(one.heap.range()));
    one.heap.touch();
    one.heap.write(7, 43);
    CHECK(one.heap.read(7) == 43);
    // And it can be attached once more.
    REQUIRE_FALSE(one.mechanism.attach(one.heap.range()));
    REQUIRE_FALSE(one.mechanism.protect(one.heap.range()));
    one.write(8);
    CHECK(one.read() == page_numbers{8});
  });
}

TEST_CASE_TEMPLATE("mechanism: a mechanism that ends leaves its memory writable", Case, MECHANISMS) {
  for (const memory_kind kind : support::every_memory_kind) {
    Case on;
    const memory heap(kind, pages);
    {
      auto mechanism = watched<Case>::open(on);
      REQUIRE_FALSE(mechanism.attach(heap.range()));
      REQUIRE_FALSE(mechanism.protect(heap.range()));
    }
    heap.touch();
    CHECK(heap.read(599) == 1);
  }
}

TEST_CASE_TEMPLATE("mechanism: moved, it goes on", Case, MECHANISMS) {
  watched<Case> one(memory_kind::small_pages);
  one.write(3);
  typename Case::mechanism moved(std::move(one.mechanism));
  one.write(4);
  REQUIRE_FALSE(moved.read(one.heap.range(), one.runs));
  CHECK(one.heap.pages_in(one.runs.runs()) == page_numbers{3, 4});
  one.mechanism = std::move(moved);
  CHECK(one.collect() == page_numbers{3, 4});
}

TEST_CASE_TEMPLATE("mechanism: two arenas are told apart", Case, support::uffd_case, support::mprotect_case,
                   support::uffd_sync_case) {
  watched<Case> one(memory_kind::small_pages);
  const memory second(memory_kind::small_pages, 8);
  REQUIRE_FALSE(one.mechanism.attach(second.range()));
  REQUIRE_FALSE(one.mechanism.protect(second.range()));
  one.write(3);
  second.write(5);
  REQUIRE_FALSE(one.mechanism.protect(second.range()));
  CHECK(one.collect() == page_numbers{3});
  REQUIRE_FALSE(one.mechanism.detach(second.range()));
  one.write(4);
  CHECK(one.collect() == page_numbers{4});
}

TEST_CASE_TEMPLATE("mechanism: opened anew, it watches again what is attached again", Case, MECHANISMS) {
  for_each_kind<Case>([](auto& one) {
    one.write(3);
    REQUIRE_FALSE(one.mechanism.reopen());
    REQUIRE_FALSE(one.mechanism.attach(one.heap.range()));
    REQUIRE_FALSE(one.mechanism.protect(one.heap.range()));
    CHECK(one.read().empty());
    one.write(4);
    CHECK(one.collect() == page_numbers{4});
  });
}

namespace {

// Things that take memory away from under a mechanism. `elsewhere` has ten pages.
struct loss {
  std::string_view name;
  void (*happens)(const memory& heap, const memory& elsewhere);
};
void unmap(const memory& heap, std::size_t first, std::size_t count) {
  REQUIRE(::munmap(heap.page(first), count * memory::page_size()) == 0);
}
void map_over(const memory& heap, std::size_t first, std::size_t count) {
  REQUIRE(::mmap(heap.page(first), count * memory::page_size(), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == heap.page(first));
}
void move_mapping(void* from, void* to) {
  const std::size_t bytes = 10 * memory::page_size();
  REQUIRE(::mremap(from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
}
const loss losses[] = {
    {"munmap", [](const memory& heap, const memory&) { unmap(heap, 100, 1); }},
    {"munmap of the first page", [](const memory& heap, const memory&) { unmap(heap, 0, 1); }},
    {"munmap of the last page", [](const memory& heap, const memory&) { unmap(heap, pages - 1, 1); }},
    {"munmap of everything", [](const memory& heap, const memory&) { unmap(heap, 0, pages); }},
    {"MAP_FIXED", [](const memory& heap, const memory&) { map_over(heap, 100, 1); }},
    {"MAP_FIXED over everything", [](const memory& heap, const memory&) { map_over(heap, 0, pages); }},
    {"munmap and mmap",
     [](const memory& heap, const memory&) {
       unmap(heap, 0, pages);
       map_over(heap, 0, pages);
     }},
    {"mremap away",
     [](const memory& heap, const memory& other) { move_mapping(heap.page(100), other.data()); }},
    {"mremap over it",
     [](const memory& heap, const memory& other) { move_mapping(other.data(), heap.page(100)); }},
};

}  // namespace

TEST_CASE_TEMPLATE("mechanism: memory taken away or replaced is an error at the next call", Case,
                   support::uffd_case, support::mprotect_case) {
  for (const loss& one_loss : losses) {
    CAPTURE(one_loss.name);
    for (const memory_kind kind : support::every_memory_kind) {
      CAPTURE(name_of(kind));
      const memory elsewhere(memory_kind::small_pages, 10);
      watched<Case> one(kind);
      one.write(3);
      one_loss.happens(one.heap, elsewhere);
      one.runs.clear();
      CHECK(one.mechanism.read(one.heap.range(), one.runs));
      CHECK(one.mechanism.read_and_protect(one.heap.range(), one.runs));
    }
  }
}

TEST_CASE_TEMPLATE("mechanism: it counts its system calls, and the pages that it protects", Case,
                   support::uffd_case, support::mprotect_case, support::uffd_sync_case) {
  watched<Case> one(memory_kind::small_pages);
  const auto before = one.mechanism.counters();
  CHECK(before.pages_protected == pages);
  for (const std::size_t page : {3, 4, 9}) one.write(page);
  one.collect();
  const auto after = one.mechanism.counters();
  CHECK(after.pages_protected == pages + 3);
  CHECK(after.system_calls > before.system_calls);
  CHECK(after.system_calls <= before.system_calls + 3);
}

TEST_CASE_TEMPLATE("mechanism: no page is lost in many random rounds", Case, MECHANISMS) {
  for_each_kind<Case>(
      [](auto& one) { CHECK(support::lost_pages(one.on, one.heap, one.mechanism, 100) == page_numbers{}); });
}

// The controls: the check above must notice each of these.
TEST_CASE_TEMPLATE("mechanism: a mechanism that drops pages is caught", Case, MECHANISMS) {
  for_each_kind<Case>([](auto& one) {
    const auto one_page = one.heap.range(17, 1);
    support::dropping drops(std::move(one.mechanism), [=](address_range page) { return page == one_page; });
    const page_numbers lost = support::lost_pages(one.on, one.heap, drops, 100);
    CHECK(lost.contains(17));
    CHECK(page_numbers(lost.size(), 17) == lost);
  });
}

namespace {

// Protects once more than it was asked to.
template <class M>
struct protects_on_reading : M {
  gcbarrier::error read_and_protect(address_range range, run_list& out) {
    if (auto why = M::protect(range)) return why;
    return M::read_and_protect(range, out);
  }
};

}  // namespace

TEST_CASE_TEMPLATE("mechanism: a mechanism that protects before it reads is caught", Case, MECHANISMS) {
  for_each_kind<Case>([](auto& one) {
    protects_on_reading<typename Case::mechanism> hasty{std::move(one.mechanism)};
    CHECK_FALSE(support::lost_pages(one.on, one.heap, hasty, 20).empty());
  });
}

TEST_CASE("mechanism: each has its name, and only the one that was asked for is opened") {
  using gcbarrier::any_mechanism;
  using gcbarrier::mechanism_kind;
  support::soft_dirty_kernel fake;
  for (const auto kind : {mechanism_kind::uffd_async, mechanism_kind::soft_dirty, mechanism_kind::mprotect}) {
    const auto opened = any_mechanism::open(
        kind, kind == mechanism_kind::soft_dirty ? fake.calls() : gcbarrier::kernel::system_calls{});
    REQUIRE(opened);
    CHECK(opened->kind() == kind);
  }
  CHECK(any_mechanism::open(static_cast<mechanism_kind>(77), {}).error().code == EINVAL);
  CHECK(std::string_view(name_of(mechanism_kind::uffd_async)) == "uffd_async");
  CHECK(std::string_view(name_of(mechanism_kind::soft_dirty)) == "soft_dirty");
  CHECK(std::string_view(name_of(mechanism_kind::mprotect)) == "mprotect");
  CHECK(std::string_view(name_of(mechanism_kind::uffd_sync)) == "uffd_sync");
  CHECK(std::string_view(name_of(static_cast<mechanism_kind>(77))) == "unknown");
}

TEST_CASE_TEMPLATE("mechanism: any_mechanism passes every call on", Case, TRACKER_MECHANISMS) {
  watched<Case> one(memory_kind::small_pages);
  gcbarrier::any_mechanism any(std::move(one.mechanism));
  CHECK(any.kind() == Case::mechanism::kind());
  REQUIRE_FALSE(any.attach(one.heap.range()));
  REQUIRE_FALSE(any.protect(one.heap.range()));
  one.write(3);
  REQUIRE_FALSE(any.read(one.heap.range(), one.runs));
  CHECK(one.heap.pages_in(one.runs.runs()) == page_numbers{3});
  REQUIRE_FALSE(any.unprotect(one.heap.range(5, 1)));
  one.runs.clear();
  REQUIRE_FALSE(any.read_and_protect(one.heap.range(), one.runs));
  CHECK(one.heap.pages_in(one.runs.runs()).contains(3));
  REQUIRE_FALSE(any.reopen());
  REQUIRE_FALSE(any.attach(one.heap.range()));
  REQUIRE_FALSE(any.detach(one.heap.range()));
  CHECK(any.counters().system_calls > 0);
}
