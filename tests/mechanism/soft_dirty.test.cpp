// What is peculiar to soft-dirty bits, on a kernel of our own that goes wrong as told.
#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <gcbarrier/mechanism/soft_dirty.hpp>
#include <string_view>
#include <support/memory.hpp>
#include <support/soft_dirty_kernel.hpp>

using gcbarrier::run_list;
using gcbarrier::soft_dirty;
using support::memory;
using support::memory_kind;
using support::page_numbers;
using support::soft_dirty_kernel;

namespace {

struct watched {
  soft_dirty_kernel kernel;
  memory heap;
  soft_dirty mechanism;
  run_list runs;

  explicit watched(std::size_t pages) : heap(memory_kind::small_pages, pages), mechanism(open(kernel)) {
    kernel.models(heap.range());
    REQUIRE_FALSE(runs.reserve(pages));
    REQUIRE_FALSE(mechanism.protect(heap.range()));
  }
  static soft_dirty open(soft_dirty_kernel& kernel) {
    auto opened = soft_dirty::open(kernel.calls());
    REQUIRE(opened);
    return std::move(*opened);
  }
  void write(std::size_t page) { kernel.wrote(heap.page(page)); }
  page_numbers read() {
    runs.clear();
    REQUIRE_FALSE(mechanism.read(heap.range(), runs));
    return heap.pages_in(runs.runs());
  }
  int read_error() {
    runs.clear();
    return mechanism.read(heap.range(), runs).code;
  }
};

int open_error(soft_dirty_kernel& kernel) {
  const auto opened = soft_dirty::open(kernel.calls());
  return opened ? 0 : opened.error().code;
}

}  // namespace

TEST_CASE("soft_dirty: a kernel without the bits is found out by writing and looking") {
  soft_dirty_kernel without;
  without.keeps_bits = false;
  const auto opened = soft_dirty::open(without.calls());
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == ENOTSUP);
  CHECK(std::string_view(opened.error().advice).find("CONFIG_MEM_SOFT_DIRTY") != std::string_view::npos);
  CHECK(without.clearings() == 0);  // it has taken nobody else's bits away
  CHECK(without.open_files() == 0);
}

// Tells whether the running kernel has them; either answer is right.
TEST_CASE("soft_dirty: on the running kernel it works or says that it does not") {
  auto opened = soft_dirty::open({});
  if (!opened) {
    CHECK(opened.error().code == ENOTSUP);
    return;
  }
  const memory heap(memory_kind::small_pages, 8);
  run_list runs;
  REQUIRE_FALSE(runs.reserve(8));
  REQUIRE_FALSE(opened->protect(heap.range()));
  heap.write(3);
  REQUIRE_FALSE(opened->read(heap.range(), runs));
  CHECK(heap.pages_in(runs.runs()).contains(3));
}

TEST_CASE("soft_dirty: files that cannot be opened are told, and nothing stays open") {
  for (const int code : {EACCES, ENOENT, EMFILE, EPERM}) {
    soft_dirty_kernel pagemap;
    pagemap.pagemap_opens = -code;
    CHECK(open_error(pagemap) == code);
    CHECK(pagemap.open_files() == 0);
    soft_dirty_kernel clear_refs;
    clear_refs.clear_refs_opens = -code;
    CHECK(open_error(clear_refs) == code);
    CHECK(clear_refs.open_files() == 0);
  }
}

TEST_CASE("soft_dirty: it closes what it opened, also when opened anew") {
  soft_dirty_kernel kernel;
  {
    soft_dirty mechanism = watched::open(kernel);
    CHECK(kernel.open_files() == 2);
    REQUIRE_FALSE(mechanism.reopen());
    CHECK(kernel.open_files() == 2);
  }
  CHECK(kernel.open_files() == 0);
}

TEST_CASE("soft_dirty: short reads are read on") {
  for (const std::size_t longest : {8, 16, 80, 4000, 4096, 32768}) {
    CAPTURE(longest);
    watched one(9000);  // more than one read takes
    one.kernel.longest_read = longest;
    for (const std::size_t page : {0, 1, 4095, 4096, 8191, 8192, 8999}) one.write(page);
    CHECK(one.read() == page_numbers{0, 1, 4095, 4096, 8191, 8192, 8999});
  }
}

TEST_CASE("soft_dirty: a read that fails, ends early or is cut within an entry is an error") {
  watched one(16);
  one.write(3);
  for (const long answer : {-EIO, -EINTR, -EBADF, -EPERM}) {
    one.kernel.reads = answer;
    CHECK(one.read_error() == -answer);
  }
  for (const long answer : {0, 1, 7, 9, 127}) {
    one.kernel.reads = answer;
    CHECK(one.read_error() == EIO);
  }
  one.kernel.reads.reset();
  CHECK(one.read() == page_numbers{3});
}

TEST_CASE("soft_dirty: a hole is an error, though the kernel reads as clean there") {
  watched one(16);
  REQUIRE(::munmap(one.heap.page(7), memory::page_size()) == 0);
  CHECK(one.read_error() == ENOMEM);
  CHECK(one.mechanism.read_and_protect(one.heap.range(), one.runs).code == ENOMEM);
}

TEST_CASE("soft_dirty: another file of a descriptor's number is neither read nor written") {
  const int stranger = ::memfd_create("stranger", MFD_CLOEXEC);
  watched one(16);
  REQUIRE(::dup2(stranger, one.kernel.pagemap()) >= 0);
  CHECK(one.read_error() == EBADF);
  watched other(16);
  REQUIRE(::dup2(stranger, other.kernel.clear_refs()) >= 0);
  CHECK(other.mechanism.protect(other.heap.range()).code == EBADF);
  for (const int number : {stranger, one.kernel.pagemap(), other.kernel.clear_refs()}) ::close(number);
}

TEST_CASE("soft_dirty: a clearing that fails is told, by whatever asked for it") {
  for (const long answer : {-EACCES, -EINTR, -EPERM, 0, 1}) {
    CAPTURE(answer);
    watched one(16);
    one.write(3);
    one.kernel.writes = answer;
    const int expected = answer < 0 ? static_cast<int>(-answer) : EIO;
    CHECK(one.mechanism.protect(one.heap.range()).code == expected);
    one.runs.clear();
    CHECK(one.mechanism.read_and_protect(one.heap.range(), one.runs).code == expected);
    one.kernel.writes.reset();
    CHECK(one.read() == page_numbers{3});
  }
}

TEST_CASE("soft_dirty: what failed to be read is not cleared") {
  watched one(16);
  one.write(3);
  const int before = one.kernel.clearings();
  one.kernel.reads = -EIO;
  CHECK(one.mechanism.read_and_protect(one.heap.range(), one.runs).code == EIO);
  CHECK(one.kernel.clearings() == before);
}

TEST_CASE("soft_dirty: clearing one arena clears the whole process, and that is said") {
  watched one(16);
  one.write(3);
  CHECK(one.mechanism.traits().clears_whole_process);
  CHECK_FALSE(one.mechanism.traits().atomic_collect);
  const memory other(memory_kind::small_pages, 1);
  REQUIRE_FALSE(one.mechanism.protect(other.range()));
  CHECK(one.read().empty());
}
