// Notices, without a system call, that this process is a fork of the one that the object was made in.
#ifndef GCBARRIER_KERNEL_FORK_SENTINEL_HPP
#define GCBARRIER_KERNEL_FORK_SENTINEL_HPP

#include <cstdint>

#include "../error.hpp"
#include "../version.hpp"
#include "mapped_array.hpp"

GCBARRIER_NAMESPACE_BEGIN

namespace kernel {

// A child has the parent's descriptors, and its copy of a pagemap descriptor still names the parent's memory:
// a scan through it would take the parent's bits away. So a tracker asks here before every use. The page
// reads as zero in a child (MADV_WIPEONFORK), in a grandchild too, and whatever made it (fork, _Fork, clone
// without CLONE_VM); comparing process ids would be fooled by a recycled one.
class fork_sentinel {
 public:
  fork_sentinel() = default;
  explicit fork_sentinel(system_calls calls) : calls_(calls), page_(calls) {}

  error open() {
    if (const error why = page_.reserve(page_size() / sizeof(std::uint64_t))) return why;
    const long answer = calls_.call(SYS_madvise, page_.data(), page_size(), MADV_WIPEONFORK);
    if (answer < 0)
      return {"madvise(MADV_WIPEONFORK)", static_cast<int>(-answer), {}, "this needs Linux 4.14"};
    page_.push_back(1);
    return {};
  }
  [[nodiscard]] bool in_child() const { return page_[0] == 0; }
  // The caller has made itself at home in this process.
  void settle() { page_[0] = 1; }

 private:
  system_calls calls_;
  mapped_array<std::uint64_t> page_;
};

}  // namespace kernel

GCBARRIER_NAMESPACE_END

#endif
