// A kernel that answers as a test wants, and as the real one does to everything else.
#ifndef GCBARRIER_TESTS_SUPPORT_FAKED_CALLS_HPP
#define GCBARRIER_TESTS_SUPPORT_FAKED_CALLS_HPP

#include <functional>
#include <gcbarrier/kernel/system_calls.hpp>
#include <optional>
#include <utility>

namespace support {

// Stays where it is while a copy of calls() lives. The function also runs in signal handlers, where the
// mechanism under test has one.
class faked_calls {
 public:
  using argument_list = gcbarrier::kernel::system_calls::argument_list;
  // What the call returns, or nothing: then the real call is made.
  using function = std::function<std::optional<long>(long number, argument_list arguments)>;

  explicit faked_calls(function answer) : answer_(std::move(answer)) {}
  faked_calls(const faked_calls&) = delete;
  faked_calls& operator=(const faked_calls&) = delete;
  ~faked_calls() = default;

  [[nodiscard]] gcbarrier::kernel::system_calls calls() { return {&handle, this}; }

  static long real(long number, argument_list arguments) {
    return gcbarrier::kernel::system_calls::real(nullptr, number, arguments);
  }

 private:
  static long handle(void* context, long number, argument_list arguments) {
    const std::optional<long> answer = static_cast<faked_calls*>(context)->answer_(number, arguments);
    return answer ? *answer : real(number, arguments);
  }

  function answer_;
};

}  // namespace support

#endif
