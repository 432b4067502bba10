// A file that is there as a whole or not at all.
#ifndef GCHEAP_DEMO_WHOLE_FILE_HPP
#define GCHEAP_DEMO_WHOLE_FILE_HPP

#include <string>
#include <string_view>

namespace gcheap::demo {

// Throws usage_error if the file could not be written as things are; leaves nothing behind. To be asked
// before long work whose result goes there.
void require_writable(const std::string& path);

// Writes beside it and renames, so that whatever happens the old content or the new is there. Throws
// usage_error.
void write_whole(const std::string& path, std::string_view content);

}  // namespace gcheap::demo

#endif
