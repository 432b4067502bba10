#include <doctest/doctest.h>
#include <sys/time.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <gcbarrier/page_bitmap.hpp>
#include <random>
#include <thread>
#include <vector>

using gcbarrier::address_range;
using gcbarrier::page_bitmap;

namespace {

constexpr std::uintptr_t base = 0x7000'0000'0000;
constexpr std::uintptr_t page = 4096;

page_bitmap over(std::size_t pages) {
  page_bitmap bits{gcbarrier::kernel::system_calls{}};
  REQUIRE_FALSE(bits.cover({base, base + pages * page}, page));
  bits.clear();
  return bits;
}

std::vector<bool> pages_of(const page_bitmap& bits, std::size_t pages) {
  std::vector<bool> set(pages);
  for (std::uintptr_t at = base;;) {
    const address_range run = bits.next_run(at);
    if (run.empty()) return set;
    REQUIRE(run.begin >= at);
    for (std::uintptr_t p = run.begin; p < run.end; p += page) set.at((p - base) / page) = true;
    at = run.end;
  }
}

}  // namespace

TEST_CASE("page_bitmap: set, reset, merge and next_run agree with a vector of bools") {
  std::mt19937_64 random(1);
  for (const std::size_t pages : {1, 63, 64, 65, 200, 1000}) {
    page_bitmap bits = over(pages);
    page_bitmap other = over(pages);
    std::vector<bool> model(pages);
    std::vector<bool> other_model(pages);
    CHECK(bits.empty());
    for (int step = 0; step < 300; ++step) {
      const std::size_t first = random() % pages;
      const std::size_t last = std::min(pages, first + 1 + random() % 130);
      const address_range range{base + first * page, base + last * page};
      switch (random() % 8) {
        case 0:
          bits.clear();
          model.assign(pages, false);
          break;
        case 1:
          bits.reset(range);
          std::fill(model.begin() + static_cast<long>(first), model.begin() + static_cast<long>(last), false);
          break;
        case 2:
          bits.merge(other);
          for (std::size_t i = 0; i < pages; ++i) model[i] = model[i] || other_model[i];
          break;
        case 3:
          other.clear();
          other.set(range);
          other_model.assign(pages, false);
          std::fill(other_model.begin() + static_cast<long>(first),
                    other_model.begin() + static_cast<long>(last), true);
          break;
        default:
          bits.set(range);
          std::fill(model.begin() + static_cast<long>(first), model.begin() + static_cast<long>(last), true);
      }
      REQUIRE(pages_of(bits, pages) == model);
    }
  }
}

TEST_CASE("page_bitmap: a byte marks its page, and what lies outside is ignored") {
  page_bitmap bits = over(10);
  bits.set({base + 3 * page + 7, base + 3 * page + 8});
  bits.set({base - 5 * page, base});
  bits.set({base + 10 * page, base + 20 * page});
  CHECK(bits.next_run(base) == address_range{base + 3 * page, base + 4 * page});
  CHECK(bits.next_run(base + 3 * page + 8) == address_range{base + 3 * page, base + 4 * page});
  bits.set({base + 9 * page, base + 90 * page});
  CHECK(bits.next_run(base + 4 * page) == address_range{base + 9 * page, base + 10 * page});
}

TEST_CASE("page_bitmap: growing keeps the bits, shrinking forgets those cut off") {
  page_bitmap bits = over(100);
  bits.set({base + 70 * page, base + 100 * page});
  REQUIRE_FALSE(bits.cover({base, base + 5000 * page}, page));
  CHECK(bits.next_run(base) == address_range{base + 70 * page, base + 100 * page});
  REQUIRE_FALSE(bits.cover({base, base + 80 * page}, page));
  REQUIRE_FALSE(bits.cover({base, base + 100 * page}, page));
  CHECK(bits.next_run(base) == address_range{base + 70 * page, base + 80 * page});
}

TEST_CASE("page_bitmap: several threads set bits of the same words") {
  constexpr std::size_t pages = 4096;
  page_bitmap bits = over(pages);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&bits, t] {
      for (std::size_t i = t; i < pages; i += 4) bits.set({base + i * page, base + i * page + 1});
    });
  }
  for (std::thread& one : threads) one.join();
  CHECK(bits.next_run(base) == address_range{base, base + pages * page});
}

namespace {

constexpr std::size_t far_page = 500 * 64;
page_bitmap* interrupted = nullptr;
std::atomic<bool> armed{false};
std::atomic<int> interruptions{0};

void set_far_page(int /*signal*/) {
  if (!armed.exchange(false)) return;
  interrupted->set({base + far_page * page, base + far_page * page + 1});
  ++interruptions;
}

}  // namespace

// What moves a bound must not move it back over what a signal handler has set meanwhile.
TEST_CASE("page_bitmap: a signal handler sets a bit in the midst of another call") {
  page_bitmap bits = over(1000 * 64);
  interrupted = &bits;
  interruptions = 0;
  struct sigaction before {};
  struct sigaction handler {};
  handler.sa_handler = &set_far_page;
  REQUIRE(::sigaction(SIGALRM, &handler, &before) == 0);
  const itimerval often{{0, 100}, {0, 100}};
  const itimerval never{};
  REQUIRE(::setitimer(ITIMER_REAL, &often, nullptr) == 0);
  int lost = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  while (interruptions < 300 && std::chrono::steady_clock::now() < end) {
    bits.clear();
    const int had = interruptions;
    armed = true;
    for (std::size_t word = 0; word < 400; ++word) {
      bits.set({base + 64 * word * page, base + 64 * word * page + 1});
    }
    armed = false;
    const bool expected = interruptions > had;
    lost += bits.next_run(base + far_page * page).empty() == expected ? 1 : 0;
  }
  REQUIRE(::setitimer(ITIMER_REAL, &never, nullptr) == 0);
  REQUIRE(::sigaction(SIGALRM, &before, nullptr) == 0);
  CHECK(lost == 0);
}
