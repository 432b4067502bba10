#include "loaded_object.hpp"

#include <elf.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstring>

#include <gcbarrier/kernel/system_calls.hpp>

namespace bdwgc {

namespace {

#if defined(__x86_64__)
constexpr bool is_slot(std::uint64_t type) {
  return type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT;
}
#elif defined(__aarch64__)
constexpr bool is_slot(std::uint64_t type) {
  return type == R_AARCH64_JUMP_SLOT || type == R_AARCH64_GLOB_DAT;
}
#else
#error "the relocation types of this architecture are not known here"
#endif

const char* file_name(const char* path) {
  const char* const slash = std::strrchr(path, '/');
  return slash == nullptr ? path : slash + 1;
}

}  // namespace

bool loaded_object::find(const char* prefix) {
  struct search {
    loaded_object* into;
    const char* prefix;
  } wanted{this, prefix};
  return ::dl_iterate_phdr(
             [](dl_phdr_info* info, std::size_t /*size*/, void* data) {
               auto& [into, prefix] = *static_cast<search*>(data);
               if (std::strncmp(file_name(info->dlpi_name), prefix, std::strlen(prefix)) != 0) return 0;
               if (std::strlen(info->dlpi_name) >= sizeof into->path_) return 0;
               std::strcpy(into->path_, info->dlpi_name);
               into->base_ = info->dlpi_addr;
               const ElfW(Dyn)* dynamic = nullptr;
               for (int i = 0; i < info->dlpi_phnum; ++i) {
                 const ElfW(Phdr)& segment = info->dlpi_phdr[i];
                 if (segment.p_type == PT_DYNAMIC) {
                   dynamic = reinterpret_cast<const ElfW(Dyn)*>(info->dlpi_addr + segment.p_vaddr);
                 } else if (segment.p_type == PT_GNU_RELRO) {
                   const std::uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
                   into->read_only_ = gcbarrier::address_range{begin, begin + segment.p_memsz}.widened_to(
                       gcbarrier::kernel::page_size());
                 }
               }
               if (dynamic == nullptr) return 0;
               // glibc relocates these addresses in place; others leave them relative.
               const auto at = [&](ElfW(Addr) value) {
                 return value < info->dlpi_addr ? info->dlpi_addr + value : value;
               };
               for (; dynamic->d_tag != DT_NULL; ++dynamic) {
                 switch (dynamic->d_tag) {
                   case DT_SYMTAB:
                     into->symbols_ = reinterpret_cast<const ElfW(Sym)*>(at(dynamic->d_un.d_ptr));
                     break;
                   case DT_STRTAB:
                     into->strings_ = reinterpret_cast<const char*>(at(dynamic->d_un.d_ptr));
                     break;
                   case DT_JMPREL:
                     into->relocations_[0] = reinterpret_cast<const ElfW(Rela)*>(at(dynamic->d_un.d_ptr));
                     break;
                   case DT_PLTRELSZ:
                     into->relocation_count_[0] = dynamic->d_un.d_val / sizeof(ElfW(Rela));
                     break;
                   case DT_RELA:
                     into->relocations_[1] = reinterpret_cast<const ElfW(Rela)*>(at(dynamic->d_un.d_ptr));
                     break;
                   case DT_RELASZ:
                     into->relocation_count_[1] = dynamic->d_un.d_val / sizeof(ElfW(Rela));
                     break;
                   default:
                     break;
                 }
               }
               return into->symbols_ != nullptr && into->strings_ != nullptr ? 1 : 0;
             },
             &wanted) == 1;
}

template <class Visitor>
void loaded_object::each_slot(const char* function, Visitor visit) const {
  for (int table = 0; table < 2; ++table) {
    if (relocations_[table] == nullptr) continue;
    for (std::size_t i = 0; i < relocation_count_[table]; ++i) {
      const ElfW(Rela)& one = relocations_[table][i];
      if (!is_slot(ELF64_R_TYPE(one.r_info))) continue;
      const ElfW(Sym)& symbol = symbols_[ELF64_R_SYM(one.r_info)];
      if (std::strcmp(strings_ + symbol.st_name, function) == 0) {
        visit(reinterpret_cast<void**>(base_ + one.r_offset));
      }
    }
  }
}

bool loaded_object::calls(const char* function) const {
  bool found = false;
  each_slot(function, [&](void** /*slot*/) { found = true; });
  return found;
}

bool loaded_object::redirect(const char* function, void* replacement) const {
  bool found = false;
  bool written = true;
  each_slot(function, [&](void** slot) {
    found = true;
    const std::size_t page = gcbarrier::kernel::page_size();
    const gcbarrier::address_range around = gcbarrier::address_range(slot, sizeof *slot).widened_to(page);
    const bool guarded = read_only_.contains(around);
    void* const start = reinterpret_cast<void*>(around.begin);
    if (guarded && ::mprotect(start, around.bytes(), PROT_READ | PROT_WRITE) != 0) {
      written = false;
      return;
    }
    __atomic_store_n(slot, replacement, __ATOMIC_RELEASE);
    if (guarded) ::mprotect(start, around.bytes(), PROT_READ);
  });
  return found && written;
}

}  // namespace bdwgc
