;; What a Lisp program does: structures, hash and weak tables, non-local exits, threads, bignums, files and a
;; socket, with enough garbage for many collections. Prints sums that do not depend on timing.
(require 'sockets)

(defun random-source (seed)
  (lambda (limit)
    (setf seed (mod (+ (* seed 1103515245) 12345) 2147483648))
    (mod (floor seed 8) limit)))
(defun say (what &rest values)
  (format t "~a: ~{~a~^ ~}~%" what values)
  (finish-output))

;; Structures: a tree whose old nodes keep getting new children and data.
(defstruct node key left right data)
(defun insert (root key)
  (loop with at = root
        for next = (if (< key (node-key at)) (node-left at) (node-right at))
        do (if next
               (setf at next)
               (let ((new (make-node :key key :data (make-array 4 :initial-element key))))
                 (if (< key (node-key at)) (setf (node-left at) new) (setf (node-right at) new))
                 (return)))))
(defun walk (visit at)
  (when at
    (walk visit (node-left at))
    (funcall visit at)
    (walk visit (node-right at))))
(defvar *tree* (make-node :key 500000 :data (make-array 4 :initial-element 500000)))
(let ((random (random-source 1)))
  (dotimes (i 20000) (insert *tree* (funcall random 1000000))))
(let ((sum 0))
  (walk (lambda (n) (incf sum (aref (node-data n) 3))) *tree*)
  (say "tree" sum))
(dotimes (i 10)
  (let ((count 0))
    (walk (lambda (n)
            (when (zerop (mod count 7)) (setf (node-data n) (vector i count (list i count) (format nil "~d" count))))
            (incf count))
          *tree*)))
(let ((sum 0))
  (walk (lambda (n) (let ((v (aref (node-data n) 3))) (incf sum (if (stringp v) (parse-integer v) v)))) *tree*)
  (say "tree, rewritten" sum))

;; Hash tables, whose buckets are old and whose entries are new.
(defvar *table* (make-hash-table))
(let ((random (random-source 2)))
  (dotimes (i 100000)
    (setf (gethash (funcall random 10000) *table*) (list i (princ-to-string i)))))
(let ((sum 0))
  (maphash (lambda (k v) (declare (ignore k)) (incf sum (+ (first v) (parse-integer (second v))))) *table*)
  (say "hash" (hash-table-count *table*) sum))

;; Weak tables: what is held stays.
(defvar *weak* (make-hash-table :test 'eq :weakness :key))
(defvar *held* (loop for i below 2000 for key = (list i) do (setf (gethash key *weak*) (* i i)) collect key))
(dotimes (i 20000) (setf (gethash (list i) *weak*) i))
(gc t)
(say "weak" (loop for key in *held* sum (gethash key *weak*)))

;; Non-local exits, closures that outlive them, conditions.
(say "exits" (loop for i below 20000 sum (catch 'found (funcall (lambda (x) (throw 'found (first (list x)))) i)))
     (loop for i below 2000 sum (handler-case (error "~d" i) (error (e) (parse-integer (format nil "~a" e)))))
     (loop for f in (loop for i below 5000 collect (let ((v (vector i))) (lambda () (incf (aref v 0))))) sum (funcall f)))

;; Bignums.
(defun factorial (n) (loop with p = 1 for i from 1 to n do (setf p (* p i)) finally (return p)))
(say "bignums" (mod (factorial 1200) 1000000007) (length (princ-to-string (factorial 1000)))
     (mod (loop for i below 2000 sum (expt i 50)) 998244353) (float (/ (factorial 100) (factorial 98))))

;; Threads, each with its own heap of things and a shared table under a lock. None with WITHOUT_THREADS set.
(defvar *lock* (mp:make-lock))
(defvar *shared* (make-hash-table :test 'equal))
(defun work (seed)
  (let ((random (random-source seed)) (mine (make-array 2000 :initial-element nil)))
    (dotimes (i 15000)
      (let ((at (funcall random 2000)))
        (setf (aref mine at) (cons i (subseq (aref mine at) 0 (min 3 (length (aref mine at)))))))
      (when (zerop (mod i 100))
        (mp:with-lock (*lock*) (setf (gethash (cons seed i) *shared*) (list i)))))
    (loop for l across mine sum (reduce #'+ l))))
(unless (ext:getenv "WITHOUT_THREADS")
  (let* ((results (make-array 4))
         (threads (loop for i below 4
                        collect (let ((i i))
                                  (mp:process-run-function 'work (lambda () (setf (aref results i) (work (+ 10 i)))))))))
    (mapc #'mp:process-join threads)
    (say "threads" results (loop for v being the hash-values of *shared* sum (first v)))))

;; A file: written and read in pieces.
(defvar *name* (format nil "~a/gcbarrier-~d.txt" (or (ext:getenv "TMPDIR") "/tmp") (ext:getpid)))
(with-open-file (out *name* :direction :output :if-exists :supersede)
  (dotimes (i 10000) (format out "(~d ~d)~%" i (* i i))))
(say "file" (with-open-file (in *name*)
              (loop for x = (read in nil nil) while x sum (second x)))
     (with-open-file (in *name*)
       (let ((text (make-string (file-length in)))) (read-sequence text in))))
(delete-file *name*)

;; A socket on the loopback: a thread echoes lines backwards.
(unless (ext:getenv "WITHOUT_THREADS")
  (let ((listener (make-instance 'sb-bsd-sockets:inet-socket :type :stream :protocol :tcp))
        (client (make-instance 'sb-bsd-sockets:inet-socket :type :stream :protocol :tcp)))
    (sb-bsd-sockets:socket-bind listener #(127 0 0 1) 0)
    (sb-bsd-sockets:socket-listen listener 1)
    (let ((echo (mp:process-run-function
                 'echo
                 (lambda ()
                   (let ((port (sb-bsd-sockets:socket-make-stream (sb-bsd-sockets:socket-accept listener)
                                                                  :input t :output t :buffering :full)))
                     (loop for line = (read-line port nil nil) while line
                           do (write-line (reverse line) port)
                              (finish-output port))
                     (close port))))))
      (sb-bsd-sockets:socket-connect client #(127 0 0 1) (nth-value 1 (sb-bsd-sockets:socket-name listener)))
      (let ((port (sb-bsd-sockets:socket-make-stream client :input t :output t :buffering :full)))
        (say "socket" (loop for i below 1000
                            do (write-line (reverse (princ-to-string (+ i 100000))) port)
                               (finish-output port)
                            sum (parse-integer (read-line port))))
        (close port))
      (mp:process-join echo))))
(let ((count 0))
  (walk (lambda (n) (declare (ignore n)) (incf count)) *tree*)
  (say "tree, at the end" count))
(ext:quit 0)
