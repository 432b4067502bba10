// Errors as values: what failed, on what, and what to do about it. No exceptions, no allocation.
#ifndef GCBARRIER_ERROR_HPP
#define GCBARRIER_ERROR_HPP

#include <cstdio>
#include <cstring>
#include <optional>
#include <utility>

#include "address_range.hpp"
#include "version.hpp"

GCBARRIER_NAMESPACE_BEGIN

struct [[nodiscard]] error {
  const char* operation = "";  // static text: the system call or library call that failed
  int code = 0;                // an errno value; 0 means that nothing failed
  address_range where;         // the memory it was about; empty where it was about none
  const char* advice = "";     // static text: what the caller or user can do

  explicit operator bool() const { return code != 0; }

  // Writes one line, NUL-terminated and cut to `size` bytes; returns the length that the whole line has.
  // Not inlined: where the compiler sees a small buffer it would warn that the line may be cut, which is
  // meant.
  [[gnu::noinline]] std::size_t describe(char* out, std::size_t size) const {
    if (code == 0) return printed(std::snprintf(out, size, "no error"));
    const char* separator = *advice != '\0' ? "; " : "";
    if (where.empty()) {
      return printed(
          std::snprintf(out, size, "%s: %s%s%s", operation, std::strerror(code), separator, advice));
    }
    return printed(std::snprintf(out, size, "%s on [%#zx, %#zx): %s%s%s", operation,
                                 static_cast<std::size_t>(where.begin), static_cast<std::size_t>(where.end),
                                 std::strerror(code), separator, advice));
  }

 private:
  static std::size_t printed(int length) { return length < 0 ? 0 : static_cast<std::size_t>(length); }
};

// Either a value or the error that prevented it.
template <class T>
class [[nodiscard]] result {
 public:
  result(T value) : value_(std::move(value)) {}  // NOLINT(google-explicit-constructor)
  result(gcbarrier::error why) : error_(why) {}  // NOLINT(google-explicit-constructor)

  explicit operator bool() const { return value_.has_value(); }
  // Only where there is a value.
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }
  // Only where there is none.
  [[nodiscard]] const gcbarrier::error& error() const { return error_; }

 private:
  std::optional<T> value_;
  gcbarrier::error error_;
};

GCBARRIER_NAMESPACE_END

#endif
