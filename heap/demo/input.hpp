// The texts that the demo indexes.
#ifndef GCHEAP_DEMO_INPUT_HPP
#define GCHEAP_DEMO_INPUT_HPP

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace gcheap::demo {

// Something the user can mend. The text is a whole sentence without a full stop.
class usage_error : public std::runtime_error {
  using runtime_error::runtime_error;
};

struct document {
  std::string path;
  std::string text;
};

struct input {
  std::vector<document> documents;
  std::vector<std::string> notes;  // what was left out, and why
  std::size_t bytes = 0;
};

// Throws usage_error for what is missing, unreadable, a directory, binary or larger than 1 GiB in all, and if
// there is no word in any of it.
input read_files(const std::vector<std::string>& paths);

// The licence texts that Debian ships and its word list. What of it this machine lacks is left out with a
// note.
input read_default_texts();

// Calls f(document number, line number, line) with every line; goes round the documents until `bytes` of text
// are done. Document numbers go on counting in each round. f(n, end_of_document, "") ends a document.
inline constexpr std::uint32_t end_of_document = ~std::uint32_t{0};
template <class F>
void each_line(const input& texts, std::size_t bytes, F f) {
  std::size_t done = 0;
  for (std::uint32_t number = 0; done < bytes; ++number) {
    const std::string_view text = texts.documents[number % texts.documents.size()].text;
    std::uint32_t line = 0;
    for (std::size_t at = 0; at < text.size() && done < bytes;) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      f(number, ++line, text.substr(at, end - at));
      done += end + 1 - at;
      at = end + 1;
    }
    f(number, end_of_document, std::string_view{});
  }
}

}  // namespace gcheap::demo

#endif
