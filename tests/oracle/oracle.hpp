// A model-based random test: a tracker is driven in every way that the library allows, beside a copy of the
// tracked memory. Every page that differs from the copy must be in the set.
#ifndef GCBARRIER_TESTS_ORACLE_ORACLE_HPP
#define GCBARRIER_TESTS_ORACLE_ORACLE_HPP

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <gcbarrier/gcbarrier.hpp>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "support/child.hpp"
#include "support/memory.hpp"
#include "ways_of_writing.hpp"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

namespace oracle {

// The numbers of Linux 6.13; what an older kernel does not know it refuses, and nothing happens.
inline constexpr int madv_guard_install = 102;
inline constexpr int madv_guard_remove = 103;

struct plan {
  std::uint64_t seed = 1;
  std::uint64_t cycles = 1000;
  std::uint64_t writes = 100'000;  // in all
};

struct outcome {
  std::uint64_t cycles = 0;
  std::uint64_t writes = 0;
  std::uint64_t pages_reported = 0;
  std::uint64_t pages_needed = 0;
  std::uint64_t pages_tracked = 0;  // summed over the sets
  std::string lost;                 // which page was not in the set; empty: none
};

// Some pages of an arena, and what the model knows of them.
struct page_model {
  bool must = false;      // in the sets until the next protection, whatever it holds
  bool retained = false;  // in the next set
  bool always = false;
  bool dropped = false;  // its contents were given up: it may be zero any time (MADV_FREE), unseen
  const char* last = "nothing";
};

struct model_arena {
  std::shared_ptr<support::memory> memory;
  std::size_t first = 0;     // page of the memory
  std::size_t capacity = 0;  // pages of the memory
  std::vector<page_model> pages;
  std::vector<char> copy;  // of the contents when they were last protected
  char* alias = nullptr;   // another mapping of the whole capacity of a shared memfd

  [[nodiscard]] char* page(std::size_t index) const { return memory->page(first + index); }
  [[nodiscard]] gcbarrier::address_range range() const { return memory->range(first, pages.size()); }
};

template <gcbarrier::mechanism Mechanism, gcbarrier::arming_policy Policy = gcbarrier::protect_everything>
class trial {
 public:
  using tracker = gcbarrier::basic_write_tracker<Mechanism, Policy>;

  // `with_swap`: pages are pushed out as well, to whatever swap there is.
  trial(tracker& tested, const plan& todo, bool with_swap = false)
      : tracker_(tested), plan_(todo), random_(todo.seed), with_swap_(with_swap) {}

  // Stops at the first lost page, or at an error where none is due.
  outcome run() {
    for (int i = 0; i < 4; ++i) add_arena();
    const std::uint64_t mean =
        std::max<std::uint64_t>(1, plan_.writes / std::max<std::uint64_t>(1, plan_.cycles));
    for (; result_.lost.empty() && (result_.cycles < plan_.cycles || result_.writes < plan_.writes);
         ++result_.cycles) {
      for (std::uint64_t left = below(2 * mean + 1); left > 0; --left) write();
      if (below(2) == 0) disturb();
      if (below(3) == 0) announce();
      if (below(16) == 0) rearrange();
      if (below(256) == 0) fork_off();
      collect();
    }
    while (!arenas_.empty()) remove_arena(0);
    return result_;
  }

 private:
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  static constexpr std::size_t page_bytes = 4096;

  // A random arena, and a run of up to `most` of its pages.
  struct place {
    model_arena* arena;
    std::size_t first;
    std::size_t count;

    [[nodiscard]] gcbarrier::address_range range() const { return {arena->page(first), count * page_bytes}; }
  };
  place some_place(std::size_t most) {
    model_arena& arena = arenas_[below(arenas_.size())];
    const std::size_t first = below(arena.pages.size());
    return {&arena, first, 1 + below(std::min(most, arena.pages.size() - first))};
  }
  template <class F>
  static void each_page(const place& of, F change) {
    for (std::size_t i = 0; i < of.count; ++i) change(of.arena->pages[of.first + i]);
  }
  void expect(const gcbarrier::error& why) {
    if (!why || !result_.lost.empty()) return;
    char text[256];
    why.describe(text, sizeof text);
    result_.lost = std::string("unexpected error: ") + text;
  }

  // ---- arenas ----

  void add_arena() {
    using support::memory_kind;
    const memory_kind kind = support::every_memory_kind[below(std::size(support::every_memory_kind))];
    const std::size_t pages = kind == memory_kind::huge_pages ? 512 + below(64) : 2 + below(200);
    const std::size_t capacity = pages + 200;
    auto memory = std::make_shared<support::memory>(kind, pages, capacity);
    // Two arenas side by side in one mapping, now and then, or one with a reserve.
    const std::uint64_t choice = below(3);
    const std::size_t split = choice != 0 ? 1 + below(pages - 1) : pages;
    track({memory, 0, capacity, {}, {}}, split, choice == 2 ? pages - split : 0);
    if (choice == 1) track({memory, split, capacity, {}, {}}, pages - split);
  }
  void track(model_arena arena, std::size_t pages, std::size_t reserve = 0) {
    if (arena.memory->kind() == support::memory_kind::memfd_shared) {
      void* const alias = ::mmap(nullptr, arena.capacity * page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                                 arena.memory->file(), 0);
      if (alias != MAP_FAILED) arena.alias = static_cast<char*>(alias);
    }
    arenas_.push_back(std::move(arena));
    resize_model(arenas_.back(), pages);
    expect(tracker_.add_arena(arenas_.back().range(), reserve * page_bytes));
  }
  void resize_model(model_arena& arena, std::size_t pages) {
    const std::size_t before = arena.pages.size();
    arena.pages.resize(pages);
    arena.copy.resize(pages * page_bytes);
    for (std::size_t i = before; i < pages; ++i) arena.pages[i].must = true;
  }
  void remove_arena(std::size_t index) {
    expect(tracker_.remove_arena(arenas_[index].page(0)));
    if (arenas_[index].alias != nullptr) {
      ::munmap(arenas_[index].alias, arenas_[index].capacity * page_bytes);
    }
    arenas_.erase(arenas_.begin() + static_cast<std::ptrdiff_t>(index));
  }
  void rearrange() {
    const std::size_t index = below(arenas_.size());
    model_arena& arena = arenas_[index];
    const std::uint64_t choice = below(4);
    const std::size_t amount = 1 + below(40);
    const bool alone = arena.memory.use_count() == 1;
    if (choice == 0 && arenas_.size() > 2) {
      remove_arena(index);
    } else if (choice == 1 && arenas_.size() < 7) {
      add_arena();
    } else if (choice == 2 && arena.pages.size() > amount) {
      expect(tracker_.resize_arena(arena.page(0), (arena.pages.size() - amount) * page_bytes));
      resize_model(arena, arena.pages.size() - amount);
    } else if (choice == 3 && alone && arena.first + arena.pages.size() + amount <= arena.capacity) {
      const std::size_t pages = arena.pages.size() + amount;
      if (arena.first + pages > arena.memory->pages()) arena.memory->grow(arena.first + pages);
      expect(tracker_.resize_arena(arena.page(0), pages * page_bytes));
      resize_model(arena, pages);
    }
  }

  // ---- writes ----

  void write() {
    ++result_.writes;
    if (below(20) == 0 && write_behind()) return;
    way how = static_cast<way>(below(way_count));
    // A thread costs as much as a hundred other writes. ThreadSanitizer allows none in a forked child.
    if (how == way::other_thread && (below(20) != 0 || in_child_)) how = way::store_8;
    const place where = some_place(4);
    const std::uint64_t dice = random_();
    const std::size_t start = where_to_start(where, dice);
    const std::size_t room = where.count * page_bytes - start;
    const std::span<char> target(where.arena->page(where.first) + start,
                                 std::min({room, hand::longest, std::size_t{64} + below(2 * page_bytes)}));
    if (!hand_->can(how)) return;
    if (is_system_call(how) && !tracker_.traits().sees_system_calls) {
      // What such a mechanism asks for before the kernel writes.
      expect(tracker_.expect_writes(where.range()));
    }
    hand_->write(how, target, dice);
    each_page(where, [how](page_model& page) { page.last = name_of(how); });
  }
  // An offset in the first page of the run, often so that the write crosses into the next.
  static std::size_t where_to_start(const place& where, std::uint64_t dice) {
    if (where.count > 1 && dice % 3 == 0) return page_bytes - 1 - dice % 31;
    return dice % (page_bytes - 64);
  }

  // Through another mapping, where the tracker was told of it.
  bool write_behind() {
    const place where = some_place(1);
    const std::uint64_t dice = random_();
    page_model& page = where.arena->pages[where.first];
    if (!page.always || where.arena->alias == nullptr) return false;
    const std::size_t offset = (where.arena->first + where.first) * page_bytes + dice % (page_bytes - 8);
    if (dice % 2 == 0) {
      std::memcpy(where.arena->alias + offset, &dice, sizeof dice);
    } else if (::pwrite(where.arena->memory->file(), &dice, sizeof dice, static_cast<off_t>(offset)) !=
               sizeof dice) {
      result_.lost = "pwrite to a memfd failed";
    }
    page.last = "a write through another mapping";
    return true;
  }

  // ---- the interface ----

  void announce() {
    const place where = some_place(24);
    if constexpr (Policy::selects) tracker_.found_young(where.range());
    switch (below(4)) {
      case 0:
        tracker_.retain(where.range());
        each_page(where, [](page_model& page) { page.retained = true; });
        break;
      case 1:
        tracker_.always_dirty(where.range());
        each_page(where, [](page_model& page) { page.always = true; });
        break;
      case 2:
        tracker_.always_dirty(where.range(), false);
        each_page(where, [](page_model& page) { page.must |= std::exchange(page.always, false); });
        break;
      default:
        expect(tracker_.expect_writes(where.range()));
    }
  }

  void collect() {
    if (below(3) != 0) {
      check(tracker_.collect());
      expect(tracker_.problem());
      protected_again();
    } else {
      for (std::uint64_t peeks = 1 + below(2); peeks > 0; --peeks) {
        check(tracker_.peek());
        expect(tracker_.problem());
        peeked_ = true;
        // Between two looks a mutator may still run.
        if (peeks > 1) {
          write();
          announce();
        }
      }
      // The collector's own writes, and what it found to keep.
      for (std::uint64_t left = below(8); left > 0; --left) write();
      if (below(2) == 0) announce();
      tracker_.arm();
      expect(tracker_.problem());
      protected_again();
    }
  }
  void protected_again() {
    peeked_ = false;
    for (model_arena& arena : arenas_) {
      for (page_model& page : arena.pages) {
        page.must = false;
        page.last = "nothing";
      }
      std::memcpy(arena.copy.data(), arena.page(0), arena.copy.size());
    }
  }

  void check(const gcbarrier::dirty_set& set) {
    for (model_arena& arena : arenas_) {
      std::vector<bool> reported(arena.pages.size());
      for (const gcbarrier::address_range part : set.between(arena.range().begin, arena.range().end)) {
        for (std::uintptr_t at = part.begin; at < part.end; at += page_bytes) {
          reported[(at - arena.range().begin) / page_bytes] = true;
        }
        result_.pages_reported += part.bytes() / page_bytes;
      }
      for (std::size_t i = 0; i < arena.pages.size(); ++i) {
        page_model& page = arena.pages[i];
        page.must |= page.retained;
        // What is retained after a peek is for the first set after the arming.
        if (!peeked_) page.retained = false;
        const bool needed = page.must || page.always || changed(arena, i);
        result_.pages_needed += needed ? 1 : 0;
        if (needed && !reported[i] && result_.lost.empty()) blame(arena, i);
      }
      result_.pages_tracked += arena.pages.size();
    }
  }
  static bool changed(const model_arena& arena, std::size_t index) {
    const char* const now = arena.page(index);
    if (std::memcmp(now, arena.copy.data() + index * page_bytes, page_bytes) == 0) return false;
    return !arena.pages[index].dropped || std::any_of(now, now + page_bytes, [](char c) { return c != 0; });
  }
  void blame(const model_arena& arena, std::size_t index) {
    const page_model& page = arena.pages[index];
    char text[512];
    const std::string kind(support::name_of(arena.memory->kind()));
    std::snprintf(text, sizeof text,
                  "cycle %llu: page %zu of %zu (%s) is not in the set; must=%d always=%d, last touched by %s",
                  static_cast<unsigned long long>(result_.cycles), index, arena.pages.size(), kind.c_str(),
                  page.must, page.always, page.last);
    result_.lost = text;
  }

  // ---- what else happens to memory ----

  void disturb() {
    struct disturbance {
      const char* name;
      int advice;
      bool drops;  // the contents become zero
    };
    static constexpr disturbance known[] = {
        {"MADV_DONTNEED", MADV_DONTNEED, true},
        {"MADV_FREE", MADV_FREE, true},
        {"MADV_REMOVE", MADV_REMOVE, true},
        {"a guard", madv_guard_install, true},
        {"MADV_COLD", MADV_COLD, false},
        {"MADV_PAGEOUT", MADV_PAGEOUT, false},
        {"MADV_POPULATE_READ", MADV_POPULATE_READ, false},
        {"MADV_POPULATE_WRITE", MADV_POPULATE_WRITE, false},
        {"MADV_HUGEPAGE", MADV_HUGEPAGE, false},
        {"MADV_NOHUGEPAGE", MADV_NOHUGEPAGE, false},
        {"MADV_COLLAPSE", MADV_COLLAPSE, false},
    };
    const place where = some_place(600);
    const std::uint64_t choice = below(std::size(known) + 3 + (with_swap_ ? 20 : 0));
    const gcbarrier::address_range range = where.range();
    void* const at = reinterpret_cast<void*>(range.begin);
    if (choice == std::size(known)) {
      ::mlock(at, range.bytes());
      ::munlock(at, range.bytes());
    } else if (choice == std::size(known) + 1 || choice == std::size(known) + 2) {
      // Protections belong to the mechanism where it works by them.
      if (tracker_.kind() == gcbarrier::mechanism_kind::mprotect) return;
      ::mprotect(at, range.bytes(), choice == std::size(known) + 1 ? PROT_READ : PROT_NONE);
      ::mprotect(at, range.bytes(), PROT_READ | PROT_WRITE);
    } else {
      const disturbance& one = choice < std::size(known) ? known[choice] : known[5];
      // Linux 6.18 never returns from this one over protected pages of a file: it drops the page, what stays
      // is the protection's marker, and that it takes for a page that came back.
      if (one.advice == madv_guard_install && where.arena->memory->file() >= 0) return;
      const bool done = ::madvise(at, range.bytes(), one.advice) == 0;
      if (one.advice == madv_guard_install) ::madvise(at, range.bytes(), madv_guard_remove);
      // To give up contents is no write. Signals do not see it, and pages of a file stay protected when they
      // are dropped from a mapping or from the file.
      const bool unseen =
          tracker_.kind() == gcbarrier::mechanism_kind::mprotect || where.arena->memory->file() >= 0;
      if (done && one.drops) {
        each_page(where, [&](page_model& page) {
          page.dropped |= unseen;
          page.last = one.name;
        });
      }
    }
  }

  // The child's first set is everything and its second is exact; the parent goes on undisturbed.
  void fork_off() {
    const std::uint64_t dice = random_();
    const support::child_outcome child = support::run_in_child([this, dice] {
      random_.seed(dice);
      in_child_ = true;
      hand_ = std::make_unique<hand>();
      // What parent and child share, neither sees the other write.
      for (std::size_t i = arenas_.size(); i-- > 0;) {
        if (arenas_[i].memory->kind() == support::memory_kind::memfd_shared) remove_arena(i);
      }
      if (arenas_.empty()) return 0;
      for (model_arena& arena : arenas_) {
        for (page_model& page : arena.pages) page.must = true;
      }
      for (int set = 0; set < 3; ++set) {
        for (int i = 0; i < 20; ++i) write();
        check(tracker_.collect());
        protected_again();
      }
      if (!result_.lost.empty()) std::fprintf(stderr, "in a forked child: %s\n", result_.lost.c_str());
      return result_.lost.empty() ? 0 : 1;
    });
    if (child != support::exited(0) && result_.lost.empty()) {
      result_.lost = "a forked child lost a page (seen at cycle " + std::to_string(result_.cycles) + ")";
    }
  }

  tracker& tracker_;
  plan plan_;
  std::mt19937_64 random_;
  bool with_swap_;
  std::unique_ptr<hand> hand_ = std::make_unique<hand>();
  std::vector<model_arena> arenas_;
  bool in_child_ = false;
  bool peeked_ = false;  // since the last protection
  outcome result_;
};

}  // namespace oracle

#endif
