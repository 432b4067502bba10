// Mechanisms that are right as long as nobody races with them: the negative controls.
#ifndef GCBARRIER_TESTS_CONCURRENCY_CARELESS_HPP
#define GCBARRIER_TESTS_CONCURRENCY_CARELESS_HPP

#include <sched.h>

#include <gcbarrier/mechanism/mechanism.hpp>
#include <utility>

// Reads and then protects, where one step is promised: a write between them is forgotten.
template <gcbarrier::mechanism Mechanism>
class two_steps {
 public:
  using address_range = gcbarrier::address_range;
  using error = gcbarrier::error;

  explicit two_steps(Mechanism honest) : honest_(std::move(honest)) {}

  [[nodiscard]] gcbarrier::mechanism_kind kind() const { return honest_.kind(); }
  [[nodiscard]] gcbarrier::mechanism_traits traits() const { return honest_.traits(); }
  [[nodiscard]] gcbarrier::mechanism_counters counters() const { return honest_.counters(); }
  error attach(address_range range) { return honest_.attach(range); }
  error detach(address_range range) { return honest_.detach(range); }
  error read(address_range range, gcbarrier::run_list& out) { return honest_.read(range, out); }
  error read_and_protect(address_range range, gcbarrier::run_list& out) {
    const error why = honest_.read(range, out);
    sched_yield();
    return why ? why : honest_.protect(range);
  }
  error protect(address_range range) { return honest_.protect(range); }
  error unprotect(address_range range) { return honest_.unprotect(range); }
  error reopen() { return honest_.reopen(); }

 private:
  Mechanism honest_;
};

#endif
