;; Scans the array of records of a GetRecords answer, in JSON, and decodes it in one pass. Anything that it does not expect makes it
;; give up, and the caller parses the answer with JSON.parse instead: so it may be strict, and must never be lenient.
;;
;; The caller (record-scanner.ts) puts the answer into the memory, followed by 64 zero bytes. No member of a record may contain a zero
;; byte, so the loops need no other bound.
(module
  (memory (export "memory") 2)
  ;; The caller fills the first 256 bytes: the value of each base64 character; 255 for all others.
  ;; Behind the array: the first byte after "]".
  (global $rest (export "rest") (mut i32) (i32.const 0))
  ;; Behind the last decoded byte.
  (global $end (export "end") (mut i32) (i32.const 0))

  ;; The scan's places: the next byte to read, and the next byte to write.
  (global $p (mut i32) (i32.const 0))
  (global $o (mut i32) (i32.const 0))

  ;; Reads records from `from`, which is behind "[". Writes their bytes from `to` on, and for each record 32 bytes from `meta` on:
  ;; start and end of sequence number, partition key and data (six i32), and the time of arrival in milliseconds (f64; NaN if absent).
  ;; Returns how many there are, or -1 if it gives up: also if there are more than `most`.
  (func (export "scan") (param $from i32) (param $to i32) (param $meta i32) (param $most i32) (result i32)
    (local $count i32)
    (local $seen i32)
    (local $start i32)
    (local $byte i32)
    (global.set $p (local.get $from))
    (global.set $o (local.get $to))
    (if (i32.eq (i32.load8_u (global.get $p)) (i32.const 93)) ;; ]
      (then
        (global.set $rest (i32.add (global.get $p) (i32.const 1)))
        (global.set $end (global.get $o))
        (return (i32.const 0))))
    (loop $record
      (if (i32.ne (i32.load8_u (global.get $p)) (i32.const 123)) (then (return (i32.const -1)))) ;; {
      (if (i32.ge_u (local.get $count) (local.get $most)) (then (return (i32.const -1))))
      (global.set $p (i32.add (global.get $p) (i32.const 1)))
      (local.set $seen (i32.const 0))
      (i64.store (local.get $meta) (i64.const 0))
      (i64.store offset=8 (local.get $meta) (i64.const 0))
      (f64.store offset=24 (local.get $meta) (f64.const nan))
      (loop $member
        (block $known
          ;; "Data":"
          (if (i64.eq (i64.load (global.get $p)) (i64.const 0x223a226174614422)) (then
            (if (i32.and (local.get $seen) (i32.const 1)) (then (return (i32.const -1))))
            (local.set $seen (i32.or (local.get $seen) (i32.const 1)))
            (global.set $p (i32.add (global.get $p) (i32.const 8)))
            (i32.store offset=16 (local.get $meta) (global.get $o))
            (if (i32.eqz (call $base64)) (then (return (i32.const -1))))
            (i32.store offset=20 (local.get $meta) (global.get $o))
            (br $known)))
          ;; "SequenceNumber":"
          (if (i32.and
                (i64.eq (i64.load (global.get $p)) (i64.const 0x636e657571655322))
                (i32.and
                  (i64.eq (i64.load offset=8 (global.get $p)) (i64.const 0x227265626d754e65))
                  (i32.eq (i32.load16_u offset=16 (global.get $p)) (i32.const 0x223a)))) (then
            (if (i32.and (local.get $seen) (i32.const 2)) (then (return (i32.const -1))))
            (local.set $seen (i32.or (local.get $seen) (i32.const 2)))
            (global.set $p (i32.add (global.get $p) (i32.const 18)))
            (i32.store (local.get $meta) (global.get $o))
            (if (i32.eqz (call $digits)) (then (return (i32.const -1))))
            (i32.store offset=4 (local.get $meta) (global.get $o))
            (br $known)))
          ;; "PartitionKey":"
          (if (i32.and
                (i64.eq (i64.load (global.get $p)) (i64.const 0x6974697472615022))
                (i64.eq (i64.load offset=8 (global.get $p)) (i64.const 0x223a2279654b6e6f))) (then
            (if (i32.and (local.get $seen) (i32.const 4)) (then (return (i32.const -1))))
            (local.set $seen (i32.or (local.get $seen) (i32.const 4)))
            (global.set $p (i32.add (global.get $p) (i32.const 16)))
            (i32.store offset=8 (local.get $meta) (global.get $o))
            (if (i32.eqz (call $text)) (then (return (i32.const -1))))
            (i32.store offset=12 (local.get $meta) (global.get $o))
            (br $known)))
          ;; "ApproximateArrivalTimestamp":
          (if (i32.and
                (i32.and
                  (i64.eq (i64.load (global.get $p)) (i64.const 0x69786f7270704122))
                  (i64.eq (i64.load offset=8 (global.get $p)) (i64.const 0x697272416574616d)))
                (i32.and
                  (i64.eq (i64.load offset=16 (global.get $p)) (i64.const 0x73656d69546c6176))
                  (i64.eq (i64.load offset=22 (global.get $p)) (i64.const 0x3a22706d61747365)))) (then
            (if (i32.and (local.get $seen) (i32.const 8)) (then (return (i32.const -1))))
            (local.set $seen (i32.or (local.get $seen) (i32.const 8)))
            (global.set $p (i32.add (global.get $p) (i32.const 30)))
            (f64.store offset=24 (local.get $meta) (call $time))
            ;; NaN is not equal to itself.
            (if (f64.ne (f64.load offset=24 (local.get $meta)) (f64.load offset=24 (local.get $meta)))
              (then (return (i32.const -1))))
            (br $known)))
          ;; "EncryptionType":"
          (if (i32.or
                (i64.ne (i64.load (global.get $p)) (i64.const 0x74707972636e4522))
                (i32.or
                  (i64.ne (i64.load offset=8 (global.get $p)) (i64.const 0x22657079546e6f69))
                  (i32.ne (i32.load16_u offset=16 (global.get $p)) (i32.const 0x223a))))
            (then (return (i32.const -1))))
          (global.set $p (i32.add (global.get $p) (i32.const 18)))
          (local.set $start (global.get $o))
          (if (i32.eqz (call $text)) (then (return (i32.const -1))))
          (global.set $o (local.get $start)))
        (local.set $byte (i32.load8_u (global.get $p)))
        (global.set $p (i32.add (global.get $p) (i32.const 1)))
        (br_if $member (i32.eq (local.get $byte) (i32.const 44)))) ;; ,
      (if (i32.ne (local.get $byte) (i32.const 125)) (then (return (i32.const -1)))) ;; }
      (if (i32.ne (i32.and (local.get $seen) (i32.const 3)) (i32.const 3)) (then (return (i32.const -1))))
      (local.set $meta (i32.add (local.get $meta) (i32.const 32)))
      (local.set $count (i32.add (local.get $count) (i32.const 1)))
      (local.set $byte (i32.load8_u (global.get $p)))
      (global.set $p (i32.add (global.get $p) (i32.const 1)))
      (br_if $record (i32.eq (local.get $byte) (i32.const 44))))
    (if (i32.ne (local.get $byte) (i32.const 93)) (then (return (i32.const -1))))
    (global.set $rest (global.get $p))
    (global.set $end (global.get $o))
    (local.get $count))

  ;; Decodes standard base64 with padding up to its quote, which is skipped. Returns 0 if it is anything else.
  (func $base64 (result i32)
    (local $p i32) (local $o i32)
    (local $v v128) (local $upper v128) (local $lower v128) (local $digit v128) (local $plus v128) (local $slash v128)
    (local $a i32) (local $b i32) (local $c i32) (local $d i32)
    (local.set $p (global.get $p))
    (local.set $o (global.get $o))
    (block $tail
      (loop $sixteen
        (local.set $v (v128.load (local.get $p)))
        ;; One subtraction and one comparison show whether a byte is in a range.
        (local.set $upper (i8x16.lt_u (i8x16.sub (local.get $v) (v128.const i8x16 65 65 65 65 65 65 65 65 65 65 65 65 65 65 65 65))
          (v128.const i8x16 26 26 26 26 26 26 26 26 26 26 26 26 26 26 26 26)))
        (local.set $lower (i8x16.lt_u (i8x16.sub (local.get $v) (v128.const i8x16 97 97 97 97 97 97 97 97 97 97 97 97 97 97 97 97))
          (v128.const i8x16 26 26 26 26 26 26 26 26 26 26 26 26 26 26 26 26)))
        (local.set $digit (i8x16.lt_u (i8x16.sub (local.get $v) (v128.const i8x16 48 48 48 48 48 48 48 48 48 48 48 48 48 48 48 48))
          (v128.const i8x16 10 10 10 10 10 10 10 10 10 10 10 10 10 10 10 10)))
        (local.set $plus (i8x16.eq (local.get $v) (v128.const i8x16 43 43 43 43 43 43 43 43 43 43 43 43 43 43 43 43)))
        (local.set $slash (i8x16.eq (local.get $v) (v128.const i8x16 47 47 47 47 47 47 47 47 47 47 47 47 47 47 47 47)))
        (br_if $tail (i32.eqz (i8x16.all_true
          (v128.or (v128.or (local.get $upper) (local.get $lower))
            (v128.or (local.get $digit) (v128.or (local.get $plus) (local.get $slash)))))))
        ;; From character to value: each range has its own distance.
        (local.set $v (i8x16.add (local.get $v)
          (v128.or
            (v128.or
              (v128.and (local.get $upper) (v128.const i8x16 -65 -65 -65 -65 -65 -65 -65 -65 -65 -65 -65 -65 -65 -65 -65 -65))
              (v128.and (local.get $lower) (v128.const i8x16 -71 -71 -71 -71 -71 -71 -71 -71 -71 -71 -71 -71 -71 -71 -71 -71)))
            (v128.or
              (v128.and (local.get $digit) (v128.const i8x16 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4 4))
              (v128.or
                (v128.and (local.get $plus) (v128.const i8x16 19 19 19 19 19 19 19 19 19 19 19 19 19 19 19 19))
                (v128.and (local.get $slash) (v128.const i8x16 16 16 16 16 16 16 16 16 16 16 16 16 16 16 16 16)))))))
        ;; Four values of six bits make three bytes, in each lane of 32 bits. The first character is the lowest byte of its lane.
        (local.set $v (v128.or
          (v128.or
            (i32x4.shl (v128.and (local.get $v) (v128.const i32x4 63 63 63 63)) (i32.const 18))
            (i32x4.shl (v128.and (local.get $v) (v128.const i32x4 0x3f00 0x3f00 0x3f00 0x3f00)) (i32.const 4)))
          (v128.or
            (i32x4.shr_u (v128.and (local.get $v) (v128.const i32x4 0x3f0000 0x3f0000 0x3f0000 0x3f0000)) (i32.const 10))
            (i32x4.shr_u (local.get $v) (i32.const 24)))))
        ;; Four bytes more than the twelve are written; the next bytes overwrite them.
        (v128.store (local.get $o) (i8x16.shuffle 2 1 0 6 5 4 10 9 8 14 13 12 3 3 3 3 (local.get $v) (local.get $v)))
        (local.set $p (i32.add (local.get $p) (i32.const 16)))
        (local.set $o (i32.add (local.get $o) (i32.const 12)))
        (br $sixteen)))
    (loop $four
      (local.set $a (i32.load8_u (i32.load8_u (local.get $p))))
      (local.set $b (i32.load8_u (i32.load8_u offset=1 (local.get $p))))
      (local.set $c (i32.load8_u (i32.load8_u offset=2 (local.get $p))))
      (local.set $d (i32.load8_u (i32.load8_u offset=3 (local.get $p))))
      (if (i32.lt_u (i32.or (i32.or (local.get $a) (local.get $b)) (i32.or (local.get $c) (local.get $d))) (i32.const 64))
        (then
          (i32.store8 (local.get $o) (i32.or (i32.shl (local.get $a) (i32.const 2)) (i32.shr_u (local.get $b) (i32.const 4))))
          (i32.store8 offset=1 (local.get $o) (i32.or (i32.shl (local.get $b) (i32.const 4)) (i32.shr_u (local.get $c) (i32.const 2))))
          (i32.store8 offset=2 (local.get $o) (i32.or (i32.shl (local.get $c) (i32.const 6)) (local.get $d)))
          (local.set $p (i32.add (local.get $p) (i32.const 4)))
          (local.set $o (i32.add (local.get $o) (i32.const 3)))
          (br $four))))
    ;; The end: a quote, or a last group with padding before it.
    (if (i32.ne (i32.load8_u (local.get $p)) (i32.const 34)) (then
      (if (i32.ge_u (i32.or (local.get $a) (local.get $b)) (i32.const 64)) (then (return (i32.const 0))))
      (if (i32.ne (i32.load8_u offset=3 (local.get $p)) (i32.const 61)) (then (return (i32.const 0)))) ;; =
      (i32.store8 (local.get $o) (i32.or (i32.shl (local.get $a) (i32.const 2)) (i32.shr_u (local.get $b) (i32.const 4))))
      (local.set $o (i32.add (local.get $o) (i32.const 1)))
      (if (i32.lt_u (local.get $c) (i32.const 64))
        (then
          (i32.store8 (local.get $o) (i32.or (i32.shl (local.get $b) (i32.const 4)) (i32.shr_u (local.get $c) (i32.const 2))))
          (local.set $o (i32.add (local.get $o) (i32.const 1))))
        (else
          (if (i32.ne (i32.load8_u offset=2 (local.get $p)) (i32.const 61)) (then (return (i32.const 0))))))
      (local.set $p (i32.add (local.get $p) (i32.const 4)))
      (if (i32.ne (i32.load8_u (local.get $p)) (i32.const 34)) (then (return (i32.const 0))))))
    (global.set $p (i32.add (local.get $p) (i32.const 1)))
    (global.set $o (local.get $o))
    (i32.const 1))

  ;; Copies digits up to their quote, which is skipped. Returns 0 if there is none, or anything else before the quote.
  (func $digits (result i32)
    (local $p i32) (local $o i32) (local $v v128) (local $byte i32)
    (local.set $p (global.get $p))
    (local.set $o (global.get $o))
    (block $tail
      (loop $sixteen
        (local.set $v (v128.load (local.get $p)))
        (br_if $tail (i32.eqz (i8x16.all_true (i8x16.lt_u
          (i8x16.sub (local.get $v) (v128.const i8x16 48 48 48 48 48 48 48 48 48 48 48 48 48 48 48 48))
          (v128.const i8x16 10 10 10 10 10 10 10 10 10 10 10 10 10 10 10 10)))))
        (v128.store (local.get $o) (local.get $v))
        (local.set $p (i32.add (local.get $p) (i32.const 16)))
        (local.set $o (i32.add (local.get $o) (i32.const 16)))
        (br $sixteen)))
    (block $quote
      (loop $one
        (local.set $byte (i32.load8_u (local.get $p)))
        (br_if $quote (i32.ge_u (i32.sub (local.get $byte) (i32.const 48)) (i32.const 10)))
        (i32.store8 (local.get $o) (local.get $byte))
        (local.set $p (i32.add (local.get $p) (i32.const 1)))
        (local.set $o (i32.add (local.get $o) (i32.const 1)))
        (br $one)))
    (if (i32.or (i32.ne (local.get $byte) (i32.const 34)) (i32.eq (local.get $o) (global.get $o))) (then (return (i32.const 0))))
    (global.set $p (i32.add (local.get $p) (i32.const 1)))
    (global.set $o (local.get $o))
    (i32.const 1))

  ;; Copies ASCII text up to its quote, which is skipped. Returns 0 at an escape, a control character, or any byte above ASCII: what they
  ;; mean is left to JSON.parse.
  (func $text (result i32)
    (local $p i32) (local $o i32) (local $byte i32)
    (local.set $p (global.get $p))
    (local.set $o (global.get $o))
    (block $quote
      (loop $one
        (local.set $byte (i32.load8_u (local.get $p)))
        (br_if $quote (i32.eq (local.get $byte) (i32.const 34)))
        (if (i32.or
              (i32.ge_u (i32.sub (local.get $byte) (i32.const 32)) (i32.const 96))
              (i32.eq (local.get $byte) (i32.const 92)))
          (then (return (i32.const 0))))
        (i32.store8 (local.get $o) (local.get $byte))
        (local.set $p (i32.add (local.get $p) (i32.const 1)))
        (local.set $o (i32.add (local.get $o) (i32.const 1)))
        (br $one)))
    (global.set $p (i32.add (local.get $p) (i32.const 1)))
    (global.set $o (local.get $o))
    (i32.const 1))

  ;; Reads a number of seconds with at most three places after the point, in whatever notation, and returns it in milliseconds. NaN: it
  ;; is no such number.
  (func $time (result f64)
    (local $p i32) (local $byte i32) (local $whole f64) (local $digits i32) (local $places i32) (local $shift i32) (local $inside i32)
    (local.set $p (global.get $p))
    ;; A leading zero is left to JSON.parse.
    (if (i32.ge_u (i32.sub (i32.load8_u (local.get $p)) (i32.const 49)) (i32.const 9)) (then (return (f64.const nan))))
    (block $over
      (loop $digit
        (local.set $byte (i32.load8_u (local.get $p)))
        (if (i32.lt_u (i32.sub (local.get $byte) (i32.const 48)) (i32.const 10))
          (then
            (local.set $whole (f64.add (f64.mul (local.get $whole) (f64.const 10))
              (f64.convert_i32_u (i32.sub (local.get $byte) (i32.const 48)))))
            (local.set $digits (i32.add (local.get $digits) (i32.const 1)))
            (local.set $places (i32.add (local.get $places) (local.get $inside))))
          (else
            (br_if $over (i32.or (local.get $inside) (i32.ne (local.get $byte) (i32.const 46)))) ;; .
            (local.set $inside (i32.const 1))
            ;; JSON wants a digit behind the point.
            (if (i32.ge_u (i32.sub (i32.load8_u offset=1 (local.get $p)) (i32.const 48)) (i32.const 10))
              (then (return (f64.const nan))))))
        (local.set $p (i32.add (local.get $p) (i32.const 1)))
        (br $digit)))
    (if (i32.eq (i32.or (local.get $byte) (i32.const 32)) (i32.const 101)) (then ;; E or e, and one digit
      (local.set $p (i32.add (local.get $p) (i32.const 1)))
      (if (i32.eq (i32.load8_u (local.get $p)) (i32.const 43)) (then (local.set $p (i32.add (local.get $p) (i32.const 1)))))
      (local.set $shift (i32.sub (i32.load8_u (local.get $p)) (i32.const 48)))
      (if (i32.ge_u (local.get $shift) (i32.const 10)) (then (return (f64.const nan))))
      (local.set $p (i32.add (local.get $p) (i32.const 1)))
      (if (i32.lt_u (i32.sub (i32.load8_u (local.get $p)) (i32.const 48)) (i32.const 10)) (then (return (f64.const nan))))))
    (local.set $shift (i32.add (i32.sub (local.get $shift) (local.get $places)) (i32.const 3)))
    ;; With 15 digits in all, every step is exact.
    (if (i32.or
          (i32.lt_s (local.get $shift) (i32.const 0))
          (i32.gt_s (i32.add (local.get $digits) (local.get $shift)) (i32.const 15)))
      (then (return (f64.const nan))))
    (block $shifted
      (loop $ten
        (br_if $shifted (i32.eqz (local.get $shift)))
        (local.set $whole (f64.mul (local.get $whole) (f64.const 10)))
        (local.set $shift (i32.sub (local.get $shift) (i32.const 1)))
        (br $ten)))
    (global.set $p (local.get $p))
    (local.get $whole)))
