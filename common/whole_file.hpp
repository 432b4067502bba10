// A file that is there as a whole or not at all: what the programs leave behind.
#ifndef GCCOMMON_WHOLE_FILE_HPP
#define GCCOMMON_WHOLE_FILE_HPP

#include <stdexcept>
#include <string>
#include <string_view>

namespace gccommon {

// The text is a whole sentence without a full stop: which file, and why it cannot be written.
class cannot_write : public std::runtime_error {
  using runtime_error::runtime_error;
};

// Throws cannot_write if the file could not be written as things are; leaves nothing behind. To be asked
// before long work whose result goes there.
void require_writable(const std::string& path);

// Writes beside it and renames, so that whatever happens the old content or the new is there. Throws
// cannot_write.
void write_whole(const std::string& path, std::string_view content);

}  // namespace gccommon

#endif
