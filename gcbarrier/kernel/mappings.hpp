// What is mapped where, from /proc/self/maps.
#ifndef GCBARRIER_KERNEL_MAPPINGS_HPP
#define GCBARRIER_KERNEL_MAPPINGS_HPP

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "../address_range.hpp"
#include "../error.hpp"
#include "../version.hpp"
#include "descriptor.hpp"
#include "system_calls.hpp"

GCBARRIER_NAMESPACE_BEGIN

namespace kernel {

struct mapping {
  address_range range;
  bool readable = false;
  bool writable = false;
  bool hugetlb = false;  // as far as the name tells
};

// Calls visit(const mapping&) for each mapping in address order, until it returns false. `maps` is a
// descriptor of /proc/self/maps. No malloc, no stdio: it may run under a collector's locks. Errors: those of
// reading the file.
template <class Visitor>
error for_each_mapping(system_calls calls, int maps, Visitor visit) {
  const auto hex = [](const char*& at) {
    std::uintptr_t value = 0;
    for (;; ++at) {
      const char c = *at;
      if (c >= '0' && c <= '9') {
        value = value * 16 + static_cast<std::uintptr_t>(c - '0');
      } else if (c >= 'a' && c <= 'f') {
        value = value * 16 + static_cast<std::uintptr_t>(c - 'a' + 10);
      } else {
        return value;
      }
    }
  };

  char text[4096 + 1];  // a line longer than this has a long path, whose rest does not matter
  std::size_t held = 0;
  std::uint64_t offset = 0;
  bool skipping = false;  // inside such a rest
  for (;;) {
    const long got = calls.read_at(maps, text + held, sizeof text - 1 - held, offset);
    if (got < 0) return {"read /proc/self/maps", static_cast<int>(-got), {}, ""};
    if (got == 0) return {};
    offset += static_cast<std::uint64_t>(got);
    held += static_cast<std::size_t>(got);
    text[held] = '\0';
    char* line = text;
    for (;;) {
      char* const newline = std::strchr(line, '\n');
      if (newline == nullptr && (line != text || held < sizeof text - 1)) break;
      if (newline != nullptr) *newline = '\0';
      if (!skipping) {
        const char* at = line;
        mapping one;
        one.range.begin = hex(at);
        if (*at == '-') ++at;
        one.range.end = hex(at);
        if (*at == ' ') ++at;
        one.readable = at[0] == 'r';
        one.writable = at[0] != '\0' && at[1] == 'w';
        one.hugetlb =
            std::strstr(at, "/anon_hugepage") != nullptr || std::strstr(at, "/dev/hugepages/") != nullptr;
        if (!visit(one)) return {};
      }
      skipping = newline == nullptr;
      line = newline == nullptr ? text + held : newline + 1;
      if (skipping) break;
    }
    held -= static_cast<std::size_t>(line - text);
    std::memmove(text, line, held);
  }
}

// Whether the whole range is mapped, readable and writable, on ordinary pages. Where /proc cannot be read it
// gives no error: the kernel's own refusals remain.
inline error check_tracked_memory(system_calls calls, address_range range) {
  error problem;
  std::uintptr_t covered = range.begin;
  const long opened = calls.open("/proc/self/maps", O_RDONLY);
  if (opened < 0) return {};
  const descriptor maps(calls, static_cast<int>(opened));
  const error unread = for_each_mapping(calls, maps.number(), [&](const mapping& one) {
    if (!one.range.overlaps(range)) return one.range.begin < range.end;
    if (one.range.begin > covered) return false;
    if (!one.readable || !one.writable) {
      problem = {"add_arena", EACCES, one.range.intersection(range),
                 "an arena must be readable and writable when added"};
      return false;
    }
    if (one.hugetlb) {
      problem = {"add_arena", ENOTSUP, one.range.intersection(range),
                 "hugetlb memory cannot be tracked safely: use ordinary pages, with madvise(MADV_HUGEPAGE) "
                 "if wanted"};
      return false;
    }
    covered = one.range.end;
    return covered < range.end;
  });
  if (unread || problem || covered >= range.end) return problem;
  return {"add_arena", ENOMEM, {covered, range.end}, "all of an arena must be mapped when it is added"};
}

}  // namespace kernel

GCBARRIER_NAMESPACE_END

#endif
