/* attributes.h: the compiler attributes the code uses, under short names. */
#ifndef BASE_ATTRIBUTES_H
#define BASE_ATTRIBUTES_H

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#define ALWAYS_INLINE inline __attribute__((always_inline))
/* For data of one file that others read: without it the compiler reaches the data through the GOT,
 * even where everything is compiled hidden. */
#define HIDDEN __attribute__((visibility("hidden")))
#define NOINLINE __attribute__((noinline))
#define COLD __attribute__((cold, noinline))
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))

/* A line of its own for data that two threads write. */
#define CACHE_LINE 64
#define CACHE_ALIGNED __attribute__((aligned(CACHE_LINE)))

/* Thread-local data reached without a call: dlopen finds room for it in the loader's surplus of
 * static TLS as long as there is little of it. */
#define THREAD_LOCAL __thread __attribute__((tls_model("initial-exec")))

/* For a function that reads what other threads write without any order, on purpose: it is not
 * watched by ThreadSanitizer. */
#define READS_RACES __attribute__((no_sanitize("thread"), noinline))

/* Has the value computed up to here before anything is added to it. */
#define KEEP_ORDER(value) __asm__("" : "+r"(value))

/* Prefers the register in which a function returns its result. */
#if defined(__x86_64__)
#define WILL_BE_RETURNED(value) __asm__("" : "+a,!r"(value))
#else
#define WILL_BE_RETURNED(value) __asm__("" : "+r"(value))
#endif

#endif
