#include "young_space.hpp"

#include <algorithm>
#include <utility>

namespace gcheap {

young_space::young_space(gcbarrier::address_range range, std::size_t survivor_bytes)
    : range_(range),
      survivor_bytes_(survivor_bytes),
      is_reserved_(range.bytes() / page),
      is_occupied_(range.bytes() / page) {
  share_out();
}

void* young_space::allocate_in_next_run(std::size_t bytes) {
  while (next_run(birth_, free_)) {
    if (bytes <= birth_.limit - birth_.top) return birth_.take(bytes);
  }
  return nullptr;
}

bool young_space::next_run(bump& into, run_vector& from) {
  if (from.empty()) return false;
  if (into.top != into.begin) into.filled.push_back({into.begin, into.top});
  into.begin = into.top = from.back().begin;
  into.limit = from.back().end;
  from.pop_back();
  return true;
}

young_space::run_vector young_space::runs_of(const bump& used) {
  run_vector all = used.filled;
  if (used.top != used.begin) all.push_back({used.begin, used.top});
  return all;
}

young_space::run_vector young_space::runs() const {
  run_vector all = runs_of(birth_);
  all.insert(all.end(), kept_.begin(), kept_.end());
  return all;
}

void young_space::end_evacuation(std::span<object* const> staying) {
  if (survivor_bytes_ == 0 && staying.empty()) {  // as it nearly always is where nothing ages
    kept_.clear();
    birth_ = {};
    free_.assign(1, range_);
    return;
  }
  std::fill(is_occupied_.begin(), is_occupied_.end(), 0);
  kept_ = runs_of(survivors_);
  for (const gcbarrier::address_range run : kept_) occupy(run);
  keep(staying);
  share_out();
}

// Between those that stay in a run of pages, the dead become free memory, so that the run can be gone
// through.
void young_space::keep(std::span<object* const> staying) {
  gcbarrier::address_range run;
  std::uintptr_t filled = 0;
  for (object* const o : staying) {
    const gcbarrier::address_range bytes(o, bytes_of(o));
    if (bytes.begin >= run.end) {
      if (!run.empty()) {
        make_free({filled, run.end});
        kept_.push_back(run);
      }
      run = bytes.widened_to(page);
      filled = run.begin;
    }
    run.end = bytes.widened_to(page).end;
    make_free({filled, bytes.begin});
    filled = bytes.end;
    occupy(bytes);
  }
  if (run.empty()) return;
  make_free({filled, run.end});
  kept_.push_back(run);
}

void young_space::occupy(gcbarrier::address_range bytes) {
  const gcbarrier::address_range pages = bytes.widened_to(page);
  std::fill_n(is_occupied_.begin() + static_cast<std::ptrdiff_t>((pages.begin - range_.begin) / page),
              pages.bytes() / page, 1);
}

// The lowest free pages are for births, the highest for survivors.
void young_space::share_out() {
  std::fill(is_reserved_.begin(), is_reserved_.end(), 0);
  free_.clear();
  reserved_.clear();
  birth_ = {};
  survivors_ = {};
  const auto pages = static_cast<std::size_t>(std::count(is_occupied_.begin(), is_occupied_.end(), 0));
  std::size_t to_reserve = std::min(survivor_bytes_ / page, pages / 2);
  for (std::size_t i = is_occupied_.size(); i-- > 0;) {
    if (is_occupied_[i] != 0) continue;
    const std::uintptr_t begin = range_.begin + i * page;
    run_vector& runs = to_reserve > 0 ? reserved_ : free_;
    if (to_reserve > 0) {
      is_reserved_[i] = 1;
      --to_reserve;
    }
    if (!runs.empty() && runs.back().begin == begin + page) {
      runs.back().begin = begin;
    } else {
      runs.push_back({begin, begin + page});
    }
  }
}

}  // namespace gcheap
