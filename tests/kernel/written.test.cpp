// What marks a page as written, and what does not, for each kind of memory.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <gcbarrier/kernel/descriptor.hpp>
#include <string>
#include <support/memory.hpp>
#include <support/page_watch.hpp>
#include <vector>

namespace kernel = gcbarrier::kernel;
using support::memory;
using support::memory_kind;
using support::page_numbers;
using support::page_watch;

namespace {

kernel::descriptor open_file(const char* path, int flags) {
  kernel::descriptor opened({}, static_cast<int>(kernel::system_calls{}.open(path, flags)));
  REQUIRE(opened.number() >= 0);
  return opened;
}

struct way {
  std::string name;
  void (*act)(const memory& heap, std::size_t page);
};

const way writes[] = {
    {"a store", [](const memory& heap, std::size_t page) { heap.write(page, 77); }},
    {"a store of the same value",
     [](const memory& heap, std::size_t page) { heap.write(page, heap.read(page)); }},
    {"an atomic exchange",
     [](const memory& heap, std::size_t page) { std::atomic_ref(*heap.page(page)).exchange(5); }},
    {"a compare-and-swap that fails",
     [](const memory& heap, std::size_t page) {
       char expected = 111;
       REQUIRE_FALSE(std::atomic_ref(*heap.page(page)).compare_exchange_strong(expected, 112));
     }},
    {"memset", [](const memory& heap, std::size_t page) { std::memset(heap.page(page), 3, 4096); }},
    {"read(2)",
     [](const memory& heap, std::size_t page) {
       REQUIRE(::read(open_file("/dev/zero", O_RDONLY).number(), heap.page(page), 64) == 64);
     }},
    {"pread(2) of a file",
     [](const memory& heap, std::size_t page) {
       REQUIRE(::pread(open_file("/proc/self/exe", O_RDONLY).number(), heap.page(page), 64, 0) == 64);
     }},
    {"recv(2)",
     [](const memory& heap, std::size_t page) {
       int ends[2];
       REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
       REQUIRE(::send(ends[0], "text", 4, 0) == 4);
       CHECK(::recv(ends[1], heap.page(page), 4, 0) == 4);
       ::close(ends[0]);
       ::close(ends[1]);
     }},
    {"getrandom(2)",
     [](const memory& heap, std::size_t page) { REQUIRE(::getrandom(heap.page(page), 8, 0) == 8); }},
    {"process_vm_writev(2)",
     [](const memory& heap, std::size_t page) {
       char text[] = "text";
       const iovec from{text, 4};
       const iovec to{heap.page(page), 4};
       REQUIRE(::process_vm_writev(::getpid(), &from, 1, &to, 1, 0) == 4);
     }},
    {"/proc/self/mem",
     [](const memory& heap, std::size_t page) {
       const auto offset = static_cast<off_t>(reinterpret_cast<std::uintptr_t>(heap.page(page)));
       REQUIRE(::pwrite(open_file("/proc/self/mem", O_RDWR).number(), "text", 4, offset) == 4);
     }},
};

const way no_writes[] = {
    {"a load", [](const memory& heap, std::size_t page) { (void)heap.read(page); }},
    {"a prefetch for writing",
     [](const memory& heap, std::size_t page) { __builtin_prefetch(heap.page(page), 1, 3); }},
    {"write(2) from it",
     [](const memory& heap, std::size_t page) {
       REQUIRE(::write(open_file("/dev/null", O_WRONLY).number(), heap.page(page), 64) == 64);
     }},
};

template <class F>
void for_each_way(const auto& ways, F check) {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    const memory heap(kind, 600);
    page_watch watch(heap);
    for (const way& one : ways) {
      CAPTURE(one.name);
      // At both ends, and on both sides of a 2 MiB boundary.
      for (const std::size_t page : {std::size_t{0}, std::size_t{511}, std::size_t{512}, std::size_t{599}}) {
        one.act(heap, page);
        check(watch.collect(heap), page);
      }
    }
  }
}

}  // namespace

TEST_CASE("written: every way of writing marks the page, and no other") {
  for_each_way(writes,
               [](const page_numbers& written, std::size_t page) { CHECK(written == page_numbers{page}); });
}

TEST_CASE("written: reading and prefetching mark nothing") {
  for_each_way(no_writes, [](const page_numbers& written, std::size_t) { CHECK(written.empty()); });
}

TEST_CASE("written: a store over a page boundary marks both pages") {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    const memory heap(kind, 600);
    page_watch watch(heap);
    typedef long long vector __attribute__((vector_size(16), aligned(1)));
    *reinterpret_cast<volatile vector*>(heap.page(512) - 8) = vector{1, 2};
    CHECK(watch.collect(heap) == page_numbers{511, 512});
    typedef std::uint64_t word __attribute__((aligned(1), may_alias));
    *reinterpret_cast<volatile word*>(heap.page(3) - 1) = 1;
    CHECK(watch.collect(heap) == page_numbers{2, 3});
  }
}

TEST_CASE("written: a system call that fails half way has marked what it wrote") {
  const memory heap(memory_kind::small_pages, 4);
  page_watch watch(heap);
  REQUIRE(::mprotect(heap.page(2), 4096, PROT_READ) == 0);
  CHECK(::read(open_file("/dev/zero", O_RDONLY).number(), heap.page(1), 2 * 4096) == 4096);
  CHECK(watch.collect(heap) == page_numbers{1});
}

// ---- not seen: what always_dirty() is for ----

TEST_CASE("not written: memory changed through another mapping of the same file") {
  const memory heap(memory_kind::memfd_shared, 8);
  void* const mapped = ::mmap(nullptr, heap.bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, heap.file(), 0);
  REQUIRE(mapped != MAP_FAILED);
  page_watch watch(heap);
  static_cast<volatile char*>(mapped)[3 * 4096] = 42;
  CHECK(heap.read(3) == 42);
  CHECK(watch.collect(heap).empty());
  ::munmap(mapped, heap.bytes());
}

TEST_CASE("not written: memory changed through its file") {
  const memory heap(memory_kind::memfd_shared, 8);
  page_watch watch(heap);
  REQUIRE(::pwrite(heap.file(), "*", 1, 3 * 4096) == 1);
  CHECK(heap.read(3) == '*');
  CHECK(watch.collect(heap).empty());
}

TEST_CASE("not written: a private mapping's untouched page that changes with its file") {
  const memory heap(memory_kind::memfd_private, 8, 16);
  const void* const fresh =
      ::mmap(heap.page(8), 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, heap.file(), 8 * 4096);
  REQUIRE(fresh == heap.page(8));
  page_watch watch;
  REQUIRE_FALSE(watch.add(heap.range(8, 4)));
  REQUIRE_FALSE(watch.arm(heap.range(8, 4)));
  REQUIRE(::pwrite(heap.file(), "*", 1, 9 * 4096) == 1);
  CHECK(heap.read(9) == '*');
  const auto answer = watch.scan(watch.ask(heap.range(8, 4)));
  REQUIRE(answer);
  CHECK(answer->regions.empty());
}
