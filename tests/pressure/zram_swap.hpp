// A swap device of the test's own, in compressed memory, gone when the test is.
#ifndef GCBARRIER_TESTS_PRESSURE_ZRAM_SWAP_HPP
#define GCBARRIER_TESTS_PRESSURE_ZRAM_SWAP_HPP

#include <cstddef>
#include <string>

namespace pressure {

// The device is made and removed by a custodian: a process of its own session, with all signals blocked and
// no longer our child, that waits for the end of a pipe. So the device goes however the test ends, by SIGKILL
// or by the test driver killing the whole tree of processes too. Needs root and /sys/class/zram-control.
class zram_swap {
 public:
  explicit zram_swap(std::size_t bytes);
  zram_swap(const zram_swap&) = delete;
  zram_swap& operator=(const zram_swap&) = delete;
  ~zram_swap() { (void)remove(); }

  [[nodiscard]] bool works() const { return problem_.empty(); }
  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] int number() const { return number_; }  // of /dev/zram<number>

  // Swaps off and removes the device now. What went wrong; empty: nothing.
  std::string remove();

 private:
  int alive_ = -1;   // the custodian sees its end
  int report_ = -1;  // what the custodian says
  int number_ = -1;
  std::string problem_;
};

}  // namespace pressure

#endif
