/* attributes.h: the compiler attributes the code uses, under short names. */
#ifndef BASE_ATTRIBUTES_H
#define BASE_ATTRIBUTES_H

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#define ALWAYS_INLINE inline __attribute__((always_inline))
/* For data that several files read. Without it the compiler loads the data's address from the GOT
 * first, even where -fvisibility=hidden holds for everything. */
#define HIDDEN __attribute__((visibility("hidden")))
#define NOINLINE __attribute__((noinline))
#define COLD __attribute__((cold, noinline))
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))

/* Gives data that two threads write a cache line of its own. */
#define CACHE_LINE 64
#define CACHE_ALIGNED __attribute__((aligned(CACHE_LINE)))

/* Thread-local data that is reached without a call. If the library is loaded by dlopen, it has to
 * fit into what the loader keeps free of its static TLS: so there is little of it. */
#define THREAD_LOCAL __thread __attribute__((tls_model("initial-exec")))

/* For a function that reads, on purpose, what other threads write without any order:
 * ThreadSanitizer does not watch it. */
#define READS_RACES __attribute__((no_sanitize("thread"), noinline))

/* For a constant that a lower layer declares and an upper one defines, with no symbol between them:
 * it lies alone in a section, whose start the linker gives a name. So it is there before any
 * constructor has run. The lower layer declares
 *
 *     extern HIDDEN const TYPE name AT_SECTION_START("molt_name");
 *
 * and the upper one defines a static constant of that type IN_SECTION("molt_name"). */
#define AT_SECTION_START(section_name) __asm__("__start_" section_name)
#define IN_SECTION(section_name) __attribute__((section(section_name), used, retain))

/* For what holds addresses of memory for blocks that are no pointers to blocks: the leak finder
 * does not scan it (profile/roots.h). The linker gives the section's two ends a name. */
#define NO_POINTERS __attribute__((section("molt_no_pointers")))
#define AT_SECTION_END(section_name) __asm__("__stop_" section_name)

/* Makes the compiler compute the value up to here before it adds anything to it. */
#define KEEP_ORDER(value) __asm__("" : "+r"(value))

/* Tells the compiler that the value will be the function's result, so that it computes it in the
 * register for results. */
#if defined(__x86_64__)
#define WILL_BE_RETURNED(value) __asm__("" : "+a,!r"(value))
#else
#define WILL_BE_RETURNED(value) __asm__("" : "+r"(value))
#endif

#endif
