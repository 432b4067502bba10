// What a tracker must answer, kept beside it: the pages written since they were last in a set.
#ifndef GCBARRIER_TESTS_TRACKER_FAULTS_WRITTEN_MODEL_HPP
#define GCBARRIER_TESTS_TRACKER_FAULTS_WRITTEN_MODEL_HPP

#include <cstddef>
#include <cstdint>
#include <gcbarrier/dirty_set.hpp>
#include <gcbarrier/error.hpp>
#include <gcbarrier/kernel/system_calls.hpp>
#include <set>
#include <string>

// Owed: must be in the next set. Allowed: may be there, nobody need care.
class written_model {
 public:
  using address_range = gcbarrier::address_range;

  void add(address_range arena) {
    arenas_.insert(arena.begin);
    owe(arena);
  }
  void remove(address_range arena) {
    arenas_.erase(arena.begin);
    forget(arena);
  }
  [[nodiscard]] bool has(address_range arena) const { return arenas_.contains(arena.begin); }

  void owe(address_range range) { insert(owed_, range); }
  void retain(address_range range) { insert(retained_, range); }
  void allow(address_range range) { insert(allowed_, range); }
  void forget(address_range range) {
    for (std::set<std::uintptr_t>* pages : {&owed_, &retained_, &allowed_}) {
      pages->erase(pages->lower_bound(range.begin), pages->lower_bound(range.end));
    }
  }

  // What is wrong with the answer; empty: nothing. Narrower than owed is always wrong; wider is wrong where
  // no problem is given.
  [[nodiscard]] std::string judge(const gcbarrier::dirty_set& answer, const gcbarrier::error& problem,
                                  bool exact) {
    owed_.insert(retained_.begin(), retained_.end());
    retained_.clear();
    for (const std::uintptr_t page : owed_) {
      if (!answer.contains(reinterpret_cast<const void*>(page))) return "a page is lost";
    }
    if (problem || !exact) return "";
    for (const address_range run : answer) {
      for (std::uintptr_t page = run.begin; page < run.end; page += page_size()) {
        if (!owed_.contains(page) && !allowed_.contains(page)) return "too wide, and problem() says nothing";
      }
    }
    return "";
  }
  // After a collect() or arm(). What was retained after the last answer stays owed.
  void settle() {
    owed_.clear();
    allowed_.clear();
  }

 private:
  static std::size_t page_size() { return gcbarrier::kernel::page_size(); }
  static void insert(std::set<std::uintptr_t>& into, address_range range) {
    for (std::uintptr_t page = range.begin; page < range.end; page += page_size()) into.insert(page);
  }

  std::set<std::uintptr_t> arenas_;
  std::set<std::uintptr_t> owed_;
  std::set<std::uintptr_t> retained_;
  std::set<std::uintptr_t> allowed_;
};

#endif
