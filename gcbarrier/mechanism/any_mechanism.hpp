// The mechanism that was chosen when the tracker was opened.
#ifndef GCBARRIER_MECHANISM_ANY_MECHANISM_HPP
#define GCBARRIER_MECHANISM_ANY_MECHANISM_HPP

#include <cstdint>
#include <type_traits>
#include <utility>
#include <variant>

#include "../address_range.hpp"
#include "../error.hpp"
#include "../kernel/system_calls.hpp"
#include "../run_list.hpp"
#include "../version.hpp"
#include "mechanism.hpp"
#include "mprotect_segv.hpp"
#include "soft_dirty.hpp"
#include "uffd_async.hpp"

GCBARRIER_NAMESPACE_BEGIN

class any_mechanism {
 public:
  any_mechanism(uffd_async chosen) : chosen_(std::move(chosen)) {}     // NOLINT(google-explicit-constructor)
  any_mechanism(soft_dirty chosen) : chosen_(std::move(chosen)) {}     // NOLINT(google-explicit-constructor)
  any_mechanism(mprotect_segv chosen) : chosen_(std::move(chosen)) {}  // NOLINT(google-explicit-constructor)

  static result<any_mechanism> open(mechanism_kind kind, kernel::system_calls calls) {
    switch (kind) {
      case mechanism_kind::uffd_async:
        return wrap(uffd_async::open(calls));
      case mechanism_kind::soft_dirty:
        return wrap(soft_dirty::open(calls));
      case mechanism_kind::mprotect:
        return wrap(mprotect_segv::open(calls));
      case mechanism_kind::uffd_sync:  // has a thread: only for who names it in his source
        break;
    }
    return error{"open", EINVAL, {}, "unknown mechanism"};
  }

  [[nodiscard]] mechanism_kind kind() const {
    return std::visit([](const auto& m) { return m.kind(); }, chosen_);
  }
  [[nodiscard]] mechanism_traits traits() const {
    return std::visit([](const auto& m) { return m.traits(); }, chosen_);
  }
  [[nodiscard]] mechanism_counters counters() const {
    return std::visit([](const auto& m) { return m.counters(); }, chosen_);
  }
  error attach(address_range range) {
    return std::visit([=](auto& m) { return m.attach(range); }, chosen_);
  }
  error detach(address_range range) {
    return std::visit([=](auto& m) { return m.detach(range); }, chosen_);
  }
  error read(address_range range, run_list& out) {
    return std::visit([&](auto& m) { return m.read(range, out); }, chosen_);
  }
  error read_and_protect(address_range range, run_list& out) {
    return std::visit([&](auto& m) { return m.read_and_protect(range, out); }, chosen_);
  }
  error protect(address_range range) {
    return std::visit([=](auto& m) { return m.protect(range); }, chosen_);
  }
  error unprotect(address_range range) {
    return std::visit([=](auto& m) { return m.unprotect(range); }, chosen_);
  }
  // Where the chosen one cannot collapse, no block is fit for it.
  result<block_pages> pages_of(address_range block) {
    return std::visit(
        [=](auto& m) -> result<block_pages> {
          if constexpr (collapsing_mechanism<std::remove_reference_t<decltype(m)>>) return m.pages_of(block);
          return block_pages::other;
        },
        chosen_);
  }
  result<bool> collapse(address_range block) {
    return std::visit(
        [=](auto& m) -> result<bool> {
          if constexpr (collapsing_mechanism<std::remove_reference_t<decltype(m)>>) return m.collapse(block);
          return false;
        },
        chosen_);
  }
  error reopen() {
    return std::visit([](auto& m) { return m.reopen(); }, chosen_);
  }

 private:
  template <class M>
  static result<any_mechanism> wrap(result<M> opened) {
    if (!opened) return opened.error();
    return any_mechanism(std::move(*opened));
  }
  std::variant<uffd_async, soft_dirty, mprotect_segv> chosen_;
};
static_assert(collapsing_mechanism<any_mechanism>);

GCBARRIER_NAMESPACE_END

#endif
