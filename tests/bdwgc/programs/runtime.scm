;; What a Scheme program does: records, hash and weak tables, continuations, threads, bignums, files and a socket,
;; with enough garbage for many collections. Prints sums that do not depend on timing.
(use-modules (srfi srfi-1) (srfi srfi-9) (ice-9 threads) (ice-9 textual-ports) (ice-9 rdelim))

(define (random-source seed)
  (lambda (limit)
    (set! seed (modulo (+ (* seed 1103515245) 12345) 2147483648))
    (modulo (quotient seed 8) limit)))
(define (say what . values) (display what) (display ": ") (display values) (newline) (force-output))

;; Records: a tree whose old nodes keep getting new children and data.
(define-record-type node (make-node key left right data) node?
  (key node-key) (left node-left set-node-left!) (right node-right set-node-right!)
  (data node-data set-node-data!))
(define (insert! root key)
  (let loop ((at root))
    (let ((next (if (< key (node-key at)) node-left node-right))
          (set-next! (if (< key (node-key at)) set-node-left! set-node-right!)))
      (if (next at) (loop (next at)) (set-next! at (make-node key #f #f (make-vector 4 key)))))))
(define (fold-tree f start at)
  (if at (fold-tree f (f at (fold-tree f start (node-left at))) (node-right at)) start))
(define tree (make-node 500000 #f #f (make-vector 4 500000)))
(let ((random (random-source 1)))
  (do ((i 0 (+ i 1))) ((= i 30000)) (insert! tree (random 1000000))))
(say "tree" (fold-tree (lambda (n sum) (+ sum (vector-ref (node-data n) 3))) 0 tree))
(do ((i 0 (+ i 1))) ((= i 12))
  (fold-tree (lambda (n count)
               (when (= 0 (modulo count 7)) (set-node-data! n (vector i count (list i count) (number->string count))))
               (+ count 1))
             0 tree))
(say "tree, rewritten"
     (fold-tree (lambda (n sum) (+ sum (let ((v (vector-ref (node-data n) 3))) (if (string? v) (string->number v) v))))
                0 tree))

;; Hash tables, whose buckets are old and whose entries are new.
(define table (make-hash-table))
(let ((random (random-source 2)))
  (do ((i 0 (+ i 1))) ((= i 150000))
    (hash-set! table (random 20000) (list i (number->string i)))))
(say "hash" (hash-count (const #t) table) (hash-fold (lambda (k v sum) (+ sum (car v) (string->number (cadr v)))) 0 table))

;; Weak tables: what is held stays, and what is not held goes.
(define weak (make-weak-key-hash-table))
(define held (map (lambda (i) (let ((key (list i))) (hashq-set! weak key (* i i)) key)) (iota 1000)))
(do ((i 0 (+ i 1))) ((= i 20000)) (hashq-set! weak (list i) i))
(gc)
(say "weak" (fold (lambda (key sum) (+ sum (hashq-ref weak key))) 0 held)
     (< (hash-fold (lambda (k v count) (+ count 1)) 0 weak) 22000))
(define guardian (make-guardian))
(do ((i 0 (+ i 1))) ((= i 1000)) (guardian (vector i)))
(gc)
(say "guardian" (let loop ((sum 0)) (let ((v (guardian))) (if v (loop (+ sum (min 1 (vector-length v)))) (> sum 500)))))

;; Continuations: generators that are re-entered, and an escape per item.
(define (generate-from list)
  (define return #f)
  (define (next)
    (call/cc (lambda (caller)
               (set! return caller)
               (for-each (lambda (x) (call/cc (lambda (resume) (set! next (lambda () (resume #f))) (return x)))) list)
               (return #f))))
  (lambda () (call/cc (lambda (caller) (set! return caller) (next)))))
(define g (generate-from (iota 3000)))
(say "continuations" (let loop ((sum 0)) (let ((x (g))) (if x (loop (+ sum x)) sum))))
(define tag (make-prompt-tag))
(say "prompts" (let loop ((i 0) (sum 0))
                 (if (= i 20000) sum
                     (loop (+ i 1)
                           (+ sum (call-with-prompt tag (lambda () (abort-to-prompt tag (list i)))
                                                    (lambda (k v) (car v))))))))

;; Bignums.
(define (factorial n) (let loop ((i 1) (p 1)) (if (> i n) p (loop (+ i 1) (* p i)))))
(say "bignums" (modulo (factorial 1200) 1000000007)
     (string-length (number->string (factorial 1000)))
     (modulo (fold (lambda (i sum) (+ sum (expt i 50))) 0 (iota 2000)) 998244353))

;; Deep recursion: a stack that holds the only references to much.
(define (deep n) (if (= n 0) '() (let ((here (vector n (number->string n)))) (let ((rest (deep (- n 1)))) (cons here rest)))))
(say "deep" (fold (lambda (v sum) (+ sum (string->number (vector-ref v 1)))) 0 (deep 60000)))

;; Starts a thread whose stack has room already when this returns. Guile 3.0.8 crashes, on any libgc, if another thread
;; collects garbage while a stack grows.
(define (start-thread thunk)
  (let* ((lock (make-mutex)) (changed (make-condition-variable)) (ready #f)
         (thread (call-with-new-thread
                  (lambda ()
                    (deep 4000)
                    (with-mutex lock (set! ready #t) (signal-condition-variable changed))
                    (thunk)))))
    (with-mutex lock (let wait () (unless ready (wait-condition-variable changed lock) (wait))))
    thread))

;; Threads, each with its own heap of things and a shared table under a lock.
(define lock (make-mutex))
(define shared (make-hash-table))
(define gate (make-mutex))
(define (work seed)
  (with-mutex gate #t)
  (let ((random (random-source seed)) (mine (make-vector 2000 '())))
    (do ((i 0 (+ i 1))) ((= i 15000))
      (let ((at (random 2000))) (vector-set! mine at (cons i (list-head (vector-ref mine at) (min 3 (length (vector-ref mine at)))))))
      (when (= 0 (modulo i 100)) (with-mutex lock (hash-set! shared (cons seed i) (list i)))))
    (fold + 0 (append-map (lambda (x) x) (vector->list mine)))))
(lock-mutex gate)
(define workers (map (lambda (seed) (start-thread (lambda () (work seed)))) (iota 4 10)))
(unlock-mutex gate)
(say "threads" (map join-thread workers)
     (hash-fold (lambda (k v sum) (+ sum (car v))) 0 shared))

;; A file: written and read in pieces.
(define name (string-append (or (getenv "TMPDIR") "/tmp") "/gcbarrier-" (number->string (getpid)) ".txt"))
(call-with-output-file name (lambda (port) (do ((i 0 (+ i 1))) ((= i 10000)) (write (list i (* i i)) port) (newline port))))
(say "file" (call-with-input-file name
              (lambda (port) (let loop ((sum 0)) (let ((x (read port))) (if (eof-object? x) sum (loop (+ sum (cadr x)))))))))
(say "file as string" (string-length (call-with-input-file name get-string-all)))
(delete-file name)

;; A socket on the loopback: a thread echoes lines backwards.
(define listener (socket PF_INET SOCK_STREAM 0))
(bind listener AF_INET INADDR_LOOPBACK 0)
(listen listener 1)
(define echo
  (start-thread
   (lambda ()
     (let ((port (car (accept listener))))
       (setvbuf port 'block)
       (let loop ()
         (let ((line (read-line port)))
           (unless (eof-object? line) (display (string-reverse line) port) (newline port) (force-output port) (loop))))
       (close-port port)))))
(define client (socket PF_INET SOCK_STREAM 0))
(setvbuf client 'block)
(connect client AF_INET INADDR_LOOPBACK (sockaddr:port (getsockname listener)))
(say "socket" (let loop ((i 0) (sum 0))
                (if (= i 1000) sum
                    (begin
                      (display (string-reverse (number->string (+ i 100000))) client)
                      (newline client)
                      (force-output client)
                      (loop (+ i 1) (+ sum (string->number (read-line client))))))))
(close-port client)
(join-thread echo)

;; A child process of its own.
(let ((child (primitive-fork)))
  (if (= child 0)
      (begin
        (do ((i 0 (+ i 1))) ((= i 100000)) (hash-set! table (modulo i 20000) (list i "x")))
        (primitive-_exit (if (= (hash-fold (lambda (k v sum) (+ sum (car v))) 0 table) 1799990000) 5 6)))
      (say "fork" (status:exit-val (cdr (waitpid child))))))
(say "tree, at the end" (fold-tree (lambda (n count) (+ count 1)) 0 tree))
