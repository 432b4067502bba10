// The reader of /proc/self/maps, on the real file and on texts of our own in pieces of every size.
#include <doctest/doctest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <gcbarrier/kernel/mappings.hpp>
#include <string>
#include <support/faked_calls.hpp>
#include <support/memory.hpp>
#include <vector>

namespace kernel = gcbarrier::kernel;
using gcbarrier::address_range;
using support::faked_calls;
using support::memory;
using support::memory_kind;

namespace {

// A /proc/self/maps with this text, read in pieces of at most `piece` bytes.
class faked_maps {
 public:
  faked_maps(std::string text, std::size_t piece) : text_(std::move(text)), piece_(piece) {}
  kernel::system_calls calls() { return fake_.calls(); }
  [[nodiscard]] bool closed() const { return closed_; }

  static constexpr int number = 4321;

 private:
  std::optional<long> answer(long call, faked_calls::argument_list a) {
    if (call == SYS_openat && std::strcmp(reinterpret_cast<const char*>(a[1]), "/proc/self/maps") == 0)
      return number;
    if (a[0] != number) return std::nullopt;
    if (call == SYS_close) {
      closed_ = true;
      return 0;
    }
    if (call != SYS_pread64) return std::nullopt;
    const std::size_t at = std::min(static_cast<std::size_t>(a[3]), text_.size());
    const std::size_t bytes = std::min({piece_, static_cast<std::size_t>(a[2]), text_.size() - at});
    std::memcpy(reinterpret_cast<void*>(a[1]), text_.data() + at, bytes);
    return static_cast<long>(bytes);
  }

  std::string text_;
  std::size_t piece_;
  bool closed_ = false;
  faked_calls fake_{[this](long call, faked_calls::argument_list a) { return answer(call, a); }};
};

std::vector<kernel::mapping> parse(const std::string& text, std::size_t piece) {
  faked_maps maps(text, piece);
  std::vector<kernel::mapping> found;
  REQUIRE_FALSE(kernel::for_each_mapping(maps.calls(), faked_maps::number, [&](const kernel::mapping& one) {
    found.push_back(one);
    return true;
  }));
  return found;
}

int check_code(const std::string& text, address_range range) {
  faked_maps maps(text, 4096);
  return kernel::check_tracked_memory(maps.calls(), range).code;
}

const std::size_t pieces[] = {1, 2, 7, 100, 4095, 4096, 4097, 1 << 20};

}  // namespace

TEST_CASE("mappings: ranges, permissions and hugetlb, however the file comes in") {
  const std::string text =
      "00400000-00401000 r--p 00000000 08:02 173521   /usr/bin/dbus-daemon\n"
      "00e03000-00e24000 rw-p 00000000 00:00 0        [heap]\n"
      "7f0000000000-7f0000200000 rw-p 00000000 00:0f 12345  /anon_hugepage (deleted)\n"
      "7f0000400000-7f0000600000 rw-s 00000000 00:0f 12345  /dev/hugepages/arena\n"
      "7fff00000000-7fff00001000 ---p 00000000 00:00 0 \n"
      "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0  [vsyscall]\n";
  for (const std::size_t piece : pieces) {
    CAPTURE(piece);
    const auto found = parse(text, piece);
    REQUIRE(found.size() == 6);
    CHECK(found[0].range == address_range(0x400000, 0x401000));
    CHECK(found[0].readable);
    CHECK_FALSE(found[0].writable);
    CHECK_FALSE(found[0].hugetlb);
    CHECK(found[1].range == address_range(0xe03000, 0xe24000));
    CHECK(found[1].writable);
    CHECK_FALSE(found[1].hugetlb);
    CHECK(found[2].hugetlb);
    CHECK(found[3].hugetlb);
    CHECK(found[3].range == address_range(0x7f0000400000, 0x7f0000600000));
    CHECK_FALSE(found[4].readable);
    CHECK_FALSE(found[4].writable);
    CHECK(found[5].range == address_range(0xffffffffff600000, 0xffffffffff601000));
  }
}

TEST_CASE("mappings: paths of any length, whatever stands in them") {
  for (const std::size_t length :
       {10, 3900, 4000, 4021, 4022, 4023, 4024, 4025, 4040, 4095, 4096, 4097, 5000, 8192, 8193, 20000}) {
    // A path that could be taken for lines of its own.
    std::string path = "/";
    while (path.size() < length) path += "1000-2000 rwxp /";
    path.resize(length);
    std::string text;
    for (unsigned i = 1; i <= 3; ++i) {
      char start[64];
      std::snprintf(start, sizeof start, "%x000-%x800 rw-p 00000000 08:02 1 ", i, i);
      text += start + path + "\n";
    }
    for (const std::size_t piece : pieces) {
      CAPTURE(length);
      CAPTURE(piece);
      const auto found = parse(text, piece);
      REQUIRE(found.size() == 3);
      for (unsigned i = 0; i < 3; ++i) {
        CHECK(found[i].range == address_range((i + 1) * 0x1000, (i + 1) * 0x1000 + 0x800));
        CHECK(found[i].writable);
      }
    }
  }
}

TEST_CASE("mappings: an empty file, and one that is cut") {
  CHECK(parse("", 10).empty());
  CHECK(parse("\n", 10).size() == 1);
  CHECK(parse("1000-2000 rw-p 0\n3000-40", 10).size() == 1);
}

TEST_CASE("mappings: a visitor may stop") {
  faked_maps maps("1000-2000 rw-p 0\n2000-3000 rw-p 0\n", 100);
  int visited = 0;
  CHECK_FALSE(kernel::for_each_mapping(maps.calls(), faked_maps::number,
                                       [&](const kernel::mapping&) { return ++visited < 1; }));
  CHECK(visited == 1);
}

TEST_CASE("mappings: failing to read is told") {
  for (const int code : {EACCES, EBADF, EINTR}) {
    faked_calls fake([=](long number, faked_calls::argument_list) -> std::optional<long> {
      return number == SYS_pread64 ? std::optional<long>(-code) : std::nullopt;
    });
    int visited = 0;
    const gcbarrier::error why =
        kernel::for_each_mapping(fake.calls(), 3, [&](const kernel::mapping&) { return ++visited > 0; });
    CHECK(why.code == code);
    CHECK(visited == 0);
  }
}

TEST_CASE("mappings: the real file has our memory in it") {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    const memory heap(kind, 16);
    int found = 0;
    std::uintptr_t before = 0;
    const kernel::system_calls real;
    const kernel::descriptor maps(real, static_cast<int>(real.open("/proc/self/maps", O_RDONLY)));
    REQUIRE_FALSE(kernel::for_each_mapping(real, maps.number(), [&](const kernel::mapping& one) {
      CHECK(one.range.begin >= before);
      CHECK_FALSE(one.range.empty());
      before = one.range.end;
      found += one.range == heap.range() && one.readable && one.writable && !one.hugetlb ? 1 : 0;
      return true;
    }));
    CHECK(found == 1);
    CHECK_FALSE(kernel::check_tracked_memory({}, heap.range()));
  }
}

TEST_CASE("mappings: what can be tracked") {
  const std::string text =
      "1000-3000 rw-p 0\n"
      "3000-5000 rw-s 0 /file\n"
      "5000-6000 r--p 0\n"
      "6000-7000 -w-p 0\n"
      "8000-9000 rw-p 0\n"
      "9000-b000 rw-p 0 /anon_hugepage (deleted)\n"
      "b000-c000 rw-p 0\n";
  CHECK(check_code(text, {0x1000, 0x3000}) == 0);
  CHECK(check_code(text, {0x1000, 0x5000}) == 0);
  CHECK(check_code(text, {0x2000, 0x4000}) == 0);
  CHECK(check_code(text, {0x8000, 0x9000}) == 0);
  CHECK(check_code(text, {0xb000, 0xc000}) == 0);
  CHECK(check_code(text, {0x4000, 0x6000}) == EACCES);
  CHECK(check_code(text, {0x6000, 0x7000}) == EACCES);
  CHECK(check_code(text, {0x7000, 0x8000}) == ENOMEM);  // a hole
  CHECK(check_code(text, {0x7000, 0x9000}) == ENOMEM);
  CHECK(check_code(text, {0x0800, 0x2000}) == ENOMEM);
  CHECK(check_code(text, {0xb000, 0xd000}) == ENOMEM);
  CHECK(check_code(text, {0xd000, 0xe000}) == ENOMEM);
  CHECK(check_code(text, {0x8000, 0xa000}) == ENOTSUP);
  CHECK(check_code("", {0x1000, 0x2000}) == ENOMEM);
}

TEST_CASE("mappings: the error names the part that is in the way") {
  faked_maps maps("1000-3000 rw-p 0\n3000-5000 r--p 0\n", 100);
  CHECK(kernel::check_tracked_memory(maps.calls(), {0x2000, 0x4000}).where == address_range(0x3000, 0x4000));
  CHECK(maps.closed());
  faked_maps hole("1000-3000 rw-p 0\n4000-5000 rw-p 0\n", 100);
  const gcbarrier::error why = kernel::check_tracked_memory(hole.calls(), {0x1000, 0x5000});
  CHECK(why.where.begin == 0x3000);
}

TEST_CASE("mappings: without /proc the kernel's own refusals are all there is") {
  faked_calls fake([](long number, faked_calls::argument_list) -> std::optional<long> {
    return number == SYS_openat ? std::optional<long>(-ENOENT) : std::nullopt;
  });
  CHECK(kernel::check_tracked_memory(fake.calls(), {0x1000, 0x2000}).code == 0);
}
