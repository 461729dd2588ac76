/* molt_object.h: objects with reference counts, weak references and a cycle collector.
 *
 * An object is a struct whose first member is MOLT_OBJECT, made by molt_new, described by a type:
 *
 *     struct node { MOLT_OBJECT; struct node *next, *prev; int value; };
 *     MOLT_TYPE(node_type, struct node, MOLT_REFS(struct node, next, prev));
 *
 *     struct node *n = molt_new(&node_type);       count 1: yours
 *     molt_set(&n->next, other);                   the field holds a reference of its own
 *     molt_release(n);                             and with it go the references in its fields
 *
 * A reference field is NULL or holds one counted reference. Counts alone cannot free objects that
 * refer to each other in a circle. The collector finds those: by trial deletion in three
 * generations, as CPython's does (after Lins 1992; Bacon and Rajan 2001). It runs by itself inside
 * molt_new, and whenever molt_gc_collect is called. A program that makes no object pays nothing.
 *
 * Counts are biased (Choi, Shull, Torrellas: "Biased Reference Counting", PACT 2018): the thread
 * that made an object, its owner, counts with plain instructions, all others in an atomic word
 * beside. Any thread may retain and release any object, and an object dies with the last release,
 * whichever thread makes it. The fields of an object are the program's: threads that write and read
 * one at the same time need a lock of their own around it.
 *
 * Threads and the collector. While a collection looks at objects, every thread that uses objects
 * stands still. A thread uses objects from its first call on that makes or counts an object,
 * changes a field, collects, or looks at objects (the functions below that may fail with EBUSY),
 * until it ends; so does a thread that only watches and sleeps in between. It stands still at
 * safepoints: in that first call (molt_gc_attach lets it choose a place), in molt_new,
 * molt_gc_safepoint, molt_gc_blocking_begin and _end, and when it collects or looks. There, and
 * nowhere else, each field that it has changed must hold a counted reference or NULL. A thread that
 * is going to wait for long (a lock, a socket, a sleep) says so by molt_gc_blocking_begin and _end,
 * and leaves objects alone in between. A program with one thread need not care.
 *
 * A collection for which some thread does not come to a safepoint in time is skipped and counted.
 * No circle can be freed without that thread, since it may be moving references that no count tells
 * of; objects whose count falls to 0 still die. So garbage in circles grows until the thread comes.
 * Meanwhile attempts become rarer. Each waits in a molt_new for 20 ms, but one of them for up to a
 * second once 16 MiB have been taken into use. A warning on standard error, once in a process,
 * names the thread; molt_gc_get_stats and molt_gc_report name it too. A thread that makes objects
 * faster than another one collects them waits for it in molt_new, as long as the collection gets
 * on.
 *
 * Callbacks. finalize, clear, dispose and on_death run in the thread in which the object dies, and
 * under the locks that it holds there:
 *
 *   - An object dies in the release of its last reference (molt_release, molt_set, molt_clear,
 *   MOLT_AUTO …). If by then its owner still counts references that other threads have released, it
 *   dies in the owner's thread: in the next molt_new, molt_gc_safepoint, molt_gc_collect,
 *   molt_gc_run_deferred, molt_gc_blocking_begin or _end there, or when that thread ends.
 *
 *   - Garbage in circles dies in the thread that collects: any that calls molt_new, molt_gc_collect
 *   or molt_gc_run_deferred, or that ends the process by exit.
 *
 * So molt_new may run callbacks, and must not be called with a lock held that one of them takes:
 * molt_gc_set_deferred is for programs that cannot do without. Only threads that want to collect or
 * to look are kept waiting by the library meanwhile. These callbacks, and those of
 * molt_gc_add_callback, may call every function here; molt_gc_collect and molt_gc_run_deferred do
 * nothing inside a collection. They must not throw nor longjmp out, but may end their thread.
 *
 * A traverse callback and a visitor (molt_visit) run while all other threads that use objects stand
 * still, so neither may wait for one of those. A traverse callback may do nothing but visit. A
 * visitor may retain, and may allocate by malloc, but must not make or release objects; one that
 * does may end the program.
 *
 * Misuse (a count operation on a dead object, on something that is none, inside a traverse callback
 * or a blocking region) ends the program with one line on standard error: what was done, the
 * address, the type. Of something that is no object or a dead one, and of a wrong count, the line
 * also names a declared field that refers to it, if there is one and the other threads come to a
 * safepoint within a tenth of a second.
 *
 * Fork. A child may use objects at once, whatever other threads of the parent were doing. It has
 * all objects and their counts, and the settings. References that those threads held are never
 * released, so objects that only they held live on; objects that they were just freeing may stay in
 * memory. A collection that another thread had begun is given up. molt_gc_freeze keeps collections
 * from writing to pages that parent and child share.
 *
 * Where nothing else is said: a function may be called by any thread, but not by a signal handler.
 * It leaves errno alone when it succeeds, but for what callbacks do, and cannot fail if no error is
 * named. An object that is passed is alive and stays the caller's. Sizes are in bytes, times in
 * nanoseconds.
 */
#ifndef MOLT_OBJECT_H
#define MOLT_OBJECT_H

#include "molt.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Objects and their types ------------------------------------------------------------- */

/*  63      48 47              20 19   16 15      0
 *  +---------+------------------+-------+---------+
 *  |  owner  |      count       | flags |  type   |   the library's own
 *  +---------+------------------+-------+---------+  */
typedef struct molt_object {
    uint64_t molt_header;
} molt_object;

/* The first member of every object's struct. */
#define MOLT_OBJECT molt_object molt_base

typedef struct molt_type molt_type;
typedef struct molt_weak molt_weak;

/* What the library calls with each object that it visits; a result other than 0 ends the visit. See
 * "A traverse callback and a visitor" above. */
typedef int molt_visit(void *object, void *arg);

enum {
    MOLT_LEAF = 1,          /* has no references, whatever the rest of the type says */
    MOLT_ACYCLIC = 2,       /* its references never lead back to it: collections skip it */
    MOLT_TRAILING_REFS = 4, /* all extra bytes of molt_new_extra are references */
    MOLT_IMMORTAL = 8,      /* objects of the type are never freed */
};

/* Describes the objects of one kind. It lives as long as the program and does not change once an
 * object has been made of it. All but `name` and `size` may be 0. The declared references are those
 * of `refs`, of `ref_bitmap`, of the array and of the extra bytes, and those that `traverse` tells,
 * all taken together. */
struct molt_type {
    const char *name;     /* for messages and reports */
    size_t size;          /* of the struct */
    unsigned alignment;   /* a power of two up to 4096; 0 is 8 */
    unsigned flags;       /* MOLT_LEAF … */
    const uint16_t *refs; /* offsets of reference fields */
    size_t ref_count;
    const char *ref_names;      /* the fields' names, with commas between, or NULL; for messages */
    const uint64_t *ref_bitmap; /* bit n: the struct's nth word of 8 bytes is a reference */
    size_t ref_bitmap_words;

    /* A field that points to an array of references, and one that holds its length. The array is
     * not the library's: `dispose` frees it. */
    uint16_t array, array_length; /* their offsets */
    uint8_t array_length_bytes;   /* 1, 2, 4 or 8; 0: there is no array */

    /* Calls `visit` for every reference that is not declared above, NULL or not, and returns its
     * result as soon as that is not 0. Runs in any thread that collects or looks, while all others
     * stand still: it must not retain, release or make objects, nor wait for another thread. */
    int (*traverse)(void *object, molt_visit *visit, void *arg);
    /* Clears (molt_clear) each field that `traverse` tells of; a type has both or neither. Objects
     * that die of it do so after it has returned. */
    void (*clear)(void *object);
    /* Called when the object is about to die, once in its life at most. All its fields are intact.
     * If the callback leaves a new reference to it somewhere the object lives on, in generation 0
     * as a new one, even if it was frozen. May do anything, even collect. */
    void (*finalize)(void *object);
    /* Called when the object dies, with its reference fields NULL already: frees what it owns
     * beside objects. The object is none any more; no function here takes it. */
    void (*dispose)(void *object);

    /* The library's own: 0. */
    uint64_t molt_private[2];
};

/* Defines a type. What follows the struct are initializers: MOLT_REFS(…), .finalize = …, … The
 * compiler refuses a struct that does not begin with MOLT_OBJECT; what else is wrong with a type
 * molt_type_check tells. */
#define MOLT_TYPE(type_name, struct_name, ...)                        \
    static molt_type type_name = {.name = #struct_name,               \
                                  .size = sizeof(struct_name),        \
                                  .alignment = _Alignof(struct_name), \
                                  __VA_ARGS__};                       \
    _Static_assert(offsetof(struct_name, molt_base) == 0,             \
                   "MOLT_TYPE: MOLT_OBJECT must be the first member of " #struct_name)

/* Declares reference fields, 1 to 16 of them, each once. The compiler refuses what is no pointer.
 */
#define MOLT_REFS(struct_name, ...)                                     \
    .refs = (const uint16_t[]){MOLT_OFFSETS(struct_name, __VA_ARGS__)}, \
    .ref_count = MOLT_COUNT(__VA_ARGS__), .ref_names = #__VA_ARGS__

/* Declares reference fields by a bitmap of words of 8 bytes: MOLT_REF_BITMAP(0x6) says that words 1
 * and 2 of the struct are references. */
#define MOLT_REF_BITMAP(...) \
    .ref_bitmap = (const uint64_t[]){__VA_ARGS__}, .ref_bitmap_words = MOLT_COUNT(__VA_ARGS__)

/* Declares an array of references: the pointer field that leads to it, and the integer field with
 * its length. The compiler refuses fields of other types. */
#define MOLT_REF_ARRAY(struct_name, pointer, length)          \
    .array = MOLT_REF_OFFSET(struct_name, pointer),           \
    .array_length = MOLT_INTEGER_OFFSET(struct_name, length), \
    .array_length_bytes = sizeof(((struct_name *)0)->length)

#define MOLT_COUNT(...) \
    MOLT_COUNT_(__VA_ARGS__, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define MOLT_COUNT_(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, count, ...) count
#define MOLT_JOIN(a, b) MOLT_JOIN_(a, b)
#define MOLT_JOIN_(a, b) a##b
#define MOLT_OFFSETS(s, ...) MOLT_JOIN(MOLT_OFFSETS_, MOLT_COUNT(__VA_ARGS__))(s, __VA_ARGS__)
#ifdef __cplusplus
#define MOLT_REF_OFFSET(s, a) offsetof(s, a)
#define MOLT_INTEGER_OFFSET(s, a) offsetof(s, a)
#else
#define MOLT_REF_OFFSET(s, a)                                                            \
    MOLT_CHECKED_OFFSET(s, a, MOLT_POINTER_CLASS, sizeof(((s *)0)->a) == sizeof(void *), \
                        #s "." #a " is no pointer")
#define MOLT_INTEGER_OFFSET(s, a) \
    MOLT_CHECKED_OFFSET(s, a, MOLT_INTEGER_CLASS, 1, #s "." #a " is no integer")
#define MOLT_CHECKED_OFFSET(s, a, type_class, condition, message)                              \
    (offsetof(s, a) + 0 * sizeof(struct {                                                      \
                          _Static_assert(__builtin_classify_type(((s *)0)->a) == type_class && \
                                             (condition),                                      \
                                         message);                                             \
                          int molt_unused;                                                     \
                      }))
#endif
/* Results of __builtin_classify_type. */
#define MOLT_INTEGER_CLASS 1
#define MOLT_POINTER_CLASS 5
#define MOLT_OFFSETS_1(s, a) MOLT_REF_OFFSET(s, a)
#define MOLT_OFFSETS_2(s, a, ...) MOLT_REF_OFFSET(s, a), MOLT_OFFSETS_1(s, __VA_ARGS__)
#define MOLT_OFFSETS_3(s, a, ...) MOLT_REF_OFFSET(s, a), MOLT_OFFSETS_2(s, __VA_ARGS__)
#define MOLT_OFFSETS_4(s, a, ...) MOLT_REF_OFFSET(s, a), MOLT_OFFSETS_3(s, __VA_ARGS__)
#define MOLT_OFFSETS_5(s, a, ...) MOLT_REF_OFFSET(s, a), MOLT_OFFSETS_4(s, __VA_ARGS__)
#define MOLT_OFFSETS_6(s, a, ...) MOLT_REF_OFFSET(s, a), MOLT_OFFSETS_5(s, __VA_ARGS__)
#define MOLT_OFFSETS_7(s, a, ...) MOLT_REF_OFFSET(s, a), MOLT_OFFSETS_6(s, __VA_ARGS__)
#define MOLT_OFFSETS_8(s, a, ...) MOLT_REF_OFFSET(s, a), MOLT_OFFSETS_7(s, __VA_ARGS__)
#define MOLT_OFFSETS_9(s, a, ...) MOLT_REF_OFFSET(s, a), MOLT_OFFSETS_8(s, __VA_ARGS__)
#define MOLT_OFFSETS_10(s, a, ...) MOLT_REF_OFFSET(s, a), MOLT_OFFSETS_9(s, __VA_ARGS__)
#define MOLT_OFFSETS_11(s, a, ...) MOLT_REF_OFFSET(s, a), MOLT_OFFSETS_10(s, __VA_ARGS__)
#define MOLT_OFFSETS_12(s, a, ...) MOLT_REF_OFFSET(s, a), MOLT_OFFSETS_11(s, __VA_ARGS__)
#define MOLT_OFFSETS_13(s, a, ...) MOLT_REF_OFFSET(s, a), MOLT_OFFSETS_12(s, __VA_ARGS__)
#define MOLT_OFFSETS_14(s, a, ...) MOLT_REF_OFFSET(s, a), MOLT_OFFSETS_13(s, __VA_ARGS__)
#define MOLT_OFFSETS_15(s, a, ...) MOLT_REF_OFFSET(s, a), MOLT_OFFSETS_14(s, __VA_ARGS__)
#define MOLT_OFFSETS_16(s, a, ...) MOLT_REF_OFFSET(s, a), MOLT_OFFSETS_15(s, __VA_ARGS__)

/* Checks whether molt_new takes the type. 0, or -1 and EINVAL; then `reason` says why not, in one
 * line without a new line, NUL-terminated and cut to `size` bytes; it may be NULL.
 *
 *     struct node: the reference field next (+8) is declared twice
 *
 * Refused are a type without a name, a size without room for the header or above 524,280, a wrong
 * alignment, a reference field or an array that is not aligned, lies outside the struct or is
 * declared twice, extra references behind a size that is no multiple of 8, a count without its
 * list, a traverse without a clear, a clear without a traverse, and the 65,001st type. Nothing is
 * registered. */
MOLT_API int molt_type_check(const molt_type *type, char *reason, size_t size);

/* Makes an object with count 1, all its fields zero. May collect, and so run callbacks, unless
 * collections are deferred. NULL and ENOMEM: no memory, or there are more than some 24,500 threads;
 * NULL and EINVAL: molt_type_check refuses the type, and a warning on standard error says why when
 * that type is first tried. */
MOLT_API void *molt_new(const molt_type *type) __attribute__((malloc, warn_unused_result));

/* As molt_new, with `extra` more zeroed bytes behind the struct. NULL and ENOMEM also if no address
 * space has room for them. */
MOLT_API void *molt_new_extra(const molt_type *type, size_t extra)
    __attribute__((malloc, warn_unused_result));

/* Undoes a molt_new: releases what the object's fields refer to and frees it; calls neither
 * finalize nor dispose. NULL is allowed. The object must be the calling thread's own, with one
 * reference and without weak references: anything else is misuse. */
MOLT_API void molt_discard(void *object);

/* ---- Counts ------------------------------------------------------------------------------ */

/* The calling thread's name in headers, with what the inline functions subtract. */
extern MOLT_API __thread uint64_t molt_self __attribute__((tls_model("initial-exec")));

#define MOLT_OWNER_SHIFT 48
#define MOLT_NOBODY 1 /* the owner in molt_self while the thread uses no objects */
#define MOLT_COUNT_ONE ((uint64_t)1 << 20)

/* molt_retain and molt_release as functions, for other languages; not for NULL. */
MOLT_API void *molt_retain_slow(void *object);
MOLT_API void molt_release_slow(void *object);

/* The slow end of molt_begin_change. */
MOLT_API void molt_attach_slow(const void *changed);

typedef void *molt_slot __attribute__((__may_alias__));

/* ThreadSanitizer watches: gcc and clang say so in their own ways. */
#if defined __SANITIZE_THREAD__
#define MOLT_WATCHED 1
#elif defined __has_feature
#if __has_feature(thread_sanitizer)
#define MOLT_WATCHED 1
#endif
#endif

/* Adds to the header of an object that the calling thread owns. Other threads may read the header
 * meanwhile, so each access is one, in one piece. That the compiler adds to memory, instead of
 * loading and storing, makes it one instruction. */
static inline void molt_count_add(molt_object *object, uint64_t change)
{
#ifdef MOLT_WATCHED
    __atomic_store_n(&object->molt_header,
                     __atomic_load_n(&object->molt_header, __ATOMIC_RELAXED) + change,
                     __ATOMIC_RELAXED);
#else
    __asm__("" : "+m"(object->molt_header)); /* what was loaded before is forgotten */
    object->molt_header += change;
#endif
}

typedef uint16_t molt_half __attribute__((__may_alias__));

/* The upper 16 bits of a header, or of molt_self. */
static inline uint16_t molt_tag(const uint64_t *header)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && !defined MOLT_WATCHED
    return ((const volatile molt_half *)header)[3];
#else
    return (uint16_t)(__atomic_load_n(header, __ATOMIC_RELAXED) >> MOLT_OWNER_SHIFT);
#endif
}

/* Adds a reference and returns the object. NULL is allowed. An object whose owner would count 2^28
 * references, or other threads 2^27, is never freed. */
static inline void *molt_retain(void *object)
{
    molt_object *o = (molt_object *)object;
    if (object == NULL)
        return NULL;
    /* The owner alone writes the header; a count that overflows into the owner makes the object
     * nobody's. */
    if (__builtin_expect(molt_tag(&o->molt_header) == molt_tag(&molt_self), 1))
        molt_count_add(o, MOLT_COUNT_ONE);
    else
        return molt_retain_slow(object);
    return object;
}

/* Gives a reference up. With its last one the object dies, and all that only it refers to, without
 * recursion, so that chains and trees of any depth may go: callbacks run here. NULL is allowed. */
static inline void molt_release(void *object)
{
    molt_object *o = (molt_object *)object;
    if (object == NULL)
        return;
    /* One comparison tells that the thread owns the object and the count is two or more. */
    uint64_t header = __atomic_load_n(&o->molt_header, __ATOMIC_RELAXED);
    if (__builtin_expect((header - molt_self) >> MOLT_OWNER_SHIFT == 0, 1))
        molt_count_add(o, -MOLT_COUNT_ONE);
    else
        molt_release_slow(object);
}

/* For who stores to reference fields without the functions below: says that the calling thread is
 * about to change fields of the object into which `changed` points. The thread uses objects from
 * now on, so collections wait until it comes to a safepoint. May wait for a collection that is
 * going on. In a traverse callback or a blocking region it is misuse; the library tells where it
 * can see that `changed` points into an object. */
static inline void molt_begin_change(const void *changed)
{
    if (__builtin_expect(molt_tag(&molt_self) == MOLT_NOBODY, 0))
        molt_attach_slow(changed);
}

/* Lets the calling thread use objects from now on, at a place where it can wait for a collection
 * that is going on. */
static inline void molt_gc_attach(void)
{
    molt_begin_change(NULL);
}

/* `slot` is the address of a reference field. molt_set stores a new reference to `object`, which
 * may be NULL, and releases the old one. molt_take hands the field's reference to the caller and
 * leaves NULL. molt_clear releases it and leaves NULL. In all three the field has its new value
 * before anything is released, so a callback finds the new one. They are no atomic operations. */
static inline void molt_set(void *slot, void *object)
{
    molt_slot *field = (molt_slot *)slot;
    if (object == NULL)
        molt_begin_change(slot); /* else molt_retain does it */
    void *old = *field;
    *field = molt_retain(object);
    molt_release(old);
}

static inline void *molt_take(void *slot)
{
    molt_slot *field = (molt_slot *)slot;
    molt_begin_change(slot);
    void *object = *field;
    *field = NULL;
    return object;
}

static inline void molt_clear(void *slot)
{
    molt_release(molt_take(slot));
}

/* Releases a local reference at the end of its block: MOLT_AUTO struct node *n = molt_new(…); */
#define MOLT_AUTO __attribute__((cleanup(molt_clear)))

/* Returns how many references there are to an object; SIZE_MAX: it is immortal; 0 for NULL. While
 * other threads count it the number is a guess. */
MOLT_API size_t molt_refcount(const void *object);

/* Makes an object immortal: it is never freed from now on, nor is what it refers to, and its count
 * means nothing. NULL is allowed. Only the thread that made the object may call this, or one that
 * knows that no other thread is counting it: the owner counts without atomic instructions, so a
 * change by another thread at that moment would be lost or would spoil the count. */
MOLT_API void molt_immortalize(void *object);

/* Returns the object's type; NULL for NULL. */
MOLT_API const molt_type *molt_typeof(const void *object);

/* Whether p is a live object. Any address may be asked for: nothing is read but molt's own memory.
 */
MOLT_API bool molt_is_object(const void *p);

/* Returns the object itself if it is of that type, else NULL; NULL for NULL. The count stays. */
MOLT_API void *molt_cast(void *object, const molt_type *type);

/* ---- Weak references --------------------------------------------------------------------- */

/* Makes a weak reference to an object: one that does not keep it alive. Free it by molt_weak_free,
 * also after the object's death. NULL and ENOMEM: no memory; NULL and EINVAL: object is NULL.
 *
 * When the object dies on_death, if not NULL, is called with `arg` in the thread where it dies, the
 * newest weak reference first. molt_weak_get gives NULL by then. The callback may free the weak
 * reference, and do all that callbacks may. When the last reference is released weak references die
 * after the finalizer. When the collector finds the object those with a callback die, for good,
 * before the finalizers run, the others after them. */
MOLT_API molt_weak *molt_weak_new(void *object, void (*on_death)(molt_weak *weak, void *arg),
                                  void *arg) __attribute__((warn_unused_result));

/* Returns a new reference to the object; NULL once it has died, and for NULL. In a traverse
 * callback or a blocking region it is misuse. */
MOLT_API void *molt_weak_get(molt_weak *weak) __attribute__((warn_unused_result));

/* Frees a weak reference; no other thread may be using it. Its callback is not called from now on,
 * but one that another thread has begun may still be running. NULL is allowed. */
MOLT_API void molt_weak_free(molt_weak *weak);

/* Returns how many weak references an object has; 0 for NULL. */
MOLT_API size_t molt_weak_count(const void *object);

/* ---- The collector ----------------------------------------------------------------------- */

/* Collects at once: frees the garbage of generation 0, of 0 and 1, or of all (2), whether or not
 * collections are enabled or deferred. Returns how many unreachable objects it found, but for those
 * that finalizers have revived. Waits for a collection of another thread; 0, and nothing happens,
 * in callbacks of a collection, in visitors, in traverse callbacks and in blocking regions. -1 and
 * EINVAL: no such generation; EBUSY: a thread did not come to a safepoint within a second; ENOMEM.
 * On EBUSY and ENOMEM no garbage has been freed, but finalizers may have run. */
MOLT_API long molt_gc_collect(int generation);

/* Let collections come by themselves, in the whole process, or not: they do at the start. */
MOLT_API void molt_gc_enable(void);
MOLT_API void molt_gc_disable(void);
MOLT_API bool molt_gc_is_enabled(void);

/* Sets when collections come by themselves. One of generation 0 is due when a thread has made more
 * than t0 tracked objects than it has let die since the last one; t0 0: none ever comes. It is one
 * of generation 1 (2) if more than t1 (t2) of the younger one have been done. One of generation 2
 * also waits until the old objects have grown by a quarter (by a half, then three quarters, while
 * such collections find next to nothing); it does not wait for t2 once 10,000 have become old.
 * Large objects that have doubled, to more than 16 MiB, make one due by themselves. At first 700,
 * 10, 10. 0, or -1 and EINVAL: a number is above INT_MAX. */
MOLT_API int molt_gc_set_threshold(unsigned t0, unsigned t1, unsigned t2);
MOLT_API void molt_gc_get_threshold(unsigned out[3]);
/* Stores what is compared with the thresholds: in out[0] the tracked objects made less those that
 * have died, summed over all threads (each thread compares its own part with t0), in out[1] and
 * out[2] the collections of the younger generation since the last of generation 1 and 2. While
 * other threads work the sum is a guess. */
MOLT_API void molt_gc_get_count(unsigned out[3]);

struct molt_gc_stats {
    uint64_t collections;   /* tried; an incremental one counts when its cycle has ended */
    uint64_t collected;     /* unreachable objects freed */
    uint64_t uncollectable; /* … found, but kept: revived by finalizers, or for MOLT_GC_SAVEALL */
    uint64_t candidates;    /* objects looked at */
    uint64_t skipped;       /* collections and slices that lacked memory or a thread's safepoint */
    uint64_t duration_ns;   /* of all together, with the waiting for other threads */
    uint64_t longest_ns;    /* of the longest collection or slice */
    uint64_t skipped_busy;  /* how many of `skipped` lacked a thread's safepoint */
    /* At the moment, the same for all generations: a thread, not the calling one, for which a
     * collection has waited in vain and which has come to no safepoint since. Its id, as gettid(2)
     * gives it, or 0; and for how long it has come to none, to some milliseconds. */
    uint64_t missing_thread;
    uint64_t missing_ns;
};

/* Fills *out. 0, or -1 and EINVAL: no such generation, or out is NULL. Waits for nothing; while
 * another thread collects the numbers may not fit together. */
MOLT_API int molt_gc_get_stats(int generation, struct molt_gc_stats *out);

/* molt_gc_freeze makes all tracked objects permanent: no collection looks at them, or writes near
 * them, until molt_gc_unfreeze makes them old ones (generation 2). For servers that fork: freeze
 * just before. If a thread does not come to a safepoint within a second, or memory is missing,
 * nothing happens and errno is EBUSY or ENOMEM; set it to 0 before. molt_gc_frozen_count returns
 * how many are frozen; close, not exact, if a thread did not come. */
MOLT_API void molt_gc_freeze(void);
MOLT_API void molt_gc_unfreeze(void);
MOLT_API size_t molt_gc_frozen_count(void);

/* Defers collections, for programs that make objects where none of their callbacks may run, for
 * example under a lock that a callback takes. While that is on (for the whole process; off at the
 * start) molt_new runs no code of the program in any thread: no collection comes by itself, and no
 * object dies of references that other threads have released. Both wait until the program asks for
 * them (molt_gc_run_deferred), so garbage in circles stays and memory grows until then.
 *
 * What stays as it is: an object whose last reference is released dies in that release, with its
 * callbacks; molt_gc_collect collects at once; molt_gc_safepoint, molt_gc_blocking_begin and _end,
 * and a thread's end let objects die that other threads have released; at exit garbage is
 * collected. */
MOLT_API void molt_gc_set_deferred(bool deferred);
MOLT_API bool molt_gc_is_deferred(void);

/* Whether molt_gc_run_deferred has something to do: a collection has become due by the thresholds,
 * or other threads have released objects of the calling one. Takes a few instructions. */
MOLT_API bool molt_gc_is_due(void);

/* Does what is due, in the calling thread; callbacks run in here. Returns how many unreachable
 * objects it found; 0 if nothing is due, in callbacks of a collection, in visitors, in traverse
 * callbacks and in blocking regions. Waits for a collection of another thread. -1 and EBUSY: a
 * thread did not come to a safepoint in time; ENOMEM; the collection stays due then. While
 * collections are not deferred it does the same, but finds little to do. */
MOLT_API long molt_gc_run_deferred(void);

enum molt_gc_phase { MOLT_GC_START, MOLT_GC_STOP };

struct molt_gc_info {
    int generation;
    size_t collected, uncollectable, candidates; /* as in molt_gc_stats; 0 at the start */
    uint64_t duration_ns;                        /* the same */
};

typedef void molt_gc_callback(enum molt_gc_phase phase, const struct molt_gc_info *info, void *arg);

/* Adds a callback, or removes one that was added with the same arguments. Callbacks are called in
 * the order of adding, before and after each collection, by the thread that collects; slices of an
 * incremental one call none. A collection that is skipped in the end calls them too. One that is
 * added by a callback is called from the next time on; one that is removed may still be running in
 * another thread. 0, or -1 and errno: ENOMEM, or ENOENT: there is none to remove. */
MOLT_API int molt_gc_add_callback(molt_gc_callback *callback, void *arg);
MOLT_API int molt_gc_remove_callback(molt_gc_callback *callback, void *arg);

enum {
    MOLT_GC_STATS = 1,         /* a line on standard error for each collection */
    MOLT_GC_COLLECTABLE = 2,   /* … for each object that is found unreachable */
    MOLT_GC_UNCOLLECTABLE = 4, /* … for each that is kept all the same */
    MOLT_GC_SAVEALL = 32,      /* unreachable objects are not freed but kept as garbage */
};
/* Sets which of these hold from the next collection on, in the whole process; none at the start. */
MOLT_API void molt_gc_set_debug(unsigned flags);
MOLT_API unsigned molt_gc_get_debug(void);

/* Stores up to `max` of the objects that are kept as garbage and returns how many there are; `out`
 * may be NULL if max is 0. The references stay the collector's: retain an object that is to be used
 * beyond molt_gc_clear_garbage. Waits for a collection of another thread. 0 and EBUSY: in a
 * traverse callback or a blocking region; ENOMEM. */
MOLT_API size_t molt_gc_garbage(void **out, size_t max);
/* Releases all objects that are kept as garbage, after a collection that is going on: callbacks run
 * here. With EBUSY and ENOMEM, as above, nothing happens. */
MOLT_API void molt_gc_clear_garbage(void);

/* Says that the calling thread is at a safepoint: it may stand still here, and objects of its own
 * die that others have released. Takes some 20 ns where nothing is wanted of the thread. If a
 * collection has waited for it in vain before, it stays until that has been done, 50 ms at most. In
 * a thread that uses no objects, and in visitors, it does nothing. */
MOLT_API void molt_gc_safepoint(void);

/* Between the two the calling thread uses no object, and collections do not wait for it; making,
 * counting or changing an object there is misuse. The end may wait for a collection, and in both
 * calls objects may die that others have released. They nest; an end without a beginning does
 * nothing. A thread that ends, or is cancelled, has left all its regions: its destructors may use
 * objects. */
MOLT_API void molt_gc_blocking_begin(void);
MOLT_API void molt_gc_blocking_end(void);

/* ---- Looking ----------------------------------------------------------------------------- */

/* Visits the tracked objects of a generation (0 to 2), or of all and the frozen ones (-1), and
 * returns how many there are, also if the visitor has ended the visit. `visit`, which may be NULL
 * in all three functions, borrows the objects, while the other threads stand still. 0 and EINVAL:
 * no such generation; EBUSY: a thread did not come to a safepoint within a second, or the call came
 * from a traverse callback or a blocking region; ENOMEM: no memory to look with; nothing is visited
 * then. To tell an error from an empty heap set errno to 0 before. */
MOLT_API size_t molt_gc_objects(int generation, molt_visit *visit, void *arg);
/* Visits the tracked objects that refer to `object`, each once, and returns how many there are.
 * Errors as above; 0 for NULL. */
MOLT_API size_t molt_gc_referrers(void *object, molt_visit *visit, void *arg);
/* Visits what `object` refers to, once for each reference, and returns how many there are. Errors
 * as above; 0 for NULL. */
MOLT_API size_t molt_gc_referents(void *object, molt_visit *visit, void *arg);

/* The following write text to a descriptor: 0, or -1 and errno, that of write(2) or ENOMEM. They
 * look at all live objects while the other threads stand still, so the thread that reads the text
 * must not be one of these. -1 and EBUSY: a thread did not come to a safepoint within a second (but
 * for molt_gc_report), or the call came from a traverse callback or a blocking region. A
 * declaration or a field that is wrong is no danger to them; what a traverse callback reads is its
 * own affair. */

/* Writes live objects and their bytes by type, the most bytes first, and a total. `tracked` are
 * those that collections look at, `large` have a block of their own, `immortal` are never freed. If
 * some thread does not stand still the numbers are close, not exact. If collections were skipped
 * because a thread came to no safepoint a last line says how many, and which thread it is, as long
 * as it does not come. With the option `objects` the library writes this to standard error at exit.
 */
MOLT_API int molt_gc_report(int fd);

/* Writes why an object lives: a shortest path of references from an object that is held from
 * outside (one with more references than fields of live objects account for), or from an immortal
 * one:
 *
 *     0x7f0000010040 struct list: 1 reference from outside
 *       +8 -> 0x7f0000010080 struct node
 *       [3] -> 0x7f00000100c0 struct leaf
 *
 * +8 is a field's offset, [3] an element of the array; `traverse` stands for what the callback
 * told. If the object itself is held from outside, which the caller's own reference does too, a
 * line before the path says so. -1 and EINVAL: object is NULL. */
MOLT_API int molt_gc_why(void *object, int fd);

/* Writes what an object refers to, in up to `depth` steps, as a graph in the DOT language: a node
 * for each object, with type, address and count, and an edge for each reference, named as above.
 * Dashed edges lead to no live object. -1 and EINVAL: object is NULL. */
MOLT_API int molt_gc_graph(void *object, unsigned depth, int fd);

/* Compares what types declare with what is in memory, writes a line for each finding, and returns
 * how many there are.
 *
 *     struct node +16: undeclared reference to struct node (3 objects, e.g. 0x7f0000010080)
 *
 * An undeclared reference is a word that holds exactly the address of a live object and is not
 * declared. If the word owns a counted reference, declare it: else the collector takes the target
 * for held from outside, and no circle through it is ever freed. If it only borrows, as a pointer
 * to the parent that holds no count, it must stay undeclared; ignore the finding, and one of a
 * number that merely looks like an address.
 *
 * A wrong reference is one that is declared, or told by traverse, and leads to no live object but
 * to a dead one, into the middle of one, into memory of malloc, or nowhere: `… (1 object, e.g.
 * 0x…0080 has 0x…)`. It is always an error, and so is an array that cannot be read. */
MOLT_API int molt_gc_audit(int fd);

/* Whether collections look at the object; false for NULL. */
MOLT_API bool molt_gc_is_tracked(const void *object);
/* Says that the object has no references that could be part of a circle, and will not have any:
 * collections do not look at it from now on, unless its finalizer revives it. NULL is allowed.
 * Called as molt_immortalize is: by the thread that made the object, or while no other counts it.
 */
MOLT_API void molt_gc_untrack(void *object);
/* Whether the object's finalizer has been called; false for NULL. */
MOLT_API bool molt_gc_is_finalized(const void *object);

#ifdef __cplusplus
}
#endif

#endif
