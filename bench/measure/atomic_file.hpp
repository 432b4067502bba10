// A result file that is either complete or not there.
#ifndef GCBENCH_MEASURE_ATOMIC_FILE_HPP
#define GCBENCH_MEASURE_ATOMIC_FILE_HPP

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace gcbench {

// Writes beside the file, and takes its place at the end. Made before the measuring, so that a path that
// cannot be written is found out at once. Throws std::system_error.
class atomic_file {
 public:
  explicit atomic_file(std::string path) : path_(std::move(path)), beside_(path_ + ".XXXXXX") {
    if (path_.empty()) fail(ENOENT);
    struct stat there {};
    if (::stat(path_.c_str(), &there) == 0 && S_ISDIR(there.st_mode)) fail(EISDIR);
    file_ = ::mkostemp(beside_.data(), O_CLOEXEC);
    if (file_ < 0) fail(errno);
  }
  atomic_file(const atomic_file&) = delete;
  atomic_file& operator=(const atomic_file&) = delete;
  ~atomic_file() {
    ::close(file_);
    if (!done_) ::unlink(beside_.c_str());
  }

  void write(std::string_view text) {
    while (!text.empty()) {
      const ssize_t part = ::write(file_, text.data(), text.size());
      if (part < 0 && errno == EINTR) continue;
      if (part < 0) fail(errno);
      text.remove_prefix(static_cast<std::size_t>(part));
    }
    const mode_t mask = ::umask(0);
    ::umask(mask);
    if (::fchmod(file_, 0666 & ~mask) != 0 || ::fsync(file_) != 0 ||
        std::rename(beside_.c_str(), path_.c_str()) != 0) {
      fail(errno);
    }
    done_ = true;
  }

 private:
  [[noreturn]] void fail(int code) const {
    throw std::system_error(code, std::generic_category(), "cannot write " + path_);
  }

  std::string path_;
  std::string beside_;
  int file_ = -1;
  bool done_ = false;
};

}  // namespace gcbench

#endif
