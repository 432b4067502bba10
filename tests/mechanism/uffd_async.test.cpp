// What is peculiar to uffd_async: descriptors, lost registration, and answers that cannot be true.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <gcbarrier/mechanism/uffd_async.hpp>
#include <string_view>
#include <support/faked_calls.hpp>
#include <support/lost_pages.hpp>
#include <support/mechanism_cases.hpp>
#include <support/memory.hpp>
#include <utility>
#include <vector>

namespace kernel = gcbarrier::kernel;
namespace uapi = gcbarrier::kernel::uapi;
using gcbarrier::run_list;
using gcbarrier::uffd_async;
using support::faked_calls;
using support::memory;
using support::memory_kind;
using support::page_numbers;

namespace {

bool is_scan(long number, faked_calls::argument_list a) {
  return number == SYS_ioctl && static_cast<unsigned long>(a[1]) == uapi::ioctl_pagemap_scan;
}

struct watched {
  memory heap;
  uffd_async mechanism;
  run_list runs;

  explicit watched(memory_kind kind = memory_kind::small_pages, kernel::system_calls calls = {},
                   std::size_t pages = 600)
      : watched(kind, pages, open(calls)) {}
  watched(memory_kind kind, std::size_t pages, uffd_async opened)
      : heap(kind, pages), mechanism(std::move(opened)) {
    REQUIRE_FALSE(runs.reserve(pages));
    REQUIRE_FALSE(mechanism.attach(heap.range()));
    REQUIRE_FALSE(mechanism.protect(heap.range()));
  }
  static uffd_async open(kernel::system_calls calls) {
    auto opened = uffd_async::open(calls);
    REQUIRE(opened);
    return std::move(*opened);
  }
  page_numbers collect() {
    runs.clear();
    REQUIRE_FALSE(mechanism.read_and_protect(heap.range(), runs));
    return heap.pages_in(runs.runs());
  }
  // What each way of looking says; they must agree.
  int error_code() {
    runs.clear();
    const int reading = mechanism.read(heap.range(), runs).code;
    CHECK(mechanism.read_and_protect(heap.range(), runs).code == reading);
    CHECK(mechanism.protect(heap.range()).code == reading);
    return reading;
  }
};

gcbarrier::error open_error(const faked_calls::function& answer) {
  faked_calls fake(answer);
  const auto opened = uffd_async::open(fake.calls());
  return opened ? gcbarrier::error{} : opened.error();
}

bool opens_pagemap(long number, faked_calls::argument_list a) {
  return number == SYS_openat && std::strcmp(reinterpret_cast<const char*>(a[1]), "/proc/self/pagemap") == 0;
}

int open_descriptors() {
  int count = 0;
  for (int i = 0; i < 256; ++i) count += ::fcntl(i, F_GETFD) >= 0 ? 1 : 0;
  return count;
}

}  // namespace

// ---- opening ----

TEST_CASE("uffd_async: what prevents it is told, with what to do, and nothing stays open") {
  const int before = open_descriptors();
  const std::pair<int, const char*> pagemap_refusals[] = {
      {EACCES, "PR_SET_DUMPABLE"}, {ENOENT, "/proc"}, {EMFILE, ""}};
  for (const auto& [code, advice] : pagemap_refusals) {
    const gcbarrier::error why = open_error([code = code](long number, faked_calls::argument_list a) {
      return opens_pagemap(number, a) ? std::optional<long>(-code) : std::nullopt;
    });
    CHECK(why.code == code);
    CHECK(std::string_view(why.advice).find(advice) != std::string_view::npos);
  }
  // A kernel before 6.7, or a /proc of some sandbox's own.
  gcbarrier::error why = open_error([](long number, faked_calls::argument_list a) {
    return is_scan(number, a) ? std::optional<long>(-ENOTTY) : std::nullopt;
  });
  CHECK(why.code == ENOTSUP);
  CHECK(std::string_view(why.advice).find("6.7") != std::string_view::npos);
  why = open_error([](long number, faked_calls::argument_list) {
    return number == SYS_mmap ? std::optional<long>(-ENOMEM) : std::nullopt;
  });
  CHECK(why.code == ENOMEM);
  CHECK(open_descriptors() == before);
}

TEST_CASE("uffd_async: it closes what it opened") {
  const int before = open_descriptors();
  {
    uffd_async mechanism = watched::open({});
    CHECK(open_descriptors() == before + 2);
    REQUIRE_FALSE(mechanism.reopen());
    CHECK(open_descriptors() == before + 2);
  }
  CHECK(open_descriptors() == before);
}

TEST_CASE("uffd_async: adopted descriptors are used without opening any, owned, and not opened again") {
  const int before = open_descriptors();
  auto userfaultfd = kernel::open_userfaultfd({});
  REQUIRE(userfaultfd);
  REQUIRE_FALSE(kernel::negotiate_async({}, userfaultfd->number()));
  const gcbarrier::adopted_descriptors opened{userfaultfd->release(),
                                              ::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)};
  int calls = 0;
  faked_calls fake([&](long number, faked_calls::argument_list) -> std::optional<long> {
    calls += number == SYS_openat || number == SYS_userfaultfd || number == SYS_ioctl ? 1 : 0;
    return std::nullopt;
  });
  {
    auto adopted = uffd_async::adopt(fake.calls(), opened);
    REQUIRE(adopted);
    CHECK(calls == 0);
    watched one(memory_kind::small_pages, 8, std::move(*adopted));
    one.heap.write(3);
    CHECK(one.collect() == page_numbers{3});
    CHECK(one.mechanism.reopen().code == EPERM);
  }
  CHECK(open_descriptors() == before);
}

// ---- lost tracking ----

TEST_CASE("uffd_async: a range taken out of tracking behind our back is an error at the next call") {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    watched one(kind);
    REQUIRE_FALSE(one.mechanism.detach(one.heap.range(100, 1)));
    CHECK(one.error_code() == EPERM);
  }
}

TEST_CASE(
    "uffd_async: descriptors that were closed are noticed, and opened anew without closing a stranger's") {
  // Finds the mechanism's two descriptors: those that are open with it and not without.
  std::vector<int> numbers;
  std::vector<bool> before;
  for (int i = 0; i < 256; ++i) before.push_back(::fcntl(i, F_GETFD) >= 0);
  watched one;
  for (int i = 0; i < 256; ++i) {
    if (!before[static_cast<std::size_t>(i)] && ::fcntl(i, F_GETFD) >= 0) numbers.push_back(i);
  }
  REQUIRE(numbers.size() == 2);
  for (const int number : numbers) ::close(number);
  one.heap.write(3);
  CHECK(one.error_code() == EBADF);
  // By now the numbers are another file's.
  for (const int number : numbers) REQUIRE(::open("/dev/null", O_RDWR | O_CLOEXEC) == number);
  const auto descriptor_gone = [](int code) { return code == EBADF || code == ENOTTY; };
  CHECK(descriptor_gone(one.error_code()));
  CHECK(descriptor_gone(one.mechanism.attach(one.heap.range()).code));
  REQUIRE_FALSE(one.mechanism.reopen());
  for (const int number : numbers) {
    CHECK(::fcntl(number, F_GETFD) >= 0);
    CHECK(::write(number, "x", 1) == 1);
  }
  REQUIRE_FALSE(one.mechanism.attach(one.heap.range()));
  REQUIRE_FALSE(one.mechanism.protect(one.heap.range()));
  one.heap.write(4);
  CHECK(one.collect() == page_numbers{4});
  for (const int number : numbers) ::close(number);
}

// ---- answers ----

TEST_CASE("uffd_async: more runs than one call can return") {
  watched one(memory_kind::small_pages, {}, 20000);
  page_numbers odd;
  for (std::size_t page = 1; page < one.heap.pages(); page += 2) {
    one.heap.write(page);
    odd.push_back(page);
  }
  const auto before = one.mechanism.counters().system_calls;
  CHECK(one.collect() == odd);
  CHECK(one.mechanism.counters().system_calls - before == 1 + 3);  // 10,000 runs, 4,096 at a time
  CHECK(one.collect().empty());
  // Exactly as many as fit: the call cannot know that it has finished.
  for (std::size_t i = 0; i < 4096; ++i) one.heap.write(2 * i);
  CHECK(one.collect().size() == 4096);
}

TEST_CASE("uffd_async: a stale walk_end loses nothing and repeats nothing") {
  for (const bool back : {true, false}) {
    CAPTURE(back);
    faked_calls fake([=](long number, faked_calls::argument_list a) -> std::optional<long> {
      if (!is_scan(number, a)) return std::nullopt;
      const long answer = faked_calls::real(number, a);
      auto* const argument = reinterpret_cast<uapi::pm_scan_arg*>(a[2]);
      argument->walk_end = back ? argument->start : argument->end;
      return answer;
    });
    watched one(memory_kind::small_pages, fake.calls(), 20000);
    page_numbers odd;
    for (std::size_t page = 1; page < one.heap.pages(); page += 2) {
      one.heap.write(page);
      odd.push_back(page);
    }
    CHECK(one.collect() == odd);
    CHECK(one.collect().empty());
  }
}

TEST_CASE("uffd_async: regions that cannot be true are an error") {
  const std::size_t page = memory::page_size();
  using region = uapi::page_region;
  const std::function<region(region)> lies[] = {
      [=](region one) {
        return region{one.start - 1000 * page, one.end, one.categories};
      },
      [=](region one) {
        return region{one.start, one.end + 1000 * page, one.categories};
      },
      [](region one) {
        return region{one.end, one.start, one.categories};
      },
      [](region one) {
        return region{one.start, one.start, one.categories};
      },
  };
  for (const auto& lie : lies) {
    bool lying = false;
    faked_calls fake([&](long number, faked_calls::argument_list a) -> std::optional<long> {
      const long answer = is_scan(number, a) ? faked_calls::real(number, a) : 0;
      if (!is_scan(number, a)) return std::nullopt;
      auto* const regions = reinterpret_cast<region*>(reinterpret_cast<uapi::pm_scan_arg*>(a[2])->vec);
      if (lying && answer > 1) regions[1] = lie(regions[1]);
      return answer;
    });
    watched one(memory_kind::small_pages, fake.calls());
    one.heap.write(100);
    one.heap.write(300);
    lying = true;
    CHECK(one.mechanism.read(one.heap.range(), one.runs).code == EPROTO);
    CHECK(one.mechanism.read_and_protect(one.heap.range(), one.runs).code == EPROTO);
  }
}

TEST_CASE("uffd_async: each scan asks for the check of registration, and never protects without a vector") {
  std::vector<uapi::pm_scan_arg> asked;
  faked_calls fake([&](long number, faked_calls::argument_list a) -> std::optional<long> {
    if (is_scan(number, a)) asked.push_back(*reinterpret_cast<uapi::pm_scan_arg*>(a[2]));
    return std::nullopt;
  });
  watched one(memory_kind::small_pages, fake.calls());
  asked.clear();
  one.collect();
  (void)one.mechanism.read(one.heap.range(), one.runs);
  (void)one.mechanism.protect(one.heap.range());
  REQUIRE(asked.size() == 3);
  for (const uapi::pm_scan_arg& one_call : asked) {
    CHECK((one_call.flags & uapi::scan_check_wpasync) != 0);
    CHECK(one_call.vec_len > 0);
    // The only masks with a fast path, and right on every kernel.
    CHECK(one_call.category_mask == uapi::page_is_written);
    CHECK(one_call.return_mask == uapi::page_is_written);
    CHECK(one_call.category_inverted == 0);
    CHECK(one_call.category_anyof_mask == 0);
    CHECK(one_call.max_pages == 0);
  }
  CHECK((asked[0].flags & uapi::scan_wp_matching) != 0);
  CHECK((asked[1].flags & uapi::scan_wp_matching) == 0);
  CHECK((asked[2].flags & uapi::scan_wp_matching) != 0);
}

// The control: a kernel that forgets a region after protecting it is caught by the checker.
TEST_CASE("uffd_async: a region that the kernel forgets is caught") {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    faked_calls fake([](long number, faked_calls::argument_list a) -> std::optional<long> {
      if (!is_scan(number, a)) return std::nullopt;
      const long answer = faked_calls::real(number, a);
      return answer > 3 ? answer - 1 : answer;
    });
    watched one(kind, fake.calls());
    support::uffd_case on;
    CHECK_FALSE(support::lost_pages(on, one.heap, one.mechanism, 20).empty());
  }
}
