// What libgc believes are /proc/<pid>/pagemap and /proc/<pid>/clear_refs.
#ifndef GCBARRIER_BDWGC_PROC_FILES_HPP
#define GCBARRIER_BDWGC_PROC_FILES_HPP

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "dirty_pages.hpp"

namespace bdwgc {

// Descriptors that only libgc's redirected calls know: there is no file behind them, so a program that closes
// all descriptors cannot close them, and no number is taken away from it. Returns are those of the system
// calls, with errno.
class proc_files {
 public:
  explicit proc_files(dirty_pages& pages) : pages_(pages) {}

  // A descriptor if it is one of the two files of this process, else -1 and errno is untouched.
  int open(const char* path);
  // Whether the descriptor is one of these.
  [[nodiscard]] static bool has(int descriptor) { return descriptor == pagemap || descriptor == clear_refs; }
  off_t seek(int descriptor, off_t offset, int whence);
  ssize_t read(int descriptor, void* to, std::size_t bytes);
  ssize_t write(int descriptor, const void* from, std::size_t bytes);

 private:
  // Far beyond any limit on descriptors.
  static constexpr int pagemap = 0x6CBA0001;
  static constexpr int clear_refs = 0x6CBA0002;

  dirty_pages& pages_;
  off_t position_ = 0;  // in pagemap
};

}  // namespace bdwgc

#endif
