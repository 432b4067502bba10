#include "input.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>
#include <utility>

namespace gcheap::demo {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_bytes = std::size_t{1} << 30;

class descriptor {
 public:
  explicit descriptor(const std::string& path) : number_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  [[nodiscard]] int get() const { return number_; }

 private:
  int number_;
};

std::string because(const std::string& path, const std::string& why) {
  return "cannot read " + path + ": " + why;
}

// `room`: how many bytes the file may have.
std::string read_text(const std::string& path, std::size_t room) {
  const descriptor file(path);
  struct stat about {};
  if (file.get() < 0 || ::fstat(file.get(), &about) != 0)
    throw usage_error(because(path, std::strerror(errno)));
  if (S_ISDIR(about.st_mode)) throw usage_error(because(path, "it is a directory; name the files in it"));
  if (!S_ISREG(about.st_mode) && !S_ISFIFO(about.st_mode))
    throw usage_error(because(path, "it is not a file"));
  std::string text;
  std::vector<char> buffer(std::size_t{1} << 16);
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw usage_error(because(path, std::strerror(errno)));
    if (got == 0) return text;
    if (std::memchr(buffer.data(), '\0', static_cast<std::size_t>(got)) != nullptr) {
      throw usage_error(because(path, "it is binary data, not text"));
    }
    text.append(buffer.data(), static_cast<std::size_t>(got));
    if (text.size() > room)
      throw usage_error(because(path, "this and the files before are more than 1 GiB of text"));
  }
}

void add(input& to, std::string path) {
  std::string text = read_text(path, most_bytes - to.bytes);
  to.bytes += text.size();
  to.documents.push_back({std::move(path), std::move(text)});
}

bool has_word(const std::string& text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           static_cast<unsigned char>(c) >= 0x80;
  });
}

void require_words(const input& texts) {
  const bool any = std::any_of(texts.documents.begin(), texts.documents.end(),
                               [](const document& d) { return has_word(d.text); });
  if (!any) throw usage_error("the input is empty: there is no word in it");
}

// The files of a directory, or those of this name in its subdirectories; each file once, however many links
// lead to it.
void collect(const fs::path& directory, const char* name, std::set<std::string>& paths,
             std::vector<std::string>& notes) {
  std::error_code failed;
  std::size_t found = 0;
  for (const fs::directory_entry& item : fs::directory_iterator(directory, failed)) {
    const fs::path path = name == nullptr ? item.path() : item.path() / name;
    std::error_code ignored;
    const fs::path real = fs::canonical(path, ignored);
    if (ignored || !fs::is_regular_file(real, ignored)) continue;
    paths.insert(real.string());
    ++found;
  }
  if (found == 0) notes.push_back("there are no texts in " + directory.string());
}

}  // namespace

input read_files(const std::vector<std::string>& paths) {
  input texts;
  for (const std::string& path : paths) add(texts, path);
  require_words(texts);
  return texts;
}

input read_default_texts() {
  input texts;
  std::set<std::string> paths;  // in order of name, so that every run reads the same
  collect("/usr/share/common-licenses", nullptr, paths, texts.notes);
  collect("/usr/share/doc", "copyright", paths, texts.notes);
  collect("/usr/share/dict", nullptr, paths, texts.notes);
  for (const std::string& path : paths) {
    try {
      add(texts, path);
    } catch (const usage_error& why) {
      texts.notes.emplace_back(why.what());
    }
  }
  if (texts.documents.empty()) {
    throw usage_error(
        "this machine has none of the texts that the demo reads by default; name some text files");
  }
  require_words(texts);
  return texts;
}

}  // namespace gcheap::demo
