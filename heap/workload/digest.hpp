// A checksum of a workload's result, which must not depend on the barrier or on where objects lie.
#ifndef GCHEAP_WORKLOAD_DIGEST_HPP
#define GCHEAP_WORKLOAD_DIGEST_HPP

#include <cstdint>
#include <string_view>

namespace gcheap::workload {

// FNV-1a, 64 bits.
class digest {
 public:
  void add(std::string_view text) {
    for (const char c : text) add_byte(static_cast<unsigned char>(c));
  }
  void add(std::uint64_t number) {
    for (int shift = 0; shift < 64; shift += 8) add_byte(static_cast<unsigned char>(number >> shift));
  }
  [[nodiscard]] std::uint64_t value() const { return hash_; }

 private:
  void add_byte(unsigned char byte) { hash_ = (hash_ ^ byte) * 0x100000001b3U; }

  std::uint64_t hash_ = 0xcbf29ce484222325U;
};

inline std::uint64_t hash_of(std::string_view text) {
  digest d;
  d.add(text);
  return d.value();
}

}  // namespace gcheap::workload

#endif
