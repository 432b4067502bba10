// Memory that the kernel writes through pages that it holds: io_uring's registered buffers.
#include <doctest/doctest.h>
#include <liburing.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <gcbarrier/gcbarrier.hpp>
#include <gcbarrier/mechanism/verify.hpp>
#include <string>

#include "support/memory.hpp"
#include "support/skip.hpp"

using gcbarrier::basic_write_tracker;
using gcbarrier::lost_page;
using gcbarrier::mechanism_kind;
using gcbarrier::uffd_async;
using gcbarrier::verify;
using gcbarrier::write_tracker;
using support::every_memory_kind;
using support::memory;
using support::memory_kind;

namespace {

// A ring that reads from a file whose bytes are all 'r'.
class ring {
 public:
  ring() : works_(::io_uring_queue_init(4, &ring_, 0) == 0), file_(::memfd_create("source", MFD_CLOEXEC)) {
    const std::string text(4096, 'r');
    REQUIRE(::write(file_, text.data(), text.size()) == 4096);
  }
  ring(const ring&) = delete;
  ring& operator=(const ring&) = delete;
  ~ring() {
    ::close(file_);
    if (works_) ::io_uring_queue_exit(&ring_);
  }

  [[nodiscard]] bool works() const { return works_; }
  // Pins the memory for writing until the ring is closed.
  [[nodiscard]] bool pin(gcbarrier::address_range range) {
    const iovec buffer{reinterpret_cast<void*>(range.begin), range.bytes()};
    return ::io_uring_register_buffers(&ring_, &buffer, 1) == 0;
  }
  void read_pinned(char* to, unsigned bytes) {
    ::io_uring_prep_read_fixed(entry(), file_, to, bytes, 0, 0);
    finish(bytes);
  }
  void read(char* to, unsigned bytes) {
    ::io_uring_prep_read(entry(), file_, to, bytes, 0);
    finish(bytes);
  }

 private:
  io_uring_sqe* entry() {
    io_uring_sqe* const one = ::io_uring_get_sqe(&ring_);
    REQUIRE(one != nullptr);
    return one;
  }
  void finish(unsigned bytes) {
    REQUIRE(::io_uring_submit(&ring_) == 1);
    io_uring_cqe* done = nullptr;
    REQUIRE(::io_uring_wait_cqe(&ring_, &done) == 0);
    CHECK(done->res == static_cast<int>(bytes));
    ::io_uring_cqe_seen(&ring_, done);
  }

  io_uring ring_{};
  bool works_;
  int file_;
};

}  // namespace

TEST_CASE("bypass: an io_uring read into a registered buffer is not seen, and always_dirty mends it") {
  for (const mechanism_kind kind : {mechanism_kind::uffd_async, mechanism_kind::mprotect}) {
    for (const memory_kind of : every_memory_kind) {
      CAPTURE(std::string(name_of(kind)));
      CAPTURE(std::string(name_of(of)));
      ring io;
      if (!io.works()) SKIP_TEST("io_uring is forbidden here");
      const memory arena(of, 16);
      auto tracker = write_tracker::open({.mechanism = kind});
      REQUIRE(tracker);
      REQUIRE_FALSE(tracker->add_arena(arena.range()));
      REQUIRE(io.pin(arena.range(4, 2)));
      tracker->arm();

      io.read_pinned(arena.page(4), 100);
      CHECK(arena.read(4, 99) == 'r');
      CHECK(tracker->collect().empty());

      tracker->always_dirty(arena.range(4, 2));
      io.read_pinned(arena.page(5), 100);
      CHECK(arena.read(5, 99) == 'r');
      CHECK(arena.pages_in(tracker->collect()) == support::page_numbers{4, 5});
      CHECK(arena.pages_in(tracker->collect()) == support::page_numbers{4, 5});
    }
  }
}

TEST_CASE("bypass: to register a buffer is a write to it, as long as nothing is armed after it") {
  ring io;
  if (!io.works()) SKIP_TEST("io_uring is forbidden here");
  const memory arena(memory_kind::small_pages, 16);
  auto tracker = write_tracker::open({.mechanism = mechanism_kind::uffd_async});
  REQUIRE(tracker);
  REQUIRE_FALSE(tracker->add_arena(arena.range()));
  tracker->arm();
  REQUIRE(io.pin(arena.range(4, 2)));
  io.read_pinned(arena.page(4), 100);
  CHECK(arena.pages_in(tracker->collect()) == support::page_numbers{4, 5});
}

TEST_CASE("bypass: an io_uring read into memory that is not registered is seen") {
  ring io;
  if (!io.works()) SKIP_TEST("io_uring is forbidden here");
  for (const memory_kind of : every_memory_kind) {
    const memory arena(of, 16);
    auto tracker = write_tracker::open({.mechanism = mechanism_kind::uffd_async});
    REQUIRE(tracker);
    REQUIRE_FALSE(tracker->add_arena(arena.range()));
    tracker->arm();
    io.read(arena.page(7), 100);
    CHECK(arena.read(7, 99) == 'r');
    CHECK(arena.pages_in(tracker->collect()) == support::consecutive(7, 1));
  }
}

TEST_CASE("bypass: the verify decorator finds memory written by pinned pages") {
  ring io;
  if (!io.works()) SKIP_TEST("io_uring is forbidden here");
  std::size_t accusations = 0;
  auto watched = verify<uffd_async>::open(
      {}, {[](void* count, const lost_page&) { ++*static_cast<std::size_t*>(count); }, &accusations});
  REQUIRE(watched);
  auto tracker = basic_write_tracker<verify<uffd_async>>::over(std::move(*watched));
  REQUIRE(tracker);
  const memory arena(memory_kind::small_pages, 16);
  REQUIRE_FALSE(tracker->add_arena(arena.range()));
  REQUIRE(io.pin(arena.range(4, 2)));
  tracker->arm();
  io.read_pinned(arena.page(4), 100);
  (void)tracker->collect();
  CHECK(accusations == 1);
  tracker->always_dirty(arena.range(4, 2));
  io.read_pinned(arena.page(5), 100);
  (void)tracker->collect();
  CHECK(accusations == 1);
}
