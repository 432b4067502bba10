// The parser of /proc/self/maps: whatever the file holds, and however the reads cut it into pieces.
#include <algorithm>
#include <cstring>
#include <gcbarrier/kernel/mappings.hpp>
#include <string>
#include <vector>

#include "bytes.hpp"

using gcbarrier::kernel::mapping;
using gcbarrier::kernel::system_calls;

namespace {

// A file, and how many bytes each read returns at most.
struct maps_file {
  std::string text;
  std::vector<std::size_t> pieces;
  std::size_t reads = 0;

  static long answer(void* context, long number, system_calls::argument_list a) {
    auto& self = *static_cast<maps_file*>(context);
    fuzz::check(number == SYS_pread64, "the parser makes no other call");
    const auto offset = static_cast<std::size_t>(a[3]);
    fuzz::check(offset <= self.text.size(), "it does not read beyond the end");
    std::size_t length = std::min(static_cast<std::size_t>(a[2]), self.text.size() - offset);
    length = std::min(length, self.pieces[self.reads++ % self.pieces.size()]);
    std::memcpy(reinterpret_cast<void*>(a[1]), self.text.data() + offset, length);
    return static_cast<long>(length);
  }
};

std::vector<mapping> parsed(const std::string& text, std::vector<std::size_t> pieces) {
  maps_file file{text, std::move(pieces)};
  std::vector<mapping> found;
  const gcbarrier::error why =
      gcbarrier::kernel::for_each_mapping({&maps_file::answer, &file}, 3, [&](const mapping& one) {
        found.push_back(one);
        return true;
      });
  fuzz::check(!why, "a file that can be read is no error");
  return found;
}

bool same(const std::vector<mapping>& a, const std::vector<mapping>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const mapping& x, const mapping& y) {
    return x.range == y.range && x.readable == y.readable && x.writable == y.writable &&
           x.hugetlb == y.hugetlb;
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::bytes input(data, size);
  std::vector<std::size_t> pieces(1 + input.below(4));
  for (std::size_t& piece : pieces) piece = 1 + std::size_t{input.next()} * 17;
  const std::size_t repeats = 1 + input.below(8) * 40;  // longer than the parser's buffer
  std::string once;
  while (!input.empty()) once.push_back(static_cast<char>(input.next()));
  std::string text;
  for (std::size_t i = 0; i < repeats && text.size() < 32768; ++i) text += once;

  const std::vector<mapping> whole = parsed(text, {text.size() + 1});
  // Of a line longer than the buffer only the first part is seen, and how much that is depends on the reads.
  // The kernel writes no NUL.
  bool plain = text.find('\0') == std::string::npos;
  for (std::size_t begin = 0; plain && begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    plain = end - begin < 4096;
    begin = end + 1;
  }
  if (plain) {
    fuzz::check(same(whole, parsed(text, pieces)), "what is found does not depend on how it is read");
    const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    fuzz::check(whole.size() == lines, "one mapping a line");
  } else {
    (void)parsed(text, pieces);
  }
  return 0;
}
