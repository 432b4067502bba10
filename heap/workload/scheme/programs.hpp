// What the small Scheme runs: one program that only allocates, one that mutates lists and closures, one that
// is all arrays.
#ifndef GCHEAP_WORKLOAD_SCHEME_PROGRAMS_HPP
#define GCHEAP_WORKLOAD_SCHEME_PROGRAMS_HPP

#include <string_view>

namespace gcheap::workload::scheme {

// Counts the ways to put n queens on a board; (queens n) with lists alone.
inline constexpr std::string_view functional = R"(
(define safe? (lambda (row distance placed)
  (if (null? placed) #t
    (if (= (car placed) row) #f
      (if (= (car placed) (+ row distance)) #f
        (if (= (car placed) (- row distance)) #f
          (safe? row (+ distance 1) (cdr placed))))))))
(define place (lambda (column n placed)
  (if (= column n) 1
    (let try ((row 0) (found 0))
      (if (= row n) found
        (try (+ row 1)
             (if (safe? row 1 placed) (+ found (place (+ column 1) n (cons row placed))) found)))))))
(define queens (lambda (n) (place 0 n (quote ()))))
)";

// Queues with their ends in a pair, accounts that are closures, and a list sorted in place; (mutate n).
inline constexpr std::string_view mutating = R"(
(define make-queue (lambda () (cons (quote ()) (quote ()))))
(define push! (lambda (queue x)
  (let once ((cell (cons x (quote ()))))
    (if (null? (car queue)) (set-car! queue cell) (set-cdr! (cdr queue) cell))
    (set-cdr! queue cell))))
(define pop! (lambda (queue)
  (let once ((cell (car queue)))
    (set-car! queue (cdr cell))
    (car cell))))
(define make-account (lambda (balance)
  (lambda (amount) (set! balance (+ balance amount)) balance)))
(define merge! (lambda (a b)
  (if (null? a) b
    (if (null? b) a
      (let once ((head (if (< (car b) (car a)) b a)) (other (if (< (car b) (car a)) a b)))
        (let step ((last head) (x (cdr head)) (y other))
          (if (null? x) (set-cdr! last y)
            (if (null? y) (set-cdr! last x)
              (if (< (car y) (car x))
                (begin (set-cdr! last y) (step y x (cdr y)))
                (begin (set-cdr! last x) (step x (cdr x) y))))))
        head)))))
(define sort-queue! (lambda (queue n)
  (let rounds ((left (- n 1)))
    (if (= left 0) (pop! queue)
      (begin (push! queue (merge! (pop! queue) (pop! queue))) (rounds (- left 1)))))))
(define mutate (lambda (n)
  (let once ((queue (make-queue)) (account (make-account 0)) (seed 42))
    (let fill ((i 0))
      (if (= i n) 0
        (begin
          (set! seed (remainder (+ (* seed 1103515245) 12345) 2147483648))
          (push! queue (cons seed (quote ())))
          (account (remainder seed 1000))
          (fill (+ i 1)))))
    (let weigh ((rest (sort-queue! queue n)) (i 1) (sum (account 0)))
      (if (null? rest) sum
        (weigh (cdr rest) (+ i 1) (remainder (+ sum (* i (car rest))) 1000000007)))))))
)";

// A sieve and the game of life on a torus, in vectors of numbers; (arrays n).
inline constexpr std::string_view arrays = R"(
(define count-primes (lambda (n)
  (let once ((sieve (make-vector n 1)))
    (let outer ((i 2) (count 0))
      (if (= i n) count
        (if (= (vector-ref sieve i) 1)
          (begin
            (let strike ((j (* i i)))
              (if (< j n) (begin (vector-set! sieve j 0) (strike (+ j i))) 0))
            (outer (+ i 1) (+ count 1)))
          (outer (+ i 1) count)))))))
(define cell (lambda (board side x y)
  (vector-ref board (+ (* (remainder (+ y side) side) side) (remainder (+ x side) side)))))
(define neighbours (lambda (board side x y)
  (+ (+ (+ (cell board side (- x 1) (- y 1)) (cell board side x (- y 1)))
        (+ (cell board side (+ x 1) (- y 1)) (cell board side (- x 1) y)))
     (+ (+ (cell board side (+ x 1) y) (cell board side (- x 1) (+ y 1)))
        (+ (cell board side x (+ y 1)) (cell board side (+ x 1) (+ y 1)))))))
(define generation (lambda (from to side)
  (let each ((at 0))
    (if (= at (* side side)) to
      (let once ((near (neighbours from side (remainder at side) (quotient at side))))
        (vector-set! to at (if (= near 3) 1 (if (= near 2) (vector-ref from at) 0)))
        (each (+ at 1)))))))
(define life (lambda (side generations)
  (let once ((a (make-vector (* side side) 0)) (b (make-vector (* side side) 0)) (seed 7))
    (let fill ((at 0))
      (if (= at (* side side)) 0
        (begin
          (set! seed (remainder (+ (* seed 1103515245) 12345) 2147483648))
          (vector-set! a at (remainder (quotient seed 65536) 2))
          (fill (+ at 1)))))
    (let turn ((g 0) (from a) (to b))
      (if (= g generations)
        (let sum ((at 0) (alive 0))
          (if (= at (* side side)) alive (sum (+ at 1) (+ alive (vector-ref from at)))))
        (turn (+ g 1) (generation from to side) from))))))
(define arrays (lambda (n) (+ (count-primes n) (life 32 (quotient n 8000)))))
)";

}  // namespace gcheap::workload::scheme

#endif
