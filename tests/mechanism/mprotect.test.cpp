// What is peculiar to mprotect: its handler's place among others, and the limit on mappings.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <gcbarrier/mechanism/mprotect_segv.hpp>
#include <memory>
#include <support/child.hpp>
#include <support/faked_calls.hpp>
#include <support/lost_pages.hpp>
#include <support/mechanism_cases.hpp>
#include <support/memory.hpp>
#include <thread>
#include <utility>
#include <vector>

using gcbarrier::mprotect_segv;
using gcbarrier::run_list;
using support::consecutive;
using support::exited;
using support::faked_calls;
using support::killed;
using support::memory;
using support::memory_kind;
using support::page_numbers;
using support::run_in_child;

namespace {

// Eight protected pages, and the pages written since.
struct protected_heap {
  memory heap;
  mprotect_segv mechanism;
  run_list runs;
  bool ok = false;

  explicit protected_heap(gcbarrier::kernel::system_calls calls = {}, std::size_t pages = 8,
                          memory_kind kind = memory_kind::small_pages)
      : heap(kind, pages), mechanism(open(calls)) {
    ok = !runs.reserve(pages) && !mechanism.attach(heap.range()) && !mechanism.protect(heap.range());
  }
  static mprotect_segv open(gcbarrier::kernel::system_calls calls) {
    auto opened = mprotect_segv::open(calls);
    if (!opened) std::abort();
    return std::move(*opened);
  }
  gcbarrier::error collect() {
    runs.clear();
    return mechanism.read_and_protect(heap.range(), runs);
  }
  page_numbers collected() {
    if (collect()) return {};
    return heap.pages_in(runs.runs());
  }
};

// What the handler of somebody else saw; it makes the faulting page writable, so that the store goes on.
struct {
  std::atomic<int> calls{0};
  std::atomic<std::uintptr_t> address{0};
  sigset_t mask{};
  memory* stranger = nullptr;
} seen;

void open_stranger() {
  ++seen.calls;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &seen.mask);
  ::mprotect(seen.stranger->data(), seen.stranger->bytes(), PROT_READ | PROT_WRITE);
}
void informed_handler(int /*number*/, siginfo_t* info, void* /*context*/) {
  seen.address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  open_stranger();
}
void plain_handler(int /*number*/) {
  open_stranger();
}

void install(void (*handler)(int, siginfo_t*, void*), int flags = 0, int also_blocked = 0) {
  struct sigaction action {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | flags;
  if (also_blocked != 0) ::sigaddset(&action.sa_mask, also_blocked);
  ::sigaction(SIGSEGV, &action, nullptr);
}

// Memory that is not ours to look after, read-only.
void lock_stranger(memory& stranger) {
  seen.stranger = &stranger;
  ::mprotect(stranger.data(), stranger.bytes(), PROT_READ);
}

bool handler_is_default() {
  struct sigaction now {};
  ::sigaction(SIGSEGV, nullptr, &now);
  return (now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == SIG_DFL;
}

}  // namespace

TEST_CASE("mprotect: a fault elsewhere goes to the handler that was there before") {
  CHECK(support::run_in_child([] {
          memory stranger(memory_kind::small_pages, 1);
          install(&informed_handler);
          protected_heap one;
          lock_stranger(stranger);
          one.heap.write(3);
          if (seen.calls != 0) return 1;
          stranger.write(0, 9, 77);
          if (seen.calls != 1 || seen.address != stranger.range().begin + 77) return 2;
          one.heap.write(4);
          return seen.calls == 1 && one.collected() == page_numbers{3, 4} ? 0 : 3;
        }) == exited(0));
}

TEST_CASE("mprotect: also to a handler of the plain kind") {
  CHECK(support::run_in_child([] {
          memory stranger(memory_kind::small_pages, 1);
          ::signal(SIGSEGV, &plain_handler);
          protected_heap one;
          lock_stranger(stranger);
          one.heap.write(3);
          stranger.write(0);
          return seen.calls == 1 && one.collected() == page_numbers{3} ? 0 : 1;
        }) == exited(0));
}

TEST_CASE("mprotect: the handler before runs with the signals blocked that it asked for") {
  for (const bool nested : {false, true}) {
    CAPTURE(nested);
    CHECK(support::run_in_child([=] {
            memory stranger(memory_kind::small_pages, 1);
            install(&informed_handler, nested ? SA_NODEFER : 0, SIGUSR1);
            protected_heap one;
            lock_stranger(stranger);
            stranger.write(0);
            if (::sigismember(&seen.mask, SIGUSR1) != 1) return 1;
            if (::sigismember(&seen.mask, SIGUSR2) != 0) return 2;
            if (::sigismember(&seen.mask, SIGSEGV) != (nested ? 0 : 1)) return 3;
            sigset_t now;
            ::pthread_sigmask(SIG_SETMASK, nullptr, &now);
            return ::sigismember(&now, SIGUSR1) == 0 && ::sigismember(&now, SIGSEGV) == 0 ? 0 : 4;
          }) == exited(0));
  }
}

TEST_CASE("mprotect: a signal that was sent goes to the handler before") {
  CHECK(support::run_in_child([] {
          memory stranger(memory_kind::small_pages, 1);
          install(&informed_handler);
          protected_heap one;
          seen.stranger = &stranger;
          ::raise(SIGSEGV);
          ::kill(::getpid(), SIGSEGV);
          return seen.calls == 2 ? 0 : 1;
        }) == exited(0));
}

TEST_CASE("mprotect: a real crash dies by SIGSEGV, as without us") {
  const auto crashing = [](auto crash) {
    return support::run_in_child([=] {
      ::signal(SIGSEGV, SIG_DFL);  // the sanitizers have a handler of their own
      protected_heap one;
      one.heap.write(3);
      if (!one.ok || one.collected() != page_numbers{3}) return 1;
      crash(one.heap);
      return 2;
    });
  };
  // Through a volatile, or the compiler takes it for the trap that it is.
  CHECK(crashing([](const memory&) {
          char* volatile nowhere = nullptr;
          *static_cast<volatile char*>(nowhere + 16) = 1;
        }) == killed(SIGSEGV));
  CHECK(crashing([](const memory& heap) {
          *static_cast<volatile char*>(heap.page(8) + 16) = 1;  // behind the arena
        }) == killed(SIGSEGV));
  CHECK(crashing([](const memory&) {
          const memory read_only(memory_kind::small_pages, 1);
          ::mprotect(read_only.data(), read_only.bytes(), PROT_READ);
          read_only.write(0);
        }) == killed(SIGSEGV));
  CHECK(crashing([](const memory&) { ::raise(SIGSEGV); }) == killed(SIGSEGV));
  CHECK(crashing([](const memory&) { ::kill(::getpid(), SIGSEGV); }) == killed(SIGSEGV));
}

TEST_CASE("mprotect: where the signal was ignored, one that is sent stays ignored, and a crash is a crash") {
  const auto ignoring = [](bool crash) {
    return support::run_in_child([=] {
      ::signal(SIGSEGV, SIG_IGN);
      protected_heap one;
      ::raise(SIGSEGV);
      one.heap.write(3);
      if (one.collected() != page_numbers{3}) return 1;
      if (crash) *static_cast<volatile char*>(one.heap.page(8)) = 1;
      return 0;
    });
  };
  CHECK(ignoring(false) == exited(0));
  CHECK(ignoring(true) == killed(SIGSEGV));
}

TEST_CASE("mprotect: a handler put in our place is noticed at the next protection, and chained to") {
  for (const bool collect : {true, false}) {
    CAPTURE(collect);
    CHECK(support::run_in_child([=] {
            memory stranger(memory_kind::small_pages, 1);
            protected_heap one;
            install(&informed_handler);
            if (collect ? one.collect() : one.mechanism.protect(one.heap.range())) return 1;
            one.heap.write(3);
            if (seen.calls != 0) return 2;
            lock_stranger(stranger);
            stranger.write(0);
            if (seen.calls != 1) return 3;
            return one.collected() == page_numbers{3} ? 0 : 4;
          }) == exited(0));
  }
}

TEST_CASE("mprotect: the last arena gives the signal back, unless somebody else has it by now") {
  CHECK(support::run_in_child([] {
          ::signal(SIGSEGV, SIG_DFL);
          {
            protected_heap first;
            {
              const protected_heap second;
              if (handler_is_default()) return 1;
            }
            if (handler_is_default()) return 2;
            first.heap.write(3);
          }
          if (!handler_is_default()) return 3;
          {
            const protected_heap third;
            install(&informed_handler);
          }
          struct sigaction now {};
          ::sigaction(SIGSEGV, nullptr, &now);
          return now.sa_sigaction == &informed_handler ? 0 : 4;
        }) == exited(0));
}

TEST_CASE("mprotect: errno survives a fault") {
  protected_heap one;
  errno = 77;
  one.heap.write(3);
  CHECK(errno == 77);
}

TEST_CASE("mprotect: a system call that writes into protected memory fails, and into written memory works") {
  protected_heap one;
  const gcbarrier::kernel::descriptor zero({}, ::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  CHECK(::read(zero.number(), one.heap.page(3), 8) == -1);
  CHECK(errno == EFAULT);
  CHECK(one.collected().empty());
  one.heap.write(3);
  CHECK(::read(zero.number(), one.heap.page(3), 8) == 8);
  CHECK(one.collected() == page_numbers{3});
  REQUIRE_FALSE(one.mechanism.unprotect(one.heap.range(4, 2)));
  CHECK(::read(zero.number(), one.heap.page(4), 2 * memory::page_size()) == 2 * 4096);
  CHECK(one.collected() == page_numbers{4, 5});
  CHECK_FALSE(one.mechanism.traits().sees_system_calls);
}

TEST_CASE("mprotect: several threads fault on the same pages at once") {
  constexpr std::size_t pages = 300;
  constexpr int threads = 4;
  protected_heap one({}, pages);
  for (int round = 0; round < 5; ++round) {
    std::atomic<int> waiting{threads};
    std::vector<std::thread> writers;
    for (int i = 0; i < threads; ++i) {
      writers.emplace_back([&, i] {
        for (--waiting; waiting > 0;) std::this_thread::yield();
        for (std::size_t page = 0; page < pages; ++page) {
          one.heap.write(page, static_cast<char>(i + round), static_cast<std::size_t>(i));
        }
      });
    }
    for (std::thread& writer : writers) writer.join();
    CHECK(one.collected() == consecutive(0, pages));
    for (int i = 0; i < threads; ++i)
      CHECK(one.heap.read(pages - 1, static_cast<std::size_t>(i)) == i + round);
  }
}

TEST_CASE("mprotect: what is not attached") {
  protected_heap one;
  const memory other(memory_kind::small_pages, 2);
  CHECK(one.mechanism.detach(other.range()).code == ENOENT);
  CHECK(one.mechanism.read(other.range(), one.runs).code == ENOENT);
  CHECK(one.mechanism.read_and_protect(other.range(), one.runs).code == ENOENT);
  CHECK(one.mechanism.protect(other.range()).code == ENOENT);
  CHECK(one.mechanism.unprotect(other.range()).code == ENOENT);
}

TEST_CASE("mprotect: memory that is not mapped is not attached") {
  protected_heap one;
  const memory gone(memory_kind::small_pages, 2);
  ::munmap(gone.data(), gone.bytes());
  CHECK(one.mechanism.attach(gone.range()).code == ENOMEM);
  CHECK(one.mechanism.detach(gone.range()).code == ENOENT);
}

TEST_CASE("mprotect: it takes 256 arenas, and one more when one has gone") {
  auto mechanism = protected_heap::open({});
  std::vector<std::unique_ptr<memory>> heaps;
  for (int i = 0; i < 256; ++i) {
    heaps.push_back(std::make_unique<memory>(memory_kind::untouched, 1));
    REQUIRE_FALSE(mechanism.attach(heaps.back()->range()));
  }
  const memory one_more(memory_kind::untouched, 1);
  CHECK(mechanism.attach(one_more.range()).code == ENOSPC);
  // The slots are the process's, whichever mechanism has them.
  auto another = protected_heap::open({});
  CHECK(another.attach(one_more.range()).code == ENOSPC);
  one_more.write(0);
  REQUIRE_FALSE(mechanism.detach(heaps[100]->range()));
  REQUIRE_FALSE(mechanism.attach(one_more.range()));
  REQUIRE_FALSE(mechanism.protect(one_more.range()));
  one_more.write(0);
  run_list runs;
  REQUIRE_FALSE(runs.reserve(2));
  REQUIRE_FALSE(mechanism.read(one_more.range(), runs));
  CHECK(one_more.pages_in(runs.runs()) == page_numbers{0});
}

// ---- the limit on mappings ----

TEST_CASE("mprotect: ENOMEM while protecting leaves everything writable and written") {
  for (const int succeed : {0, 1, 2}) {
    CAPTURE(succeed);
    int left = 1000;
    faked_calls fake([&](long number, faked_calls::argument_list a) -> std::optional<long> {
      if (number != SYS_mprotect || a[2] != PROT_READ || left-- > 0) return std::nullopt;
      return -ENOMEM;
    });
    protected_heap one(fake.calls());
    for (const std::size_t page : {1, 3, 5}) one.heap.write(page);
    left = succeed;
    const gcbarrier::error why = one.collect();
    CHECK(why.code == ENOMEM);
    CHECK(std::string_view(why.advice).find("max_map_count") != std::string_view::npos);
    one.runs.clear();
    REQUIRE_FALSE(one.mechanism.read(one.heap.range(), one.runs));
    CHECK(one.heap.pages_in(one.runs.runs()) == consecutive(0, 8));
    one.heap.touch();
    left = 1000;
    CHECK(one.collected() == consecutive(0, 8));
    one.heap.write(2);
    CHECK(one.collected() == page_numbers{2});
  }
}

TEST_CASE("mprotect: what has become writable before an error counts as written") {
  bool fails = false;
  faked_calls fake([&](long number, faked_calls::argument_list a) -> std::optional<long> {
    if (number == SYS_openat) return -ENOENT;  // nobody will check it against /proc
    if (number != SYS_mprotect || !fails) return std::nullopt;
    REQUIRE(faked_calls::real(number, {a[0], a[1] / 2, a[2], a[3], a[4], a[5]}) == 0);
    return -ENOMEM;
  });
  protected_heap one(fake.calls());
  fails = true;
  CHECK(one.mechanism.attach(one.heap.range()).code == ENOMEM);
  one.heap.write(2);
  fails = false;
  REQUIRE_FALSE(one.mechanism.read(one.heap.range(), one.runs));
  CHECK(one.heap.pages_in(one.runs.runs()).contains(2));
}

namespace {

const memory* written_by_handler = nullptr;

}  // namespace

TEST_CASE("mprotect: a signal handler that writes to the heap waits until the lock is free") {
  CHECK(run_in_child(
            [] {
              bool comes = false;
              faked_calls fake([&](long number, faked_calls::argument_list a) -> std::optional<long> {
                if (number == SYS_mprotect && a[2] == PROT_READ && std::exchange(comes, false))
                  ::raise(SIGUSR1);
                return std::nullopt;
              });
              protected_heap one(fake.calls());
              written_by_handler = &one.heap;
              ::signal(SIGUSR1, [](int) { written_by_handler->write(5); });
              one.heap.write(1);
              comes = true;
              if (one.collected() != page_numbers{1}) return 1;
              return one.collected() == page_numbers{5} ? 0 : 2;
            },
            std::chrono::seconds(20)) == exited(0));
}

TEST_CASE("mprotect: ENOMEM in the handler widens to the whole arena") {
  bool fails = false;
  faked_calls fake([&](long number, faked_calls::argument_list a) -> std::optional<long> {
    const bool one_page = a[1] == static_cast<long>(memory::page_size());
    return fails && number == SYS_mprotect && one_page ? std::optional<long>(-ENOMEM) : std::nullopt;
  });
  protected_heap one(fake.calls());
  fails = true;
  one.heap.write(3, 42);
  CHECK(one.heap.read(3) == 42);
  fails = false;
  CHECK(one.collected() == consecutive(0, 8));
}

TEST_CASE("mprotect: beyond the process's real limit on mappings nothing is lost") {
  std::size_t limit = 0;
  if (std::FILE* const file = std::fopen("/proc/sys/vm/max_map_count", "r")) {
    if (std::fscanf(file, "%zu", &limit) != 1) limit = 0;
    std::fclose(file);
  }
  REQUIRE(limit > 0);
  if (limit > 200000) limit = 200000;
  // Every other page written: each is a mapping of its own.
  protected_heap one({}, limit + 2000, memory_kind::untouched);
  for (std::size_t page = 0; page < one.heap.pages(); page += 2) one.heap.write(page);
  const page_numbers written = one.collected();
  bool all = true;
  for (std::size_t page = 0, at = 0; page < one.heap.pages(); page += 2) {
    while (at < written.size() && written[at] < page) ++at;
    all = all && at < written.size() && written[at] == page;
  }
  CHECK(all);
  // It did run into the limit: otherwise only every other page would be there.
  CHECK(written.size() > one.heap.pages() / 2 + 1);
  one.heap.write(5);
  CHECK(one.collected() == page_numbers{5});
}

// The control: a protection that the kernel never sees loses writes, and the checker says so. With /proc the
// mechanism finds out by itself.
TEST_CASE("mprotect: a protection that is skipped is caught") {
  for (const bool proc : {false, true}) {
    CAPTURE(proc);
    faked_calls fake([=](long number, faked_calls::argument_list a) -> std::optional<long> {
      if (number == SYS_openat && !proc) return -ENOENT;
      return number == SYS_mprotect && a[2] == PROT_READ ? std::optional<long>(0) : std::nullopt;
    });
    protected_heap one(fake.calls(), 100);
    if (proc) {
      CHECK(one.collect());
    } else {
      support::mprotect_case on;
      CHECK_FALSE(support::lost_pages(on, one.heap, one.mechanism, 5).empty());
    }
  }
}
