// What a heap is opened with.
#ifndef GCHEAP_COLLECTOR_OPTIONS_HPP
#define GCHEAP_COLLECTOR_OPTIONS_HPP

#include <cstddef>
#include <cstdint>

namespace gcheap {

struct collector_options {
  std::size_t nursery_bytes = std::size_t{8} << 20;  // survivors included
  // How many collections an object survives in the nursery before the next promotes it, at most 15. 0: the
  // first promotes all that survives.
  unsigned promotion_age = 0;
  // Of the nursery, kept free for what survives and ages, at most half of it; what does not fit is promoted
  // early.
  std::size_t survivor_bytes = std::size_t{1} << 20;
  // The limit; memory is used as objects come to lie in it. With a hybrid barrier, of each of its two parts.
  std::size_t old_bytes = std::size_t{1} << 30;
  std::size_t first_full_bytes = std::size_t{64}
                                 << 20;  // of live old objects: when the first full collection is due
  double growth = 2.0;  // the next is due when what survived the last has grown by this factor
  // Of the pause of a full collection, so many nanoseconds at most may go into moving old memory that nobody
  // has written for long to huge pages. 0: none is moved. Only with uffd_async.
  std::uint64_t huge_page_ns = 0;
  // Objects of types that are seen to be mutated are promoted to a part of the old space of their own, so
  // that there are fewer dirty pages. It is as large as the other. Not with a hybrid barrier, which has two
  // parts already.
  bool keep_mutated_apart = false;
  // Take every word on the stack of the thread that opens the heap, and in its registers, for a pointer
  // perhaps: no roots are needed there, and what they may point to does not move.
  bool conservative_stack = false;
  // Full collections that are due go on beside the mutator, but for short pauses: concurrent_full.hpp. Costs
  // a thread. Only with a barrier that tells all memory that was written.
  bool concurrent_full = false;
  // Check every collection by walks of the whole heap: the remembered set before it, all pointers after it;
  // and marks that were set beside the mutator, by marking once more.
  bool verify = false;
  // Collect at every n-th allocation, a full collection every 16th time; 0: when it is due.
  std::size_t torture = 0;
};

}  // namespace gcheap

#endif
