#include "ways_of_writing.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>
#include <vector>
#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace oracle {

namespace {

constexpr const char* names[] = {"1-byte store",
                                 "2-byte store",
                                 "4-byte store",
                                 "8-byte store",
                                 "16-byte vector store",
                                 "32-byte vector store",
                                 "non-temporal store",
                                 "memcpy",
                                 "memset",
                                 "rep movsb",
                                 "atomic fetch_add",
                                 "atomic exchange",
                                 "compare_exchange",
                                 "failed compare_exchange",
                                 "store of another thread",
                                 "read(2)",
                                 "pread(2)",
                                 "readv(2)",
                                 "getrandom(2)",
                                 "process_vm_writev(2)",
                                 "/proc/self/mem",
                                 "io_uring read",
                                 "io_uring read by a worker"};
static_assert(std::size(names) == way_count);

void require(bool held, const char* what) {
  if (held) return;
  std::perror(what);
  std::abort();
}
void all_of(ssize_t done, std::span<char> target, const char* what) {
  require(done == static_cast<ssize_t>(target.size()), what);
}

// A store of just this width, wherever it falls: unaligned, and over a page boundary.
template <class T>
void store(char* at, T value) {  // NOLINT(readability-non-const-parameter)
  struct [[gnu::packed, gnu::may_alias]] anywhere {
    T value;
  };
  reinterpret_cast<volatile anywhere*>(at)->value = value;
}

void store_16(char* at, std::uint64_t dice) {
  using vector [[gnu::vector_size(16), gnu::aligned(1), gnu::may_alias]] = std::uint64_t;
  *reinterpret_cast<volatile vector*>(at) = vector{dice, ~dice};
}

#ifdef __x86_64__
[[gnu::target("avx")]] void store_wide(char* at, std::uint64_t dice) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), _mm256_set1_epi64x(static_cast<long long>(dice)));
}
void store_32(char* at, std::uint64_t dice) {
  if (__builtin_cpu_supports("avx")) {
    store_wide(at, dice);
  } else {
    store_16(at, dice);
    store_16(at + 16, dice);
  }
}
void store_around_the_cache(std::uint64_t* at, std::uint64_t dice) {
  _mm_stream_si64(reinterpret_cast<long long*>(at), static_cast<long long>(dice));
  _mm_sfence();
}
void string_move(char* to, const char* from, std::size_t bytes) {  // NOLINT(readability-non-const-parameter)
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}
#else
void store_32(char* at, std::uint64_t dice) {
  store_16(at, dice);
  store_16(at + 16, dice);
}
void store_around_the_cache(std::uint64_t* at, std::uint64_t dice) {
  *static_cast<volatile std::uint64_t*>(at) = dice;
}
void string_move(char* to, const char* from, std::size_t bytes) {
  std::memmove(to, from, bytes);
}
#endif

// Without ThreadSanitizer's help, which carries out an atomic operation while it holds a lock of its own:
// where that faults, a signal handler with atomic operations waits for the lock for ever. Inlined they would
// be instrumented after all.
#ifdef __clang__
#define PLAIN [[clang::disable_sanitizer_instrumentation]] [[gnu::noinline]]
#else
#define PLAIN [[gnu::no_sanitize("thread")]] [[gnu::noinline]]
#endif
// NOLINTBEGIN(readability-non-const-parameter): the check does not see that these write
PLAIN void fetch_add(std::uint64_t* at, std::uint64_t value) {
  __atomic_fetch_add(at, value, __ATOMIC_SEQ_CST);
}
PLAIN void exchange(std::uint64_t* at, std::uint64_t value) {
  __atomic_exchange_n(at, value, __ATOMIC_SEQ_CST);
}
// Whether it found what was expected.
PLAIN bool compare_exchange(std::uint64_t* at, std::uint64_t expected, std::uint64_t value) {
  return __atomic_compare_exchange_n(at, &expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
// NOLINTEND(readability-non-const-parameter)

const std::vector<char>& random_bytes() {
  static const std::vector<char> bytes = [] {
    std::vector<char> made(2 * hand::longest);
    std::mt19937_64 random(1);
    for (char& byte : made) byte = static_cast<char>(random());
    return made;
  }();
  return bytes;
}

}  // namespace

const char* name_of(way one) {
  return names[static_cast<std::size_t>(one)];
}

hand::hand()
    : source_(::memfd_create("oracle source", MFD_CLOEXEC)),
      own_memory_(::open("/proc/self/mem", O_RDWR | O_CLOEXEC)) {
  const std::vector<char>& bytes = random_bytes();
  require(source_ >= 0 && ::write(source_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
          "memfd_create");
  volatile char sample = 0;
  const char mark = 1;
  memory_works_ = own_memory_ >= 0 &&
                  ::pwrite(own_memory_, &mark, 1, reinterpret_cast<off_t>(&sample)) == 1 && sample == 1;
  ring_works_ = ::io_uring_queue_init(4, &ring_, 0) == 0;
}

hand::~hand() {
  if (ring_works_) ::io_uring_queue_exit(&ring_);
  if (own_memory_ >= 0) ::close(own_memory_);
  ::close(source_);
}

bool hand::can(way one) const {
  if (one == way::proc_self_mem) return memory_works_;
  return ring_works_ || (one != way::io_uring && one != way::io_uring_worker);
}

void hand::by_ring(std::span<char> target, std::uint64_t offset, unsigned flags) {
  io_uring_sqe* const entry = ::io_uring_get_sqe(&ring_);
  require(entry != nullptr, "io_uring_get_sqe");
  ::io_uring_prep_read(entry, source_, target.data(), static_cast<unsigned>(target.size()), offset);
  ::io_uring_sqe_set_flags(entry, flags);
  require(::io_uring_submit(&ring_) == 1, "io_uring_submit");
  io_uring_cqe* done = nullptr;
  int waited = 0;
  do waited = ::io_uring_wait_cqe(&ring_, &done);
  while (waited == -EINTR);
  require(waited == 0, "io_uring_wait_cqe");
  all_of(done->res, target, "io_uring read");
  ::io_uring_cqe_seen(&ring_, done);
}

void hand::write(way one, std::span<char> target, std::uint64_t dice) {
  char* const at = target.data();
  const std::uint64_t offset = dice % longest;
  const char* const bytes = random_bytes().data() + offset;
  std::uint64_t& word =
      *reinterpret_cast<std::uint64_t*>((reinterpret_cast<std::uintptr_t>(at) + 7) & ~std::uintptr_t{7});
  switch (one) {
    case way::store_1:
      return store(at, static_cast<std::uint8_t>(dice));
    case way::store_2:
      return store(at, static_cast<std::uint16_t>(dice));
    case way::store_4:
      return store(at, static_cast<std::uint32_t>(dice));
    case way::store_8:
      return store(at, dice);
    case way::store_16:
      return store_16(at, dice);
    case way::store_32:
      return store_32(at, dice);
    case way::store_around_the_cache:
      return store_around_the_cache(&word, dice);
    case way::copy:
      std::memcpy(at, bytes, target.size());
      return;
    case way::fill:
      std::memset(at, static_cast<int>(dice & 0xff), target.size());
      return;
    case way::string_move:
      return string_move(at, bytes, target.size());
    case way::fetch_add:
      return fetch_add(&word, dice | 1);
    case way::exchange:
      return exchange(&word, dice);
    case way::compare_exchange:
      return require(compare_exchange(&word, word, dice), "compare_exchange");
    case way::failed_compare_exchange:
      return require(!compare_exchange(&word, ~word, dice), "failed compare_exchange");
    case way::other_thread:
      std::thread([=] { std::memcpy(at, bytes, target.size()); }).join();
      return;
    case way::read:
      require(::lseek(source_, static_cast<off_t>(offset), SEEK_SET) >= 0, "lseek");
      return all_of(::read(source_, at, target.size()), target, "read");
    case way::pread:
      return all_of(::pread(source_, at, target.size(), static_cast<off_t>(offset)), target, "pread");
    case way::readv: {
      const std::size_t half = target.size() / 2;
      const iovec parts[2] = {{at, half}, {at + half, target.size() - half}};
      return all_of(::preadv(source_, parts, 2, static_cast<off_t>(offset)), target, "preadv");
    }
    case way::getrandom:
      return all_of(::getrandom(at, 64, 0), target.first(64), "getrandom");
    case way::process_vm_writev: {
      const iovec from{const_cast<char*>(bytes), target.size()};
      const iovec to{at, target.size()};
      return all_of(::process_vm_writev(::getpid(), &from, 1, &to, 1, 0), target, "process_vm_writev");
    }
    case way::proc_self_mem:
      return all_of(::pwrite(own_memory_, bytes, target.size(), reinterpret_cast<off_t>(at)), target,
                    "write /proc/self/mem");
    case way::io_uring:
      return by_ring(target, offset, 0);
    case way::io_uring_worker:
      return by_ring(target, offset, IOSQE_ASYNC);
  }
}

}  // namespace oracle
