// A shared object that the dynamic linker has loaded, and the slots by which it calls others.
#ifndef GCBARRIER_BDWGC_LOADED_OBJECT_HPP
#define GCBARRIER_BDWGC_LOADED_OBJECT_HPP

#include <link.h>

#include <cstddef>

#include <gcbarrier/address_range.hpp>

namespace bdwgc {

// Calls out of a shared object go through slots of its global offset table, one per function, that the
// dynamic linker fills: at load, or lazily at the first call. Writing another address there redirects the
// calls of that object and of nobody else; a slot that was not bound yet stays as written, since its first
// call no longer comes to the linker.
class loaded_object {
 public:
  // The first loaded object whose file name begins with `prefix`. Returns whether there is one.
  bool find(const char* prefix);

  [[nodiscard]] const char* path() const { return path_; }

  // Whether the object calls the function through a slot.
  [[nodiscard]] bool calls(const char* function) const;

  // Makes the object call `replacement` instead. Slots in the part that is read-only after relocation are
  // made writable for a moment. Returns whether there was such a slot and every one could be written. While
  // no other thread runs code of the object.
  bool redirect(const char* function, void* replacement) const;

 private:
  template <class Visitor>
  void each_slot(const char* function, Visitor visit) const;

  char path_[4096] = "";
  std::uintptr_t base_ = 0;
  gcbarrier::address_range read_only_;  // PT_GNU_RELRO, in whole pages
  const ElfW(Sym) * symbols_ = nullptr;
  const char* strings_ = nullptr;
  const ElfW(Rela) * relocations_[2] = {nullptr, nullptr};  // the lazily bound ones, and the others
  std::size_t relocation_count_[2] = {0, 0};
};

}  // namespace bdwgc

#endif
