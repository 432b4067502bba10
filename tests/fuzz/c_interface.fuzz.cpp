// The C interface on the real kernel, with whatever arguments: errors, never a crash, and no written page
// lost.
#include <gcbarrier/gcbarrier.h>
#include <sys/mman.h>

#include <array>

#include "bytes.hpp"

namespace {

constexpr std::size_t pages = 32;

class driver {
 public:
  driver(fuzz::bytes input, char* memory) : input_(input), memory_(memory), page_(gcb_page_size()) {
    gcb_options options = GCB_OPTIONS_INIT;
    options.mechanism = input_.flip() ? GCB_UFFD_ASYNC : GCB_MPROTECT;
    // Seldom, as it measures its costs when it is opened.
    if (input_.below(8) == 1) options.policy = GCB_PROTECT_WHAT_PAYS;
    gcb_error why = GCB_ERROR_INIT;
    if (gcb_open(&options, &tracker_, input_.flip() ? &why : nullptr) != 0) tracker_ = nullptr;
  }
  driver(const driver&) = delete;
  driver& operator=(const driver&) = delete;
  ~driver() { gcb_close(tracker_); }

  void run() {
    if (tracker_ == nullptr) return;
    while (!input_.empty()) step();
    collect();
  }

 private:
  // A range of the memory, often whole pages, sometimes anything at all.
  struct argument {
    char* base;
    std::size_t bytes;
  };
  argument whole_pages() {
    const std::size_t first = input_.below(pages);
    return {memory_ + first * page_, (1 + input_.below(pages - first)) * page_};
  }
  argument anything() {
    const std::size_t how = input_.below(8);
    if (how == 0) return {reinterpret_cast<char*>(input_.word()), static_cast<std::size_t>(input_.word())};
    argument one = whole_pages();
    if (how == 1) one.bytes += input_.next();
    if (how == 2) one.base += input_.next();
    if (how == 3) one.bytes = static_cast<std::size_t>(input_.word());
    return one;
  }

  void step() {
    gcb_error why = GCB_ERROR_INIT;
    if (input_.flip()) why.size = input_.below(sizeof why + 16);
    switch (input_.below(14)) {
      case 0: {
        const argument one = anything();
        // What lies outside the memory is somebody else's: let only errors happen there.
        const bool inside = one.base >= memory_ && one.base < memory_ + pages * page_ &&
                            one.bytes <= static_cast<std::size_t>(memory_ + pages * page_ - one.base);
        if (!inside && one.bytes % page_ == 0 && reinterpret_cast<std::uintptr_t>(one.base) % page_ == 0)
          break;
        if (gcb_add_arena(tracker_, one.base, one.bytes, &why) != 0) break;
        fuzz::check(inside, "an arena of nothing");
        each(one, [](page& state) { state = {.tracked = true, .must = true}; });
        break;
      }
      case 1: {
        const argument one = whole_pages();
        if (gcb_resize_arena(tracker_, one.base, one.bytes, &why) == 0) {
          fuzz::check(gcb_tracks(tracker_, one.base, one.bytes) != 0, "the new size is tracked");
        }
        learn_arenas();
        break;
      }
      case 2:
        (void)gcb_remove_arena(tracker_, anything().base, &why);
        learn_arenas();
        break;
      case 3:
      case 4:
      case 5: {
        const std::size_t index = input_.below(pages);
        memory_[index * page_ + input_.next()] = static_cast<char>(input_.next());
        pages_[index].must = pages_[index].tracked;
        break;
      }
      case 6:
        collect();
        break;
      case 7: {
        const argument one = anything();
        gcb_dirty_set set;
        gcb_peek_range(tracker_, one.base, one.bytes, &set);
        question(set);
        break;
      }
      case 8:
        gcb_arm(tracker_);
        for (page& state : pages_) state.must = false;
        break;
      case 9: {
        const argument one = anything();
        gcb_retain(tracker_, one.base, one.bytes);
        gcb_found_young(tracker_, one.base, one.bytes);
        break;
      }
      case 10: {
        const argument one = anything();
        gcb_always_dirty(tracker_, one.base, one.bytes, input_.below(3));
        break;
      }
      case 11: {
        const argument one = anything();
        (void)gcb_expect_writes(tracker_, one.base, one.bytes, &why);
        (void)gcb_collapse_cold(tracker_, input_.next(), input_.next());
        break;
      }
      case 12: {
        char text[64];
        (void)gcb_problem(tracker_, &why);
        why.size = sizeof why;
        if (why.operation != nullptr && why.advice != nullptr) {
          (void)gcb_describe(&why, text, input_.below(sizeof text));
        }
        (void)gcb_mechanism_name(input_.next() - 100);
        (void)gcb_refusal(tracker_, input_.next() - 100, &why);
        break;
      }
      default: {
        gcb_counters counters = GCB_COUNTERS_INIT;
        counters.size = input_.below(sizeof counters + 16);
        gcb_read_counters(tracker_, &counters);
      }
    }
  }

  void collect() {
    gcb_dirty_set set;
    gcb_collect(tracker_, &set);
    for (std::size_t i = 0; i < pages; ++i) {
      page& state = pages_[i];
      fuzz::check(!state.must || gcb_contains(&set, memory_ + i * page_) != 0, "a lost page");
      state.must = false;
    }
    question(set);
  }
  // Everything that can be asked about a set.
  void question(const gcb_dirty_set& set) {
    std::size_t bytes = 0;
    gcb_range run;
    std::size_t index = 0;
    for (; gcb_run(&set, index, &run) != 0; ++index) bytes += run.end - run.begin;
    fuzz::check(index == gcb_run_count(&set) && bytes == gcb_dirty_bytes(&set), "runs and sizes agree");
    fuzz::check(gcb_run(&set, index + input_.next(), &run) == 0, "no run after the last");
    const argument one = anything();
    (void)gcb_touches(&set, one.base, one.bytes);
    gcb_dirty_set part;
    gcb_between(&set, one.base, one.bytes, &part);
    (void)gcb_dirty_bytes(&part);
    const std::size_t count = input_.below(9);
    std::size_t shared = 0;
    for (std::size_t i = 0; i < count; ++i) {
      gcb_share(&set, i, count, page_, &part);
      shared += gcb_dirty_bytes(&part);
    }
    fuzz::check(count == 0 || shared == bytes, "the shares are the set");
    gcb_share(&set, input_.next(), input_.next(), std::size_t{1} << input_.below(64), &part);
  }

  struct page {
    bool tracked = false;
    bool must = false;
  };
  template <class F>
  void each(argument of, F change) {
    for (std::size_t i = 0; i < pages; ++i) {
      const char* const at = memory_ + i * page_;
      if (at >= of.base && at < of.base + of.bytes) change(pages_[i]);
    }
  }
  // After an arena has changed its size or gone.
  void learn_arenas() {
    for (std::size_t i = 0; i < pages; ++i) {
      const bool tracked = gcb_tracks(tracker_, memory_ + i * page_, page_) != 0;
      if (tracked != pages_[i].tracked) pages_[i] = {.tracked = tracked, .must = tracked};
    }
  }

  fuzz::bytes input_;
  char* memory_;
  std::size_t page_;
  gcb_tracker* tracker_ = nullptr;
  std::array<page, pages> pages_{};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::size_t bytes = pages * gcb_page_size();
  void* const memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  fuzz::check(memory != MAP_FAILED, "memory to track");
  driver({data, size}, static_cast<char*>(memory)).run();
  ::munmap(memory, bytes);
  return 0;
}
