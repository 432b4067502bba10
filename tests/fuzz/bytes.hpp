// What a fuzz target is made of: the input, taken piece by piece, and the one way to fail.
#ifndef GCBARRIER_TESTS_FUZZ_BYTES_HPP
#define GCBARRIER_TESTS_FUZZ_BYTES_HPP

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

// Called with each input, by libFuzzer or by replay.cpp.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace fuzz {

// The input; zeros when it is used up.
class bytes {
 public:
  bytes(const std::uint8_t* data, std::size_t size) : data_(data), left_(size) {}

  [[nodiscard]] bool empty() const { return left_ == 0; }
  std::uint8_t next() {
    if (left_ == 0) return 0;
    --left_;
    return *data_++;
  }
  std::size_t below(std::size_t limit) { return next() % limit; }
  bool flip() { return (next() & 1) != 0; }
  std::uint64_t word() {
    std::uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8 | next();
    return value;
  }

 private:
  const std::uint8_t* data_;
  std::size_t left_;
};

// Not abort: libFuzzer takes an exit for a finding too, and a driver can tell it from a crash.
inline void check(bool held, const char* what) {
  if (held) return;
  std::fprintf(stderr, "fuzz: %s\n", what);
  std::exit(1);
}

}  // namespace fuzz

#endif
