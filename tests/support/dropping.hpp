// A mechanism that loses pages on purpose: the negative control of every test that looks for lost pages.
#ifndef GCBARRIER_TESTS_SUPPORT_DROPPING_HPP
#define GCBARRIER_TESTS_SUPPORT_DROPPING_HPP

#include <cstddef>
#include <cstdlib>
#include <functional>
#include <gcbarrier/mechanism/mechanism.hpp>
#include <gcbarrier/run_list.hpp>
#include <utility>

namespace support {

// Leaves the pages out of its answers for which `drops` says so.
template <gcbarrier::mechanism Mechanism>
class dropping {
 public:
  using address_range = gcbarrier::address_range;
  using error = gcbarrier::error;
  using choice = std::function<bool(address_range page)>;

  dropping(Mechanism honest, choice drops) : honest_(std::move(honest)), drops_(std::move(drops)) {}

  [[nodiscard]] gcbarrier::mechanism_kind kind() const { return honest_.kind(); }
  [[nodiscard]] gcbarrier::mechanism_traits traits() const { return honest_.traits(); }
  [[nodiscard]] gcbarrier::mechanism_counters counters() const { return honest_.counters(); }
  error attach(address_range range) { return honest_.attach(range); }
  error detach(address_range range) { return honest_.detach(range); }
  error read(address_range range, gcbarrier::run_list& out) {
    return without_dropped(out, honest_.read(range, whole(range)));
  }
  error read_and_protect(address_range range, gcbarrier::run_list& out) {
    return without_dropped(out, honest_.read_and_protect(range, whole(range)));
  }
  error protect(address_range range) { return honest_.protect(range); }
  error unprotect(address_range range) { return honest_.unprotect(range); }
  error reopen() { return honest_.reopen(); }

 private:
  // Room for every run that the honest answer can have.
  gcbarrier::run_list& whole(address_range range) {
    whole_.clear();
    if (whole_.reserve(range.bytes() / page() + 1)) std::abort();
    return whole_;
  }
  error without_dropped(gcbarrier::run_list& out, error why) {
    for (const address_range run : whole_.runs()) {
      for (std::uintptr_t at = run.begin; at < run.end; at += page()) {
        if (!drops_({at, at + page()})) out.append({at, at + page()});
      }
    }
    return why;
  }
  static std::size_t page() { return gcbarrier::kernel::page_size(); }

  Mechanism honest_;
  choice drops_;
  gcbarrier::run_list whole_;
};

}  // namespace support

#endif
