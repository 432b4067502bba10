// A mechanism that makes light of errors: the negative control of the tests that make system calls fail.
#ifndef GCBARRIER_TESTS_TRACKER_FAULTS_DEAF_HPP
#define GCBARRIER_TESTS_TRACKER_FAULTS_DEAF_HPP

#include <gcbarrier/mechanism/mechanism.hpp>
#include <utility>

enum class deaf_to : unsigned char { reading, protecting, attaching, unprotecting };

// Says that all went well when the operation named failed.
template <gcbarrier::mechanism Mechanism, deaf_to What>
class deaf {
 public:
  using address_range = gcbarrier::address_range;
  using error = gcbarrier::error;

  static gcbarrier::result<deaf> open(gcbarrier::kernel::system_calls calls) {
    gcbarrier::result<Mechanism> honest = Mechanism::open(calls);
    if (!honest) return honest.error();
    return deaf(std::move(*honest));
  }

  [[nodiscard]] gcbarrier::mechanism_kind kind() const { return honest_.kind(); }
  [[nodiscard]] gcbarrier::mechanism_traits traits() const { return honest_.traits(); }
  [[nodiscard]] gcbarrier::mechanism_counters counters() const { return honest_.counters(); }
  error attach(address_range range) { return hear<deaf_to::attaching>(honest_.attach(range)); }
  error detach(address_range range) { return honest_.detach(range); }
  error read(address_range range, gcbarrier::run_list& out) {
    return hear<deaf_to::reading>(honest_.read(range, out));
  }
  error read_and_protect(address_range range, gcbarrier::run_list& out) {
    return hear<deaf_to::reading>(honest_.read_and_protect(range, out));
  }
  error protect(address_range range) { return hear<deaf_to::protecting>(honest_.protect(range)); }
  error unprotect(address_range range) { return hear<deaf_to::unprotecting>(honest_.unprotect(range)); }
  error reopen() { return honest_.reopen(); }

 private:
  explicit deaf(Mechanism honest) : honest_(std::move(honest)) {}

  template <deaf_to Operation>
  static error hear(error why) {
    return Operation == What ? error{} : why;
  }

  Mechanism honest_;
};

#endif
