// A mechanism may read as anything from attach() to the first protect(). After a loss the tracker attaches
// again, and what the policy knew about the arena is worth nothing.
#include <doctest/doctest.h>

#include <cerrno>
#include <cstddef>
#include <gcbarrier/policy/cost_policy.hpp>
#include <gcbarrier/write_tracker.hpp>
#include <memory>
#include <vector>

#include "support/memory.hpp"

using gcbarrier::address_range;
using gcbarrier::cost_policy;
using gcbarrier::error;
using support::memory;

namespace {

// Sees no write to a page until that was protected since it was attached.
class blind_until_protected {
 public:
  enum class page : std::uint8_t { unseen, written, closed };
  struct state {
    address_range range;
    std::vector<page> pages;
    bool fails = false;
    void write(std::size_t index) {
      if (pages[index] == page::closed) pages[index] = page::written;
    }
  };
  explicit blind_until_protected(std::shared_ptr<state> shared) : state_(std::move(shared)) {}

  [[nodiscard]] static gcbarrier::mechanism_kind kind() { return gcbarrier::mechanism_kind::uffd_async; }
  [[nodiscard]] static gcbarrier::mechanism_traits traits() {
    gcbarrier::mechanism_traits traits{};
    traits.sees_system_calls = traits.atomic_collect = true;
    return traits;
  }
  [[nodiscard]] static gcbarrier::mechanism_counters counters() { return {}; }
  error attach(address_range range) {
    state_->range = range;
    state_->pages.assign(range.bytes() / memory::page_size(), page::unseen);
    return {};
  }
  static error detach(address_range /*range*/) { return {}; }
  static error reopen() { return {}; }
  static error unprotect(address_range /*range*/) { return {}; }
  error read(address_range range, gcbarrier::run_list& out) {
    if (state_->fails) return {"read", EIO, range, ""};
    each(range, [&](std::size_t index, page now) {
      if (now == page::written) out.append(address_of(index));
    });
    return {};
  }
  error read_and_protect(address_range range, gcbarrier::run_list& out) {
    if (const error why = read(range, out)) return why;
    return protect(range);
  }
  error protect(address_range range) {
    if (state_->fails) return {"protect", EIO, range, ""};
    each(range, [&](std::size_t index, page) { state_->pages[index] = page::closed; });
    return {};
  }

 private:
  template <class F>
  void each(address_range range, F act) {
    for (std::size_t i = 0; i < state_->pages.size(); ++i) {
      if (range.contains(address_of(i))) act(i, state_->pages[i]);
    }
  }
  [[nodiscard]] address_range address_of(std::size_t index) const {
    const std::uintptr_t begin = state_->range.begin + index * memory::page_size();
    return {begin, begin + memory::page_size()};
  }
  std::shared_ptr<state> state_;
};

}  // namespace

TEST_CASE("policy, tracker: after a loss all of the arena is protected, whatever the policy knew") {
  const memory arena(support::memory_kind::small_pages, 64);
  const auto kernel = std::make_shared<blind_until_protected::state>();
  auto tracker =
      gcbarrier::basic_write_tracker<blind_until_protected, cost_policy>::over(blind_until_protected(kernel));
  REQUIRE(tracker);
  REQUIRE_FALSE(tracker->add_arena(arena.range()));
  for (int cycle = 0; cycle < 6; ++cycle) {
    tracker->arm();
    kernel->write(5);
    CHECK(tracker->peek().contains(arena.page(5)));
    tracker->found_young(arena.range(5, 1));
  }
  for (const bool stop_the_world : {true, false}) {
    kernel->fails = true;
    CHECK(tracker->peek().bytes() == arena.bytes());
    kernel->fails = false;
    if (stop_the_world) {
      CHECK(tracker->peek().bytes() == arena.bytes());
      tracker->arm();
    } else {
      CHECK(tracker->collect().bytes() == arena.bytes());
    }
    for (std::size_t page = 0; page < arena.pages(); ++page) kernel->write(page);
    CHECK(tracker->peek().bytes() == arena.bytes());
    tracker->arm();
  }
}
