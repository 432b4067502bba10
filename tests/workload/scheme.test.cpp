// The small Scheme computes what it should; the expected values were computed by other means.
#include <doctest/doctest.h>
#include <heap/workload/scheme.hpp>

#include <stdexcept>
#include <string>

#include "../heap/support.hpp"

namespace {

std::int64_t value_of(const std::string& program) {
  const auto heap = heap_test::open_heap<gcheap::uffd_async_barrier>();
  gcheap::workload::scheme::interpreter scheme(*heap);
  return scheme.run(program);
}

}  // namespace

TEST_CASE("scheme: expressions") {
  CHECK(value_of("(+ 1 (* 2 3))") == 7);
  CHECK(value_of("(define x 5) (set! x (- x 7)) x") == -2);
  CHECK(value_of("((lambda (a b) (quotient a b)) 17 5)") == 3);
  CHECK(value_of("(if (null? (quote ())) 1 2)") == 1);
  CHECK(value_of("(car (cdr (quote (1 2 3))))") == 2);
  CHECK(value_of("(let loop ((i 0) (s 0)) (if (= i 100000) s (loop (+ i 1) (+ s i))))") == 4999950000);
  CHECK(value_of("(define counter ((lambda (n) (lambda () (set! n (+ n 1)) n)) 40)) (counter) (counter)") ==
        42);
  CHECK(value_of("(define v (make-vector 3 9)) (vector-set! v 1 4) (+ (vector-ref v 1) (vector-length v))") ==
        7);
}

TEST_CASE("scheme: programs") {
  using namespace gcheap::workload::scheme;
  CHECK(value_of(std::string(functional) + "(queens 6)") == 4);
  CHECK(value_of(std::string(functional) + "(queens 8)") == 92);
  CHECK(value_of(std::string(mutating) + "(mutate 20)") == 167423075);
  CHECK(value_of(std::string(arrays) + "(count-primes 100)") == 25);
  CHECK(value_of(std::string(arrays) + "(life 8 2)") == 21);
}

TEST_CASE("scheme: wrong programs are told so") {
  for (const char* wrong : {"(", ")", "(car 5)", "(1 2)", "nobody", "(+ 1)", "(quotient 1 0)",
                            "(vector-ref (make-vector 2 0) 2)", "(quote ())"}) {
    CAPTURE(wrong);
    CHECK_THROWS_AS(value_of(wrong), std::runtime_error);
  }
}
