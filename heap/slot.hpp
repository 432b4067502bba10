// How the heap reads and writes its pointer slots: as its barriers do.
#ifndef GCHEAP_SLOT_HPP
#define GCHEAP_SLOT_HPP

#include <gcbarrier/barrier/slot.hpp>

namespace gcheap {

using gcbarrier::load_slot;
using gcbarrier::set_slot;

}  // namespace gcheap

#endif
