// The values of the small Scheme: all of them objects of the collected heap; the empty list is null.
#ifndef GCHEAP_WORKLOAD_SCHEME_VALUES_HPP
#define GCHEAP_WORKLOAD_SCHEME_VALUES_HPP

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "../../object.hpp"
#include "../../type.hpp"
#include "../arrays.hpp"

namespace gcheap::workload::scheme {

struct number {
  object header;
  std::int64_t value;
  static const type kind;
};
inline const type number::kind = describe<number>("number");

struct pair {
  object header;
  field<object> car;
  field<object> cdr;
  static const type kind;
};
inline const type pair::kind = describe<pair, offsetof(pair, car), offsetof(pair, cdr)>("pair");

enum class form : std::uint64_t { none, quote, if_, define, set, lambda, begin, let };

// Carries its global value, so that globals need no look-up.
struct symbol {
  variable_object header;
  field<object> value;  // null: unbound, as the empty list is never defined globally
  form special;
  // the name
  static const type kind;
  [[nodiscard]] std::string_view name() const { return {bytes(&header), header.length}; }
};
inline const type symbol::kind = describe<symbol, offsetof(symbol, value)>("symbol", tail::bytes);

// The variables of one call: a list of names with their values, and what lies around.
struct frame {
  object header;
  field<object> names;
  field<array<object>> values;
  field<frame> outer;
  static const type kind;
};
inline const type frame::kind =
    describe<frame, offsetof(frame, names), offsetof(frame, values), offsetof(frame, outer)>("frame");

struct closure {
  object header;
  field<object> parameters;
  field<object> body;
  field<frame> defined_in;
  static const type kind;
};
inline const type closure::kind =
    describe<closure, offsetof(closure, parameters), offsetof(closure, body), offsetof(closure, defined_in)>(
        "closure");

enum class operation : std::uint64_t {
  add,
  subtract,
  multiply,
  quotient,
  remainder,
  equal,
  less,
  same,
  is_null,
  is_pair,
  cons,
  car,
  cdr,
  set_car,
  set_cdr,
  make_vector,
  vector_ref,
  vector_set,
  vector_length,
};

struct primitive {
  object header;
  operation what;
  std::size_t arguments;
  static const type kind;
};
inline const type primitive::kind = describe<primitive>("primitive");

// #t and #f.
struct boolean {
  object header;
  std::uint64_t is_true;
  static const type kind;
};
inline const type boolean::kind = describe<boolean>("boolean");

template <class T>
T* as(object* o) {
  return o != nullptr && &o->kind() == &T::kind ? reinterpret_cast<T*>(o) : nullptr;
}
template <class T>
object* plain(T* o) {
  return reinterpret_cast<object*>(o);
}

}  // namespace gcheap::workload::scheme

#endif
