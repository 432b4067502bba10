#include "whole_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace gccommon {
namespace {

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw cannot_write("cannot write " + path + ": " + why);
}

// A new file beside `path`, gone again unless it was put in its place.
class draft {
 public:
  explicit draft(const std::string& path) : path_(path), name_(path + ".XXXXXX") {
    if (path.empty()) refuse(path, "it has no name");
    struct stat about {};
    if (::stat(path.c_str(), &about) == 0) {
      if (S_ISDIR(about.st_mode)) refuse(path, "it is a directory");
      if (!S_ISREG(about.st_mode)) refuse(path, "it is not a regular file");
    }
    descriptor_ = ::mkostemp(name_.data(), O_CLOEXEC);
    if (descriptor_ < 0) refuse(path, std::strerror(errno));
    const mode_t mask = ::umask(0);
    ::umask(mask);
    ::fchmod(descriptor_, 0666 & ~mask);
  }
  ~draft() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!placed_) ::unlink(name_.c_str());
  }
  draft(const draft&) = delete;
  draft& operator=(const draft&) = delete;

  void write(std::string_view content) {
    while (!content.empty()) {
      const ssize_t written = ::write(descriptor_, content.data(), content.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) refuse(path_, std::strerror(errno));
      content.remove_prefix(static_cast<std::size_t>(written));
    }
  }
  void put_in_place() {
    if (::fsync(descriptor_) != 0 || std::rename(name_.c_str(), path_.c_str()) != 0) {
      refuse(path_, std::strerror(errno));
    }
    placed_ = true;
  }

 private:
  std::string path_;
  std::string name_;
  int descriptor_ = -1;
  bool placed_ = false;
};

}  // namespace

void require_writable(const std::string& path) {
  const draft trial(path);
}

void write_whole(const std::string& path, std::string_view content) {
  draft fresh(path);
  fresh.write(content);
  fresh.put_in_place();
}

}  // namespace gccommon
