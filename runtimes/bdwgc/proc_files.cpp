#include "proc_files.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <gcbarrier/kernel/uapi.hpp>

namespace bdwgc {

namespace {

// The part of the path after "/proc/<this process>/", or nothing.
const char* own_proc_file(const char* path) {
  constexpr char proc[] = "/proc/";
  if (std::strncmp(path, proc, sizeof proc - 1) != 0) return nullptr;
  const char* at = path + sizeof proc - 1;
  if (std::strncmp(at, "self/", 5) == 0) return at + 5;
  long process = 0;
  for (; *at >= '0' && *at <= '9'; ++at) process = process * 10 + (*at - '0');
  return *at == '/' && process == ::getpid() ? at + 1 : nullptr;
}

}  // namespace

int proc_files::open(const char* path) {
  const char* const file = own_proc_file(path);
  if (file == nullptr) return -1;
  if (std::strcmp(file, "pagemap") == 0) {
    position_ = 0;
    pages_.forget_reading();
    return pagemap;
  }
  return std::strcmp(file, "clear_refs") == 0 ? clear_refs : -1;
}

off_t proc_files::seek(int descriptor, off_t offset, int whence) {
  if (descriptor != pagemap || whence != SEEK_SET || offset < 0) {
    errno = EINVAL;
    return -1;
  }
  return position_ = offset;
}

ssize_t proc_files::read(int descriptor, void* to, std::size_t bytes) {
  constexpr std::size_t entry = sizeof(std::uint64_t);
  if (descriptor != pagemap || static_cast<std::size_t>(position_) % entry != 0 || bytes % entry != 0) {
    errno = descriptor == pagemap ? EINVAL : EBADF;
    return -1;
  }
  pages_.read();
  pages_.answer(static_cast<std::size_t>(position_) / entry, {static_cast<std::uint64_t*>(to), bytes / entry},
                gcbarrier::kernel::uapi::pagemap_soft_dirty);
  position_ += static_cast<off_t>(bytes);
  return static_cast<ssize_t>(bytes);
}

ssize_t proc_files::write(int descriptor, const void* from, std::size_t bytes) {
  if (descriptor != clear_refs) {
    errno = EBADF;
    return -1;
  }
  // Other numbers ask for other things, which libgc never does.
  if (bytes == 0 || *static_cast<const char*>(from) != gcbarrier::kernel::uapi::clear_soft_dirty[0]) {
    errno = EINVAL;
    return -1;
  }
  pages_.clear();
  return static_cast<ssize_t>(bytes);
}

}  // namespace bdwgc
