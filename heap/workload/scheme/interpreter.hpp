// A small Scheme: integers, pairs, vectors, closures and tail calls; define at the top level only.
#ifndef GCHEAP_WORKLOAD_SCHEME_INTERPRETER_HPP
#define GCHEAP_WORKLOAD_SCHEME_INTERPRETER_HPP

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "../../roots.hpp"
#include "../out_of_memory.hpp"
#include "values.hpp"

namespace gcheap::workload::scheme {

// Throws std::runtime_error for a wrong program, out_of_memory where the heap is too small.
template <class Heap>
class interpreter {
 public:
  explicit interpreter(Heap& heap) : heap_(heap), true_(heap.roots()), false_(heap.roots()) {
    true_ = plain(make<boolean>(heap_));
    as<boolean>(true_)->is_true = 1;
    false_ = plain(make<boolean>(heap_));
    define_forms();
    define_primitives();
  }

  // Evaluates all expressions of a text; returns the last value, which must be a number.
  std::int64_t run(std::string_view text) {
    root<object> value(heap_.roots());
    const char* at = text.data();
    const char* const end = at + text.size();
    for (skip_space(at, end); at != end; skip_space(at, end)) {
      root<object> expression(heap_.roots(), read(at, end));
      value = evaluate(expression, nullptr);
    }
    return number_of(value);
  }

 private:
  // ---- reading ----

  static void skip_space(const char*& at, const char* end) {
    while (at != end && (*at == ' ' || *at == '\n')) ++at;
  }

  object* read(const char*& at, const char* end) {
    skip_space(at, end);
    if (at == end) throw std::runtime_error("scheme: the text ends inside an expression");
    if (*at == '(') return read_list(++at, end);
    const char* const begin = at;
    while (at != end && *at != ' ' && *at != '\n' && *at != '(' && *at != ')') ++at;
    const std::string word(begin, at);
    if (word.empty()) throw std::runtime_error("scheme: unexpected )");
    if (word == "#t") return true_;
    if (word == "#f") return false_;
    if ((word[0] >= '0' && word[0] <= '9') || (word[0] == '-' && word.size() > 1))
      return make_number(std::stoll(word));
    return plain(intern(word));
  }
  object* read_list(const char*& at, const char* end) {
    skip_space(at, end);
    if (at != end && *at == ')') {
      ++at;
      return nullptr;
    }
    root<object> first(heap_.roots(), read(at, end));
    root<object> rest(heap_.roots(), read_list(at, end));
    return cons(first, rest);
  }

  symbol* intern(const std::string& name) {
    std::unique_ptr<root<symbol>>& place = symbols_[name];
    if (place == nullptr) {
      auto* const fresh = make<symbol>(heap_, name.size());
      std::memcpy(bytes(&fresh->header), name.data(), name.size());
      place = std::make_unique<root<symbol>>(heap_.roots(), fresh);
    }
    return place->get();
  }

  // ---- evaluating ----

  // Calls in tail position do not recurse.
  object* evaluate(object* what, frame* where) {
    root<object> expression(heap_.roots(), what);
    root<frame> variables(heap_.roots(), where);
    for (;;) {
      if (auto* const name = as<symbol>(expression)) return *place_of(*name, variables);
      if (as<pair>(expression) == nullptr) return expression;
      const auto* const head = as<symbol>(car(expression));
      switch (head == nullptr ? form::none : head->special) {
        case form::quote:
          return second(expression);
        case form::if_: {
          const bool chosen = evaluate(second(expression), variables) != false_.get();
          object* const branches = cdr(cdr(expression));
          if (!chosen && cdr(branches) == nullptr) return false_;
          expression = car(chosen ? branches : cdr(branches));
          continue;
        }
        case form::define: {
          object* const value = evaluate(car(cdr(cdr(expression))), variables);
          heap_.store(symbol_of(second(expression)).value, value);
          return value;
        }
        case form::set: {
          object* const value = evaluate(car(cdr(cdr(expression))), variables);
          heap_.store(*place_of(symbol_of(second(expression)), variables), value);
          return value;
        }
        case form::lambda:
          return plain(make_closure(second(expression), cdr(cdr(expression)), variables));
        case form::begin:
          expression = all_but_last(cdr(expression), variables);
          continue;
        case form::let:
          expression = enter_let(expression, variables);
          continue;
        case form::none:
          break;
      }
      root<object> called(heap_.roots(), evaluate(car(expression), variables));
      root<array<object>> arguments(heap_.roots(), evaluate_all(cdr(expression), variables));
      if (const primitive* const simple = as<primitive>(called)) return apply(*simple, arguments);
      if (as<closure>(called) == nullptr) throw std::runtime_error("scheme: called what is not a procedure");
      variables = call(called, arguments);
      expression = all_but_last(as<closure>(called)->body, variables);
    }
  }

  // Evaluates a body but for its last expression, which it returns.
  object* all_but_last(object* list, frame* where) {
    root<object> rest(heap_.roots(), list);
    root<frame> variables(heap_.roots(), where);
    while (cdr(rest) != nullptr) {
      evaluate(car(rest), variables);
      rest = cdr(rest);
    }
    return car(rest);
  }

  array<object>* evaluate_all(object* list, frame* where) {
    root<object> rest(heap_.roots(), list);
    root<frame> variables(heap_.roots(), where);
    std::size_t count = 0;
    for (object* at = list; at != nullptr; at = cdr(at)) ++count;
    root<array<object>> values(heap_.roots(), make<array<object>>(heap_, count));
    for (std::size_t i = 0; i < count; ++i, rest = cdr(rest)) {
      object* const value = evaluate(car(rest), variables);
      heap_.store((*values)[i], value);
    }
    return values;
  }

  frame* call(root<object>& called, root<array<object>>& arguments) {
    auto* const fresh = make<frame>(heap_);
    const closure& procedure = *as<closure>(called);
    heap_.store(fresh->names, procedure.parameters.get());
    heap_.store(fresh->values, arguments.get());
    heap_.store(fresh->outer, procedure.defined_in.get());
    return fresh;
  }

  // (let name ((variable value) ...) body ...): the loop of this Scheme. Leaves the last expression of the
  // body, and the variables to evaluate it with.
  object* enter_let(root<object>& expression, root<frame>& variables) {
    root<object> parameters(heap_.roots());
    root<object> initial(heap_.roots());
    root<object> binding(heap_.roots(), car(cdr(cdr(expression))));
    split(binding, parameters, initial);
    root<array<object>> arguments(heap_.roots(), evaluate_all(initial, variables));
    root<frame> around(heap_.roots(), make<frame>(heap_));
    heap_.store(around->outer, variables.get());
    object* const names = cons_of(second(expression), nullptr);
    heap_.store(around->names, names);
    auto* const values = make<array<object>>(heap_, 1);
    heap_.store(around->values, values);
    root<object> loop(heap_.roots(), plain(make_closure(parameters, cdr(cdr(cdr(expression))), around)));
    heap_.store((*around->values)[0], loop.get());
    variables = call(loop, arguments);
    return all_but_last(as<closure>(loop)->body, variables);
  }
  // ((a 1) (b 2)) becomes (a b) and (1 2).
  void split(root<object>& bindings, root<object>& names, root<object>& values) {
    if (bindings == nullptr) return;
    root<object> rest(heap_.roots(), cdr(bindings));
    root<object> first(heap_.roots(), car(bindings));
    split(rest, names, values);
    names = cons_of(car(first), names);
    values = cons_of(second(first), values);
  }

  field<object>* place_of(symbol& name, frame* variables) {
    for (frame* f = variables; f != nullptr; f = f->outer) {
      std::size_t i = 0;
      for (object* at = f->names; at != nullptr; at = cdr(at), ++i) {
        if (car(at) == plain(&name)) return &(*f->values)[i];
      }
    }
    if (name.value == nullptr)
      throw std::runtime_error("scheme: unbound variable " + std::string(name.name()));
    return &name.value;
  }

  // ---- primitives ----

  void define_forms() {
    constexpr std::pair<const char*, form> forms[] = {
        {"quote", form::quote},   {"if", form::if_},      {"define", form::define}, {"set!", form::set},
        {"lambda", form::lambda}, {"begin", form::begin}, {"let", form::let}};
    for (const auto& [name, special] : forms) intern(name)->special = special;
  }
  void define_primitives() {
    struct entry {
      const char* name;
      operation what;
      std::size_t arguments;
    };
    constexpr entry entries[] = {{"+", operation::add, 2},
                                 {"-", operation::subtract, 2},
                                 {"*", operation::multiply, 2},
                                 {"quotient", operation::quotient, 2},
                                 {"remainder", operation::remainder, 2},
                                 {"=", operation::equal, 2},
                                 {"<", operation::less, 2},
                                 {"eq?", operation::same, 2},
                                 {"null?", operation::is_null, 1},
                                 {"pair?", operation::is_pair, 1},
                                 {"cons", operation::cons, 2},
                                 {"car", operation::car, 1},
                                 {"cdr", operation::cdr, 1},
                                 {"set-car!", operation::set_car, 2},
                                 {"set-cdr!", operation::set_cdr, 2},
                                 {"make-vector", operation::make_vector, 2},
                                 {"vector-ref", operation::vector_ref, 2},
                                 {"vector-set!", operation::vector_set, 3},
                                 {"vector-length", operation::vector_length, 1}};
    for (const entry& one : entries) {
      root<object> fresh(heap_.roots(), plain(make<primitive>(heap_)));
      as<primitive>(fresh)->what = one.what;
      as<primitive>(fresh)->arguments = one.arguments;
      symbol* const name = intern(one.name);
      heap_.store(name->value, fresh.get());
    }
  }

  object* apply(const primitive& called, root<array<object>>& arguments) {
    array<object>& a = *arguments;
    if (a.size() != called.arguments) throw std::runtime_error("scheme: wrong number of arguments");
    switch (called.what) {
      case operation::add:
        return make_number(number_of(a[0]) + number_of(a[1]));
      case operation::subtract:
        return make_number(number_of(a[0]) - number_of(a[1]));
      case operation::multiply:
        return make_number(number_of(a[0]) * number_of(a[1]));
      case operation::quotient:
        return make_number(number_of(a[0]) / divisor_of(a[1]));
      case operation::remainder:
        return make_number(number_of(a[0]) % divisor_of(a[1]));
      case operation::equal:
        return truth(number_of(a[0]) == number_of(a[1]));
      case operation::less:
        return truth(number_of(a[0]) < number_of(a[1]));
      case operation::same:
        return truth(a[0].get() == a[1].get());
      case operation::is_null:
        return truth(a[0].get() == nullptr);
      case operation::is_pair:
        return truth(as<pair>(a[0]) != nullptr);
      case operation::cons:
        return cons_of(a[0], a[1]);
      case operation::car:
        return car(a[0]);
      case operation::cdr:
        return cdr(a[0]);
      case operation::set_car:
        heap_.store(pair_of(a[0]).car, a[1].get());
        return a[1];
      case operation::set_cdr:
        heap_.store(pair_of(a[0]).cdr, a[1].get());
        return a[1];
      case operation::make_vector: {
        const auto length = static_cast<std::size_t>(number_of(a[0]));
        auto* const fresh = make<array<object>>(heap_, length);
        for (std::size_t i = 0; i < length; ++i) heap_.store((*fresh)[i], (*arguments)[1].get());
        return plain(fresh);
      }
      case operation::vector_ref:
        return element(a);
      case operation::vector_set:
        heap_.store(element(a), a[2].get());
        return a[2];
      case operation::vector_length:
        return make_number(static_cast<std::int64_t>(vector_of(a[0]).size()));
    }
    throw std::runtime_error("scheme: unknown primitive");
  }

  // ---- values ----

  object* make_number(std::int64_t value) {
    auto* const fresh = make<number>(heap_);
    fresh->value = value;
    return plain(fresh);
  }
  object* cons_of(object* first, object* rest) {
    root<object> kept_first(heap_.roots(), first);
    root<object> kept_rest(heap_.roots(), rest);
    return cons(kept_first, kept_rest);
  }
  object* cons(root<object>& first, root<object>& rest) {
    auto* const fresh = make<pair>(heap_);
    heap_.store(fresh->car, first.get());
    heap_.store(fresh->cdr, rest.get());
    return plain(fresh);
  }
  closure* make_closure(object* parameters, object* body, frame* where) {
    root<object> kept_parameters(heap_.roots(), parameters);
    root<object> kept_body(heap_.roots(), body);
    root<frame> kept_frame(heap_.roots(), where);
    auto* const fresh = make<closure>(heap_);
    heap_.store(fresh->parameters, kept_parameters.get());
    heap_.store(fresh->body, kept_body.get());
    heap_.store(fresh->defined_in, kept_frame.get());
    return fresh;
  }
  object* truth(bool is_true) { return is_true ? true_ : false_; }

  template <class T>
  static T& expect(object* o) {
    if (T* const found = as<T>(o)) return *found;
    throw std::runtime_error("scheme: a " + std::string(T::kind.name) + " was expected");
  }
  static pair& pair_of(object* o) { return expect<pair>(o); }
  static symbol& symbol_of(object* o) { return expect<symbol>(o); }
  static array<object>& vector_of(object* o) { return expect<array<object>>(o); }
  static std::int64_t number_of(object* o) { return expect<number>(o).value; }
  static std::int64_t divisor_of(object* o) {
    const std::int64_t value = number_of(o);
    if (value == 0) throw std::runtime_error("scheme: division by zero");
    return value;
  }
  static object* car(object* o) { return pair_of(o).car; }
  static object* cdr(object* o) { return pair_of(o).cdr; }
  static object* second(object* o) { return car(cdr(o)); }
  static field<object>& element(array<object>& arguments) {
    array<object>& vector = vector_of(arguments[0]);
    const auto at = static_cast<std::size_t>(number_of(arguments[1]));
    if (at >= vector.size()) throw std::runtime_error("scheme: vector index out of range");
    return vector[at];
  }

  Heap& heap_;
  std::map<std::string, std::unique_ptr<root<symbol>>> symbols_;
  root<object> true_;
  root<object> false_;
};

}  // namespace gcheap::workload::scheme

#endif
