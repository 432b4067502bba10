// The one seam between the library and the kernel. Tests put a handler of their own here and make calls fail.
#ifndef GCBARRIER_KERNEL_SYSTEM_CALLS_HPP
#define GCBARRIER_KERNEL_SYSTEM_CALLS_HPP

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "../version.hpp"

GCBARRIER_NAMESPACE_BEGIN

namespace kernel {

// Makes system calls by number, with the kernel's own convention: a negative errno value on failure. Never
// touches the caller's errno, so it may be used in a signal handler. A value type; copies share the handler's
// context.
class system_calls {
 public:
  using argument_list = const long (&)[6];
  using handler = long (*)(void* context, long number, argument_list arguments);

  constexpr system_calls() = default;
  constexpr system_calls(handler replacement, void* context) : handler_(replacement), context_(context) {}

  template <class... A>
  long call(long number, A... arguments) const {
    const long words[6] = {word(arguments)...};
    return handler_(context_, number, words);
  }

  long ioctl(int descriptor, unsigned long request, void* argument) const {
    return call(SYS_ioctl, descriptor, request, argument);
  }
  long open(const char* path, int flags) const { return call(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC); }
  long close(int descriptor) const { return call(SYS_close, descriptor); }
  long read(int descriptor, void* to, std::size_t bytes) const {
    return call(SYS_read, descriptor, to, bytes);
  }
  long read_at(int descriptor, void* to, std::size_t bytes, std::uint64_t offset) const {
    return call(SYS_pread64, descriptor, to, bytes, offset);
  }
  long write(int descriptor, const void* from, std::size_t bytes) const {
    return call(SYS_write, descriptor, from, bytes);
  }
  long protect(std::uintptr_t begin, std::size_t bytes, int protection) const {
    return call(SYS_mprotect, begin, bytes, protection);
  }
  // Private anonymous memory, zeroed; costs address space until it is touched. An address or a negative
  // errno.
  long map(std::size_t bytes) const {
    return call(SYS_mmap, 0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                0);
  }
  long unmap(void* base, std::size_t bytes) const { return call(SYS_munmap, base, bytes); }

  // The real thing; what a replacement calls for what it does not fake.
  static long real(void* /*context*/, long number, argument_list a) {
    const int saved = errno;
    const long answer = ::syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    const long outcome = answer == -1 ? -static_cast<long>(errno) : answer;
    errno = saved;
    return outcome;
  }

 private:
  template <class T>
  static long word(T argument) {
    if constexpr (std::is_pointer_v<T> || std::is_null_pointer_v<T>) {
      return reinterpret_cast<long>(argument);
    } else {
      return static_cast<long>(argument);
    }
  }

  handler handler_ = &real;
  void* context_ = nullptr;
};

// Whether a call's answer is a negative errno value (and not, say, an address in the upper half).
constexpr bool failed(long answer) {
  return answer < 0 && answer >= -4095;
}

inline std::size_t page_size() {
  // One in each program that includes this, all alike.
  static const auto bytes =  // NOLINT(bugprone-dynamic-static-initializers)
      static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

}  // namespace kernel

GCBARRIER_NAMESPACE_END

#endif
