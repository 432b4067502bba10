// The tracker's interface, driven by the input against a kernel in which everything may go wrong. No page
// that must be in a set may be missing from it.
#include <algorithm>
#include <array>
#include <gcbarrier/gcbarrier.hpp>
#include <gcbarrier/mechanism/uffd_async.hpp>
#include <gcbarrier/policy/cost_policy.hpp>
#include <optional>

#include "bytes.hpp"
#include "fake_kernel.hpp"
#include "support/dropping.hpp"

using fuzz::bytes;
using fuzz::fake_kernel;
using gcbarrier::address_range;
using gcbarrier::basic_write_tracker;
using gcbarrier::cost_policy;
using gcbarrier::dirty_set;
using gcbarrier::protect_everything;
using gcbarrier::uffd_async;

// With this it is the fuzzer that is tested: it has to find the loss.
#ifdef GCBARRIER_FUZZ_DROPS_PAGES
using mechanism_under_test = support::dropping<uffd_async>;
#else
using mechanism_under_test = uffd_async;
#endif

namespace {

struct page_model {
  bool tracked = false;
  bool written = false;   // since it was last protected
  bool late = false;      // while the last call ran: in its set or in the next
  bool must = false;      // in the sets until the next protection, for another reason
  bool retained = false;  // in the next set
  bool always = false;
};

template <class Policy>
class driver {
 public:
  using tracker = basic_write_tracker<mechanism_under_test, Policy>;

  driver(bytes input, fake_kernel& kernel, tracker tested)
      : input_(input), kernel_(kernel), tracker_(std::move(tested)) {
    kernel_.meanwhile = [this] {
      if (racing_ && input_.below(8) == 0) write(true);
    };
  }

  void run() {
    while (!input_.empty()) step();
    kernel_.fail_nothing();
    collect(everything);
  }

 private:
  static constexpr address_range everything{fake_kernel::base,
                                            fake_kernel::base + fake_kernel::pages* fake_kernel::page};

  void step() {
    switch (input_.below(18)) {
      case 0:
      case 1:
      case 2:
        write(false);
        break;
      case 3:
      case 4:
        collect(everything);
        break;
      case 5:
        collect(some_range());
        break;
      case 6:
        racing_ = true;
        check(tracker_.peek(), everything, false);
        racing_ = false;
        break;
      case 7:
        tracker_.arm();
        each(everything, [](page_model& page) { page.written = page.must = false; });
        peeked_ = false;
        break;
      case 8:
        mark([this](address_range range) { tracker_.retain(range); },
             [](page_model& page) { page.retained = true; });
        break;
      case 9:
        mark([this](address_range range) { tracker_.always_dirty(range); },
             [](page_model& page) { page.always = true; });
        break;
      case 10:
        mark([this](address_range range) { tracker_.always_dirty(range, false); },
             [](page_model& page) { page.must |= std::exchange(page.always, false); });
        break;
      case 11:
        (void)tracker_.expect_writes(some_range());
        break;
      case 12:
        add();
        break;
      case 13:
        resize();
        break;
      case 14:
        remove();
        break;
      case 15:
        remap();
        break;
      case 16:
        lose_process();
        break;
      default:
        fail();
    }
  }

  address_range some_range() {
    const std::size_t first = input_.below(fake_kernel::pages);
    const std::size_t count = 1 + input_.below(fake_kernel::pages - first);
    return {fake_kernel::address(first), fake_kernel::address(first + count)};
  }
  template <class F>
  void each(address_range range, F change) {
    for (std::size_t i = 0; i < fake_kernel::pages; ++i) {
      if (range.contains(fake_kernel::address(i))) change(pages_[i]);
    }
  }
  template <class Tell, class Change>
  void mark(Tell tell, Change change) {
    const address_range range = some_range();
    tell(range);
    each(range, [&](page_model& page) {
      if (page.tracked) change(page);
    });
  }

  void write(bool races) {
    const std::size_t index = input_.below(fake_kernel::pages);
    if (!kernel_.mapped(index)) return;
    kernel_.write(index);
    (races ? pages_[index].late : pages_[index].written) = true;
  }

  void collect(address_range within) {
    racing_ = true;
    const dirty_set set = tracker_.collect(within);
    racing_ = false;
    check(set, within, true);
  }

  void check(const dirty_set& set, address_range within, bool protects) {
    std::uintptr_t before = 0;
    for (const address_range run : set) {
      fuzz::check(!run.empty() && run.aligned_to(fake_kernel::page), "runs are whole pages");
      fuzz::check(run.begin > before, "runs are ordered and merged");
      before = run.end;
    }
    each(everything, [this](page_model& page) {
      if (!page.tracked) return;
      page.must |= page.retained;
      if (!peeked_) page.retained = false;
    });
    for (std::size_t i = 0; i < fake_kernel::pages; ++i) {
      const page_model& page = pages_[i];
      const auto* const at = reinterpret_cast<const void*>(fake_kernel::address(i));
      if (!page.tracked || !within.contains(at)) {
        fuzz::check(!set.contains(at), "only pages of arenas that were asked about");
        continue;
      }
      fuzz::check(set.contains(at) || !(page.written || page.must || page.always), "a lost page");
    }
    if (protects) {
      protected_again(within, set);
    } else {
      each(everything, [](page_model& page) { page.written |= std::exchange(page.late, false); });
    }
    peeked_ = !protects || (peeked_ && within != everything);
  }

  // What raced with the call and is in its set is told.
  void protected_again(address_range within, const dirty_set& set) {
    for (std::size_t i = 0; i < fake_kernel::pages; ++i) {
      page_model& page = pages_[i];
      const auto* const at = reinterpret_cast<const void*>(fake_kernel::address(i));
      if (within.contains(at)) {
        page.must = false;
        page.written = page.late && !set.contains(at);
        page.retained = false;
      } else {
        page.written |= page.late;
      }
      page.late = false;
    }
  }

  // ---- arenas ----

  // Of half of the arenas, as far as there is memory. Takes no input, so that the corpus keeps its meaning.
  static std::size_t reserve_behind(address_range range) {
    return range.bytes() / fake_kernel::page % 2 == 0 ? 0
                                                      : std::min(range.bytes(), everything.end - range.end);
  }
  void add() {
    const address_range range = some_range();
    if (tracker_.add_arena(range, reserve_behind(range))) return;
    each(range, [](page_model& page) { page = {.tracked = true, .must = true}; });
    begins_[(range.begin - fake_kernel::base) / fake_kernel::page] = range.end;
  }
  // The arena that the input chooses; 0 if there is none.
  std::uintptr_t some_arena() {
    const std::size_t start = input_.below(fake_kernel::pages);
    for (std::size_t i = 0; i < fake_kernel::pages; ++i) {
      const std::size_t index = (start + i) % fake_kernel::pages;
      if (begins_[index] != 0) return fake_kernel::address(index);
    }
    return 0;
  }
  std::uintptr_t& end_of(std::uintptr_t begin) {
    return begins_[(begin - fake_kernel::base) / fake_kernel::page];
  }
  void resize() {
    const std::uintptr_t begin = some_arena();
    const std::size_t pages = 1 + input_.below(fake_kernel::pages);
    const std::uintptr_t end = begin + pages * fake_kernel::page;
    if (begin == 0 || end > everything.end) return;
    const std::uintptr_t before = end_of(begin);
    const gcbarrier::error why = tracker_.resize_arena(
        reinterpret_cast<const void*>(begin), pages * fake_kernel::page, reserve_behind({begin, end}));
    if (end <= before) {  // shorter even after an error
      each({end, before}, [](page_model& page) { page = {}; });
      end_of(begin) = end;
    } else if (!why) {
      each({before, end}, [](page_model& page) { page = {.tracked = true, .must = true}; });
      end_of(begin) = end;
    }
  }
  void remove() {
    const std::uintptr_t begin = some_arena();
    if (begin == 0) return;
    (void)tracker_.remove_arena(reinterpret_cast<const void*>(begin));
    each({begin, end_of(begin)}, [](page_model& page) { page = {}; });
    end_of(begin) = 0;
  }

  // ---- misfortunes ----

  // Memory goes, and may come back as other memory.
  void remap() {
    const address_range range = some_range();
    const bool back = input_.flip();
    for (std::size_t i = 0; i < fake_kernel::pages; ++i) {
      if (!range.contains(fake_kernel::address(i))) continue;
      kernel_.map(i, back);
      if (back) pages_[i].written = true;
    }
  }
  void lose_process() {
    const std::size_t which = input_.below(4);
    if (which == 0) {
      kernel_.fork();
      each(everything, [](page_model& page) { page.must = true; });
    } else {
      kernel_.close_behind(which, input_.flip());
    }
  }
  void fail() {
    static constexpr int codes[] = {EPERM,  EINTR,  EBADF,  EAGAIN, ENOMEM,
                                    EFAULT, EINVAL, ENOENT, ENOTTY, EMFILE};
    const std::size_t after = input_.below(8);
    const int code = codes[input_.below(std::size(codes))];
    kernel_.fail(after, code, input_.flip());
  }

  bytes input_;
  fake_kernel& kernel_;
  tracker tracker_;
  std::array<page_model, fake_kernel::pages> pages_{};
  std::array<std::uintptr_t, fake_kernel::pages>
      begins_{};  // where the arena ends that begins there; 0: none
  bool racing_ = false;
  bool peeked_ = false;
};

template <class Policy>
void drive(bytes input) {
  fake_kernel kernel;
  auto opened = uffd_async::open(kernel.calls());
  fuzz::check(static_cast<bool>(opened), "it opens");
#ifdef GCBARRIER_FUZZ_DROPS_PAGES
  unsigned count = 0;
  mechanism_under_test mechanism(std::move(*opened), [&](address_range) { return ++count % 50 == 0; });
#else
  mechanism_under_test mechanism = std::move(*opened);
#endif
  auto tracker =
      basic_write_tracker<mechanism_under_test, Policy>::over(std::move(mechanism), kernel.calls());
  fuzz::check(static_cast<bool>(tracker), "a tracker");
  driver<Policy>(input, kernel, std::move(*tracker)).run();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  bytes input(data, size);
  if (input.flip()) {
    drive<cost_policy>(input);
  } else {
    drive<protect_everything>(input);
  }
  return 0;
}
