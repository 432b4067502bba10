// How an object lies in memory: one header word, for variable length one more, then fields and tail.
#ifndef GCHEAP_OBJECT_HPP
#define GCHEAP_OBJECT_HPP

#include <gcbarrier/address_range.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "type.hpp"

namespace gcheap {

inline constexpr std::size_t object_alignment = 16;

// The header: the object's type and its age, or while a minor collection runs, where the object went.
class object {
 public:
  [[nodiscard]] const type& kind() const {
    return *reinterpret_cast<const type*>(word_ & ~low_bits);  // NOLINT(performance-no-int-to-ptr)
  }
  void set_kind(const type& kind) { word_ = reinterpret_cast<std::uintptr_t>(&kind); }

  [[nodiscard]] bool is_forwarded() const { return (word_ & forwarded) != 0; }
  [[nodiscard]] object* forwarding() const {
    return reinterpret_cast<object*>(word_ & ~forwarded);  // NOLINT(performance-no-int-to-ptr)
  }
  void forward_to(object* copy) { word_ = reinterpret_cast<std::uintptr_t>(copy) | forwarded; }

  // A young object that this collection does not move: pinned, or the old space has no room for it.
  [[nodiscard]] bool is_staying() const { return (word_ & staying) != 0; }
  void set_staying(bool stays) { word_ = stays ? word_ | staying : word_ & ~staying; }

  // How many collections it survived without being promoted, as far as that matters.
  static constexpr unsigned oldest_age = 15;
  [[nodiscard]] unsigned age() const { return static_cast<unsigned>(word_ / youngest & oldest_age); }
  void grow_older() { word_ += youngest; }

 private:
  static constexpr std::uintptr_t forwarded = 1;
  static constexpr std::uintptr_t staying = 2;
  static constexpr std::uintptr_t youngest = 4;  // the age 1
  static constexpr std::uintptr_t low_bits = alignof(type) - 1;

  std::uintptr_t word_;
};

struct variable_object {
  object header;
  std::size_t length;  // elements in the tail
};

// A pointer field. Read it as a T*; write it through collector::store(), or the barrier would not know. That
// is compiled for the kind of field: objects of a scattered type have scattered ones, and the two do not
// convert.
template <class T, bool Scattered>
class basic_field {
 public:
  [[nodiscard]] T* get() const { return static_cast<T*>(value_); }
  operator T*() const { return get(); }  // NOLINT(google-explicit-constructor)
  T* operator->() const { return get(); }

  [[nodiscard]] void** slot() { return &value_; }

 private:
  void* value_;
};
template <class T>
using field = basic_field<T, false>;
template <class T>
using scattered_field = basic_field<T, true>;

// Larger than any object can be: what object_bytes() says of an absurd length.
inline constexpr std::size_t impossible_bytes = std::numeric_limits<std::size_t>::max() / 2;

constexpr std::size_t object_bytes(const type& kind, std::size_t length) {
  constexpr std::size_t longest = std::size_t{1} << 44;
  if (length > longest) return impossible_bytes;
  std::size_t bytes = kind.fixed_bytes;
  if (kind.variable == tail::bytes) bytes += length;
  if (kind.variable == tail::pointers) bytes += length * sizeof(void*);
  return (bytes + object_alignment - 1) & ~(object_alignment - 1);
}

inline std::size_t length_of(const object* o) {
  return o->kind().variable == tail::none ? 0 : reinterpret_cast<const variable_object*>(o)->length;
}
inline std::size_t bytes_of(const object* o) {
  return object_bytes(o->kind(), length_of(o));
}

inline void** slot_at(object* o, std::size_t offset) {
  return reinterpret_cast<void**>(reinterpret_cast<char*>(o) + offset);
}

// What lies between young objects that stay where they are.
inline constexpr type free_memory{"free memory", sizeof(variable_object), {}, tail::bytes};

inline bool is_free(const object* o) {
  return &o->kind() == &free_memory;
}
// Makes one object of free memory of it, a multiple of object_alignment; nothing where it is empty.
inline void make_free(gcbarrier::address_range bytes) {
  if (bytes.empty()) return;
  auto* const o = reinterpret_cast<variable_object*>(bytes.begin);  // NOLINT(performance-no-int-to-ptr)
  o->header.set_kind(free_memory);
  o->length = bytes.bytes() - sizeof(variable_object);
}

// Calls f(slot) with every pointer slot of the object.
template <class F>
void each_slot(object* o, F f) {
  const type& kind = o->kind();
  for (const std::uint32_t offset : kind.pointers) f(slot_at(o, offset));
  if (kind.variable == tail::pointers) {
    void** const first = slot_at(o, kind.fixed_bytes);
    const std::size_t length = length_of(o);
    for (std::size_t i = 0; i < length; ++i) f(first + i);
  }
}

// The same with those slots only that lie in `part`.
template <class F>
void each_slot_within(object* o, gcbarrier::address_range part, F f) {
  const type& kind = o->kind();
  for (const std::uint32_t offset : kind.pointers) {
    if (part.contains(slot_at(o, offset))) f(slot_at(o, offset));
  }
  if (kind.variable == tail::pointers) {
    const auto tail_begin = reinterpret_cast<std::uintptr_t>(slot_at(o, kind.fixed_bytes));
    const gcbarrier::address_range slots =
        part.intersection({tail_begin, tail_begin + length_of(o) * sizeof(void*)});
    for (std::uintptr_t at = slots.begin; at < slots.end; at += sizeof(void*)) {
      f(reinterpret_cast<void**>(at));  // NOLINT(performance-no-int-to-ptr)
    }
  }
}

// A new object in memory of its size, which is zero but for the header then.
inline object* with_header(void* zeroed, const type& kind, std::size_t length) {
  auto* const o = static_cast<object*>(zeroed);
  o->set_kind(kind);
  if (kind.variable != tail::none) reinterpret_cast<variable_object*>(o)->length = length;
  return o;
}
inline object* initialised(void* fresh, const type& kind, std::size_t length, std::size_t bytes) {
  std::memset(fresh, 0, bytes);
  return with_header(fresh, kind, length);
}

// Whether a word of the object at this address is a pointer slot and not data that looks like one.
inline bool is_slot(const object* o, const void* address) {
  const type& kind = o->kind();
  const auto offset =
      static_cast<std::size_t>(static_cast<const char*>(address) - reinterpret_cast<const char*>(o));
  if (offset >= kind.fixed_bytes) {
    return kind.variable == tail::pointers && offset < kind.fixed_bytes + length_of(o) * sizeof(void*);
  }
  for (const std::uint32_t known : kind.pointers) {
    if (known == offset) return true;
  }
  return false;
}

// The elements of a variable-length object.
template <class T, bool Scattered = false>
basic_field<T, Scattered>* elements(variable_object* o) {
  return reinterpret_cast<basic_field<T, Scattered>*>(slot_at(&o->header, o->header.kind().fixed_bytes));
}
inline char* bytes(variable_object* o) {
  return reinterpret_cast<char*>(slot_at(&o->header, o->header.kind().fixed_bytes));
}
inline const char* bytes(const variable_object* o) {
  return reinterpret_cast<const char*>(o) + o->header.kind().fixed_bytes;
}

}  // namespace gcheap

#endif
