#include "ambiguous_roots.hpp"

#include <pthread.h>

#include <algorithm>
#include <cstddef>

namespace gcheap {

gcbarrier::error ambiguous_roots::add_this_stack() {
  pthread_attr_t attributes;
  if (const int why = ::pthread_getattr_np(::pthread_self(), &attributes)) {
    return {"pthread_getattr_np", why, {}, "without the stack's bounds it cannot be scanned"};
  }
  void* base = nullptr;
  std::size_t bytes = 0;
  const int why = ::pthread_attr_getstack(&attributes, &base, &bytes);
  ::pthread_attr_destroy(&attributes);
  if (why != 0) return {"pthread_attr_getstack", why, {}, "without the stack's bounds it cannot be scanned"};
  stack_end_ = reinterpret_cast<std::uintptr_t>(base) + bytes;
  return {};
}

void ambiguous_roots::find(const space& memory) {
  found_.clear();
  if (ranges_.empty() && stack_end_ == 0) return;
  words_.clear();
  collect_words(memory.range());
  std::sort(words_.begin(), words_.end());
  words_.erase(std::unique(words_.begin(), words_.end()), words_.end());
  find_young(memory.young);
  for (const std::uintptr_t word : words_) {
    auto* const address = reinterpret_cast<void*>(word);  // NOLINT(performance-no-int-to-ptr)
    if (memory.young.contains(address)) continue;
    object* const o = memory.map.find(address);
    if (o == nullptr || memory.is_dead(o)) continue;
    if (found_.empty() || found_.back() != o) found_.push_back(o);
  }
}

// A run is gone through up to the last word that points into it.
void ambiguous_roots::find_young(const young_space& young) {
  for (const gcbarrier::address_range run : young.runs()) {
    auto word = std::lower_bound(words_.begin(), words_.end(), run.begin);
    const auto last = std::lower_bound(word, words_.end(), run.end);
    if (word == last) continue;
    young_space::each_object_in({run.begin, *(last - 1) + 1}, [&](object* o) {
      const std::uintptr_t end = reinterpret_cast<std::uintptr_t>(o) + bytes_of(o);
      if (*word >= end) return;
      if (!is_free(o)) found_.push_back(o);
      while (word != last && *word < end) ++word;
    });
  }
}

void ambiguous_roots::collect_words(gcbarrier::address_range wanted) {
  for (const gcbarrier::address_range words : ranges_) collect_words_in(words, wanted);
  if (stack_end_ == 0) return;
  __builtin_unwind_init();  // the registers that a caller may have values in are on the stack now
  collect_stack_words(wanted);
  asm volatile("" ::: "memory");  // no tail call, or they would be gone
}

// A frame of its own, below the one with the registers.
void ambiguous_roots::collect_stack_words(gcbarrier::address_range wanted) {
  const auto top = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  collect_words_in({top, stack_end_}, wanted);
}

// Reads what a sanitizer would not have it read: between variables, and what is another thread's.
__attribute__((no_sanitize("address", "thread"))) void ambiguous_roots::collect_words_in(
    gcbarrier::address_range words, gcbarrier::address_range wanted) {
  for (std::uintptr_t at = words.begin; at + sizeof(std::uintptr_t) <= words.end;
       at += sizeof(std::uintptr_t)) {
    const std::uintptr_t word =
        *reinterpret_cast<const std::uintptr_t*>(at);  // NOLINT(performance-no-int-to-ptr)
    if (word - wanted.begin < wanted.bytes()) words_.push_back(word);
  }
}

}  // namespace gcheap
