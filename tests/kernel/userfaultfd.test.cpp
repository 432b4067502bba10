// Opening, negotiating, registering and protecting, and each refusal.
#include <doctest/doctest.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstring>
#include <gcbarrier/kernel/userfaultfd.hpp>
#include <string_view>
#include <support/child.hpp>
#include <support/faked_calls.hpp>
#include <support/memory.hpp>
#include <support/page_watch.hpp>

namespace kernel = gcbarrier::kernel;
namespace uapi = gcbarrier::kernel::uapi;
using support::faked_calls;
using support::memory;
using support::memory_kind;
using support::page_watch;

namespace {

bool mentions(const char* text, std::string_view word) {
  return std::string_view(text).find(word) != std::string_view::npos;
}

bool is_request(long number, faked_calls::argument_list a, unsigned long request) {
  return number == SYS_ioctl && static_cast<unsigned long>(a[1]) == request;
}

bool opens(long number, faked_calls::argument_list a, const char* path) {
  return number == SYS_openat && std::strcmp(reinterpret_cast<const char*>(a[1]), path) == 0;
}

// The error of open_userfaultfd where the system call and the device answer so.
gcbarrier::error open_error(long system_call, long device) {
  faked_calls fake([=](long number, faked_calls::argument_list a) -> std::optional<long> {
    if (number == SYS_userfaultfd) return system_call;
    if (opens(number, a, "/dev/userfaultfd")) return device;
    return std::nullopt;
  });
  const auto opened = kernel::open_userfaultfd(fake.calls());
  return opened ? gcbarrier::error{} : opened.error();
}

}  // namespace

TEST_CASE("userfaultfd: opened for user mode only, not inherited by exec") {
  long flags = 0;
  faked_calls fake([&](long number, faked_calls::argument_list a) -> std::optional<long> {
    if (number == SYS_userfaultfd) flags = a[0];
    return std::nullopt;
  });
  const auto opened = kernel::open_userfaultfd(fake.calls());
  REQUIRE(opened);
  CHECK(flags == (uapi::user_mode_only | O_CLOEXEC | O_NONBLOCK));
  CHECK((::fcntl(opened->number(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("userfaultfd: where the system call is refused, the device serves") {
  const kernel::system_calls real;
  const kernel::descriptor device(real, static_cast<int>(real.open("/dev/userfaultfd", O_RDWR)));
  faked_calls fake([](long number, faked_calls::argument_list) -> std::optional<long> {
    return number == SYS_userfaultfd ? std::optional<long>(-EPERM) : std::nullopt;
  });
  const auto opened = kernel::open_userfaultfd(fake.calls());
  REQUIRE(static_cast<bool>(opened) == (device.number() >= 0));
  if (!opened) return;
  CHECK((::fcntl(opened->number(), F_GETFD) & FD_CLOEXEC) != 0);
  CHECK_FALSE(kernel::negotiate_async(fake.calls(), opened->number()));
  const memory heap(memory_kind::small_pages, 4);
  CHECK_FALSE(kernel::register_range(fake.calls(), opened->number(), heap.range()));
}

TEST_CASE("userfaultfd: refusals say what to do") {
  gcbarrier::error why = open_error(-EPERM, -ENOENT);
  CHECK(why.code == EPERM);
  CHECK(std::string_view(why.operation) == "userfaultfd");
  CHECK(mentions(why.advice, "seccomp"));
  CHECK(mentions(why.advice, "/dev/userfaultfd"));
  why = open_error(-ENOSYS, -ENOENT);
  CHECK(why.code == ENOSYS);
  CHECK(mentions(why.advice, "gVisor"));
  for (const int code : {EMFILE, ENFILE}) {
    why = open_error(-code, -ENOENT);
    CHECK(why.code == code);
    CHECK(mentions(why.advice, "RLIMIT_NOFILE"));
  }
  // The device may be there and closed to us: the system call's refusal is what is told.
  why = open_error(-EPERM, -EACCES);
  CHECK(why.code == EPERM);
}

TEST_CASE("userfaultfd: a device that refuses is told, and closed") {
  int closed = -1;
  faked_calls fake([&](long number, faked_calls::argument_list a) -> std::optional<long> {
    if (number == SYS_userfaultfd) return -EPERM;
    if (opens(number, a, "/dev/userfaultfd")) return 1234;
    if (is_request(number, a, uapi::ioctl_userfaultfd_new)) return -ENOTTY;
    if (number == SYS_close) {
      closed = static_cast<int>(a[0]);
      return 0;
    }
    return std::nullopt;
  });
  const auto opened = kernel::open_userfaultfd(fake.calls());
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == ENOTTY);
  CHECK(std::string_view(opened.error().operation) == "USERFAULTFD_IOC_NEW");
  CHECK(closed == 1234);
}

TEST_CASE("userfaultfd: no descriptor free") {
  CHECK(support::run_in_child([] {
          const rlimit none{0, 0};
          if (::setrlimit(RLIMIT_NOFILE, &none) != 0) return 1;
          const auto opened = kernel::open_userfaultfd({});
          return !opened && opened.error().code == EMFILE ? 0 : 2;
        }) == support::exited(0));
}

TEST_CASE("userfaultfd: the handshake works once, and grants every feature") {
  const auto opened = kernel::open_userfaultfd({});
  REQUIRE(opened);
  uapi::uffdio_api api{uapi::api_version, kernel::async_write_protect_features, 0};
  REQUIRE(kernel::system_calls{}.ioctl(opened->number(), uapi::ioctl_api, &api) == 0);
  CHECK((api.features & uapi::feature_wp_async) != 0);
  CHECK((api.features & uapi::feature_wp_unpopulated) != 0);
  CHECK((api.features & uapi::feature_wp_hugetlbfs_shmem) != 0);
  // By this answer uffd_async knows its own descriptors.
  CHECK(kernel::system_calls{}.ioctl(opened->number(), uapi::ioctl_api, &api) == -EINVAL);
  CHECK(kernel::negotiate_async({}, opened->number()).code == ENOTSUP);
}

TEST_CASE("userfaultfd: before the handshake nothing can be registered") {
  const auto opened = kernel::open_userfaultfd({});
  REQUIRE(opened);
  const memory heap(memory_kind::small_pages, 1);
  CHECK(kernel::register_range({}, opened->number(), heap.range()).code == EINVAL);
}

TEST_CASE("userfaultfd: features that an older kernel leaves out or refuses") {
  for (const std::uint64_t missing :
       {uapi::feature_wp_async, uapi::feature_wp_unpopulated, uapi::feature_wp_hugetlbfs_shmem}) {
    faked_calls fake([=](long number, faked_calls::argument_list a) -> std::optional<long> {
      if (!is_request(number, a, uapi::ioctl_api)) return std::nullopt;
      reinterpret_cast<uapi::uffdio_api*>(a[2])->features &= ~missing;
      return 0;
    });
    const gcbarrier::error why = kernel::negotiate_async(fake.calls(), 3);
    CHECK(why.code == ENOTSUP);
    CHECK(mentions(why.advice, "6.7"));
  }
  for (const int code : {EINVAL, EPERM, ENOTTY, EBADF}) {
    faked_calls fake(
        [=](long, faked_calls::argument_list) -> std::optional<long> { return -static_cast<long>(code); });
    CHECK(kernel::negotiate_async(fake.calls(), 3).code == (code == EINVAL ? ENOTSUP : code));
  }
}

TEST_CASE("userfaultfd: every kind of memory can be registered, again, and be taken back") {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    const memory heap(kind, 600);
    page_watch watch;
    CHECK_FALSE(watch.add(heap.range()));
    CHECK_FALSE(watch.add(heap.range()));
    CHECK_FALSE(watch.remove(heap.range()));
    CHECK_FALSE(watch.add(heap.range(100, 200)));
    CHECK_FALSE(watch.add(heap.range()));
  }
}

TEST_CASE("userfaultfd: what cannot be registered") {
  page_watch watch;
  const memory heap(memory_kind::small_pages, 8);
  CHECK(watch.add({heap.range().begin + 8, heap.range().end}).code == EINVAL);
  CHECK(watch.add({heap.range().begin, heap.range().end - 8}).code == EINVAL);
  CHECK(watch.add(heap.range(0, 0)).code == EINVAL);

  page_watch other;
  REQUIRE_FALSE(other.add(heap.range(2, 1)));
  const gcbarrier::error busy = watch.add(heap.range());
  CHECK(busy.code == EBUSY);
  CHECK(mentions(busy.advice, "another userfaultfd"));
  CHECK(watch.scan_error(watch.ask(heap.range(0, 2))).code == EPERM);

  void* const gone = ::mmap(nullptr, 4 * memory::page_size(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ::munmap(gone, 4 * memory::page_size());
  CHECK(watch.add({gone, 4 * memory::page_size()}).code == EINVAL);

  const memory file(memory_kind::memfd_shared, 4);
  char path[32];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", file.file());
  const kernel::descriptor reader({}, static_cast<int>(kernel::system_calls{}.open(path, O_RDONLY)));
  void* const never = ::mmap(nullptr, file.bytes(), PROT_READ, MAP_SHARED, reader.number(), 0);
  REQUIRE(never != MAP_FAILED);
  CHECK(watch.add({never, file.bytes()}).code == EPERM);
  ::munmap(never, file.bytes());

  CHECK(kernel::register_range({}, -1, heap.range()).code == EBADF);
  const kernel::descriptor zero({}, static_cast<int>(kernel::system_calls{}.open("/dev/zero", O_RDONLY)));
  CHECK(kernel::register_range({}, zero.number(), heap.range()).code == ENOTTY);
}

TEST_CASE("userfaultfd: a mapping with holes is registered as far as it goes, which add_arena prevents") {
  const memory heap(memory_kind::small_pages, 8);
  REQUIRE(::munmap(heap.page(3), memory::page_size()) == 0);
  page_watch watch;
  CHECK_FALSE(watch.add(heap.range()));
}

TEST_CASE("userfaultfd: memory without write-protect, and hugetlb, are unregistered again") {
  for (const std::uint64_t lacks : {uapi::range_can_writeprotect, uapi::range_can_zeropage}) {
    int unregistered = 0;
    faked_calls fake([&](long number, faked_calls::argument_list a) -> std::optional<long> {
      if (is_request(number, a, uapi::ioctl_register)) {
        const long answer = faked_calls::real(number, a);
        reinterpret_cast<uapi::uffdio_register*>(a[2])->ioctls &= ~lacks;
        return answer;
      }
      unregistered += is_request(number, a, uapi::ioctl_unregister) ? 1 : 0;
      return std::nullopt;
    });
    page_watch watch(fake.calls());
    const memory heap(memory_kind::small_pages, 2);
    const gcbarrier::error why = watch.add(heap.range());
    CHECK(why.code == ENOTSUP);
    CHECK(mentions(why.advice, lacks == uapi::range_can_zeropage ? "hugetlb" : "write-protect"));
    CHECK(unregistered == 1);
    CHECK(watch.scan_error(watch.ask(heap.range())).code == EPERM);
  }
}

TEST_CASE("userfaultfd: protecting and un-protecting runs") {
  for (const memory_kind kind : support::every_memory_kind) {
    CAPTURE(name_of(kind));
    const memory heap(kind, 600);
    page_watch watch(heap);
    REQUIRE_FALSE(watch.disarm(heap.range(10, 5)));
    CHECK(watch.written(heap) == support::consecutive(10, 5));
    REQUIRE_FALSE(watch.arm(heap.range(11, 2)));
    CHECK(watch.written(heap) == support::page_numbers{10, 13, 14});
  }
}

TEST_CASE("userfaultfd: what cannot be protected") {
  page_watch watch;
  const memory heap(memory_kind::small_pages, 4);
  CHECK(watch.arm(heap.range()).code == ENOENT);
  REQUIRE_FALSE(watch.add(heap.range()));
  CHECK(watch.arm({heap.range().begin + 1, heap.range().end}).code == EINVAL);
  CHECK(watch.arm(heap.range(0, 0)).code == EINVAL);
}

TEST_CASE("userfaultfd: EAGAIN is tried again, and not for ever") {
  for (const int failures : {1, 7, 8, 1000}) {
    CAPTURE(failures);
    int left = failures;
    faked_calls fake([&](long number, faked_calls::argument_list a) -> std::optional<long> {
      if (!is_request(number, a, uapi::ioctl_writeprotect) || left-- <= 0) return std::nullopt;
      return -EAGAIN;
    });
    page_watch watch(fake.calls());
    const memory heap(memory_kind::small_pages, 2);
    REQUIRE_FALSE(watch.add(heap.range()));
    const gcbarrier::error why = watch.arm(heap.range());
    CHECK(why.code == (failures < 8 ? 0 : EAGAIN));
    CHECK(watch.written(heap).empty() == (failures < 8));
  }
}
