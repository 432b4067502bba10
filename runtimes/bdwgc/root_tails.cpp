#include "root_tails.hpp"

#include <link.h>

#include <initializer_list>

#include <gcbarrier/kernel/system_calls.hpp>

#include "test_hooks.hpp"

namespace bdwgc {

using gcbarrier::address_range;

address_range root_tails::forgotten(address_range root) {
  const std::size_t page = gcbarrier::kernel::page_size();
  if (root.empty() || test_hooks::ignore_root_tails()) return {};
  const std::uintptr_t last = (root.end - 1) & ~(page - 1);
  const std::size_t read = (root.bytes() + page - 1) / page;
  const std::size_t touched = (last - (root.begin & ~(page - 1))) / page + 1;
  return read < touched ? address_range{last, root.end} : address_range{};
}

void root_tails::find() {
  count_ = 0;
  if (test_hooks::ignore_segment_tails()) return;
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t /*size*/, void* data) {
        auto& found = *static_cast<root_tails*>(data);
        address_range read_only;
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const ElfW(Phdr)& segment = info->dlpi_phdr[i];
          if (segment.p_type != PT_GNU_RELRO) continue;
          const std::uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
          read_only = {begin, begin + segment.p_memsz};
        }
        for (int i = 0; i < info->dlpi_phnum; ++i) {
          const ElfW(Phdr)& segment = info->dlpi_phdr[i];
          if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) == 0) continue;
          const std::uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
          const address_range whole{begin, begin + segment.p_memsz};
          const bool cut = whole.contains(read_only.begin);
          for (const address_range part : {cut ? address_range{whole.begin, read_only.begin} : whole,
                                           cut ? address_range{read_only.end, whole.end} : address_range{}}) {
            const address_range tail = forgotten(part);
            if (!tail.empty() && found.count_ < capacity) found.tails_[found.count_++] = tail;
          }
        }
        return 0;
      },
      this);
}

}  // namespace bdwgc
