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
 * A reference field is NULL or holds one counted reference. What counts alone cannot free, objects
 * that refer to each other in a circle, the collector finds: by trial deletion in three
 * generations, as CPython's does (after Lins 1992; Bacon and Rajan 2001). It runs by itself inside
 * molt_new, and whenever molt_gc_collect is called. A program that makes no object pays nothing.
 *
 * Counts are biased (Choi, Shull, Torrellas: "Biased Reference Counting", PACT 2018): the thread
 * that made an object, its owner, counts with plain instructions, the others in an atomic word
 * beside. Retain and release may be called for any object from any thread, and an object dies
 * with whoever lets go last. The fields of an object are the program's: threads that write and
 * read one at the same time need a lock of their own around it.
 *
 * Threads and the collector: it needs every thread that uses objects to stand still while it
 * looks. A thread is one of these from its first call on that makes or counts an object, changes a
 * field, collects, or looks (all from molt_gc_objects on that look at objects; molt_gc_get_stats
 * and the settings do not), and until it ends. A thread that only watches, and sleeps in between,
 * is one, too. It is at a safepoint in that first call (molt_gc_attach lets it choose a place),
 * when it calls molt_new, molt_gc_safepoint, molt_gc_blocking_begin or _end, and when it collects
 * or looks; there, and nowhere else, each of its reference fields must hold a counted reference or
 * NULL. A thread that is going to wait for long (a lock, a socket, a sleep) says so by
 * molt_gc_blocking_begin and _end, and leaves objects alone in between. A program with one thread
 * need not care.
 *
 * A collection for which some thread does not come to a safepoint in time is skipped and counted.
 * Nothing in a circle can be freed without that thread, since it may be moving references that no
 * count tells of; what counts alone free goes on. So the garbage of circles grows until it comes.
 * Attempts become rarer meanwhile, a molt_new waits 20 ms for the first and up to a second for one
 * of them once 16 MiB have been taken into use; a warning on standard error, once in a process,
 * names the thread, and so do molt_gc_get_stats and molt_gc_report. A thread that makes objects
 * faster than another one collects them waits for it in molt_new, as long as that gets on.
 *
 * Callbacks: finalize, clear, dispose and on_death run where the object dies, in that thread and
 * under the locks that it holds there:
 *
 *   - of an object whose last reference is released: in that release (molt_release, molt_set,
 *     molt_clear, MOLT_AUTO …). If the thread that made the object still holds counts that others
 *     have released, it dies with that thread: in its next molt_new, molt_gc_safepoint,
 *     molt_gc_collect, blocking region's beginning or end, or when it ends;
 *   - of garbage in circles: in the thread that collects, which may be any that calls molt_new, or
 *     who calls molt_gc_collect or molt_gc_run_deferred, or exits.
 *
 * So a molt_new may run them, and must not be called with a lock held that one of them takes:
 * molt_gc_set_deferred is for programs that cannot do without. The library holds no lock meanwhile
 * that anybody waits for but who wants to collect or to look, too: callbacks may call all functions
 * here, but molt_gc_collect does nothing in one that a collection calls. A traverse callback is
 * another thing: it may do nothing but visit. C callbacks must not throw nor longjmp out; one may
 * end its thread.
 *
 * Misuse (a count operation on a dead object, on something that is none, inside a traverse callback
 * or a blocking region) ends the program with one line on standard error: what was done, the
 * address, the type; of an object that is none or dead, or whose count is wrong, also a declared
 * field that refers to it, if there is one and the other threads come to a safepoint within a tenth
 * of a second.
 *
 * Functions may be called from any thread but not from a signal handler, unless a comment says
 * otherwise. They leave errno alone when they succeed, but for what callbacks do; those for which
 * no error is named cannot fail. Sizes are in bytes, times in nanoseconds.
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

/* What the library calls with each object that it visits; a result other than 0 ends the visit. */
typedef int molt_visit(void *object, void *arg);

enum {
    MOLT_LEAF = 1,    /* has no references, whatever the rest of the type says */
    MOLT_ACYCLIC = 2, /* its references never lead back to it: not looked at by the collector */
    MOLT_TRAILING_REFS = 4, /* all extra bytes of molt_new_extra are references */
    MOLT_IMMORTAL = 8,      /* objects of the type are never freed */
};

/* Describes the objects of one kind; lives as long as the program. All but `name` and `size` may be
 * 0. The declared references are taken together: those of `refs`, of `ref_bitmap`, of the array,
 * of the extra bytes, and those that `traverse` tells. */
struct molt_type {
    const char *name;     /* for messages and reports */
    size_t size;          /* of the struct */
    unsigned alignment;   /* a power of two up to 4096; 0 is 8 */
    unsigned flags;       /* MOLT_LEAF … */
    const uint16_t *refs; /* offsets of reference fields */
    size_t ref_count;
    const char *ref_names;      /* theirs, with commas between, for messages; or NULL */
    const uint64_t *ref_bitmap; /* bit n: the struct's nth word of 8 bytes is a reference */
    size_t ref_bitmap_words;

    /* A field that points to an array of references, and one that holds its length. The array is
     * not the library's: `dispose` frees it. */
    uint16_t array, array_length; /* their offsets */
    uint8_t array_length_bytes;   /* 1, 2, 4 or 8; 0: there is no array */

    /* Calls visit for every reference that is not declared above, NULL or not; returns what visit
     * returned as soon as that is not 0. Runs in any thread that collects or looks, while the
     * others stand still: must not retain, release, make objects or wait for another thread. */
    int (*traverse)(void *object, molt_visit *visit, void *arg);
    /* Clears (molt_clear) what traverse tells. Needed wherever there is a traverse. What dies of it
     * dies after it has returned. */
    void (*clear)(void *object);
    /* The object is about to die. Called once at most; all fields are intact, and the object may be
     * retained again, which keeps it: it is young then, as a new one, also if it was frozen. May do
     * anything, also collect. */
    void (*finalize)(void *object);
    /* The object dies, and nobody can prevent it: frees what it owns beside objects. The reference
     * fields are gone by then. Must not make objects of its own immortal again. */
    void (*dispose)(void *object);

    /* The library's own: 0. */
    uint64_t molt_private[2];
};

/* Defines a type. What follows the struct are initializers: MOLT_REFS(…), .finalize = …, … The
 * compiler refuses a struct that does not begin with MOLT_OBJECT; molt_type_check tells the rest.
 */
#define MOLT_TYPE(type_name, struct_name, ...)                        \
    static molt_type type_name = {.name = #struct_name,               \
                                  .size = sizeof(struct_name),        \
                                  .alignment = _Alignof(struct_name), \
                                  __VA_ARGS__};                       \
    _Static_assert(offsetof(struct_name, molt_base) == 0,             \
                   "MOLT_TYPE: MOLT_OBJECT must be the first member of " #struct_name)

/* Reference fields, 1 to 16 of them, each once. The compiler refuses what is no pointer. */
#define MOLT_REFS(struct_name, ...)                                     \
    .refs = (const uint16_t[]){MOLT_OFFSETS(struct_name, __VA_ARGS__)}, \
    .ref_count = MOLT_COUNT(__VA_ARGS__), .ref_names = #__VA_ARGS__

/* A bitmap of reference words: MOLT_REF_BITMAP(0x6) says that words 1 and 2 are. */
#define MOLT_REF_BITMAP(...) \
    .ref_bitmap = (const uint64_t[]){__VA_ARGS__}, .ref_bitmap_words = MOLT_COUNT(__VA_ARGS__)

/* An array of references behind a pointer field, and the integer field with its length. The
 * compiler refuses fields of other types. */
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

/* Whether molt_new takes the type: 0, or -1 and EINVAL, and then why not, in one line without a new
 * line, in `reason`: NUL-terminated, cut to `size` bytes; NULL and 0 if it does not matter.
 *
 *     struct node: the reference field next (+8) is declared twice
 *
 * Refused are a type without a name, a size without room for the header or above 524,280, a wrong
 * alignment, a reference field or an array that is not aligned, lies outside the struct or is
 * declared twice, extra references behind a size that is no multiple of 8, a count without its
 * list, a traverse without a clear, a clear without a traverse, and the 65,001st type. Nothing is
 * registered. From any thread. */
MOLT_API int molt_type_check(const molt_type *type, char *reason, size_t size);

/* A new object with count 1, all fields zero. NULL and ENOMEM when there is no memory; NULL and
 * EINVAL when molt_type_check refuses the type: the first time a warning on standard error says
 * why. May collect, and so run callbacks, unless collections are deferred. */
MOLT_API void *molt_new(const molt_type *type) __attribute__((malloc, warn_unused_result));

/* The same with `extra` more zeroed bytes behind the struct. ENOMEM also for what no address space
 * has room for. */
MOLT_API void *molt_new_extra(const molt_type *type, size_t extra)
    __attribute__((malloc, warn_unused_result));

/* Undoes a molt_new: what the object's fields refer to is released, and it is no more; neither
 * finalize nor dispose is called. NULL is allowed. It must be the calling thread's own, with one
 * reference and no weak one: else the program ends with a line that says so. */
MOLT_API void molt_discard(void *object);

/* ---- Counts ------------------------------------------------------------------------------ */

/* The calling thread's name in headers, with what the inline functions subtract. */
extern MOLT_API __thread uint64_t molt_self __attribute__((tls_model("initial-exec")));

#define MOLT_OWNER_SHIFT 48
#define MOLT_NOBODY 1 /* the owner in molt_self while the thread uses no objects */
#define MOLT_COUNT_ONE ((uint64_t)1 << 20)

/* The same for every object and thread, as functions: for other languages. */
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

/* Other threads read the header while its owner writes: no more than one access each, in one piece.
 * That the compiler adds to memory instead of loading and storing makes it an instruction. */
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

/* One more reference; returns the object. NULL is allowed. A count that would overflow (2^28)
 * makes the object immortal. */
static inline void *molt_retain(void *object)
{
    molt_object *o = (molt_object *)object;
    if (object == NULL)
        return NULL;
    /* Written by its owner alone; an overflow of the count makes it nobody's. */
    if (__builtin_expect(molt_tag(&o->molt_header) == molt_tag(&molt_self), 1))
        molt_count_add(o, MOLT_COUNT_ONE);
    else
        return molt_retain_slow(object);
    return object;
}

/* One reference less; with the last one the object dies, and what it alone refers to: without
 * recursion, so that chains and trees of any depth may go. NULL is allowed. */
static inline void molt_release(void *object)
{
    molt_object *o = (molt_object *)object;
    if (object == NULL)
        return;
    /* One comparison: of the owner, and that the count is two or more. */
    uint64_t header = __atomic_load_n(&o->molt_header, __ATOMIC_RELAXED);
    if (__builtin_expect((header - molt_self) >> MOLT_OWNER_SHIFT == 0, 1))
        molt_count_add(o, -MOLT_COUNT_ONE);
    else
        molt_release_slow(object);
}

/* What is about to happen changes a field, or several, of the object into which `changed` points:
 * the calling thread uses objects from now on, and collections wait until it comes to a safepoint.
 * May wait for a collection that is going on. Inside a traverse callback or a blocking region it is
 * an error, as far as it is seen. For who stores to fields himself; the functions below do it. */
static inline void molt_begin_change(const void *changed)
{
    if (__builtin_expect(molt_tag(&molt_self) == MOLT_NOBODY, 0))
        molt_attach_slow(changed);
}

/* The same without saying what: where the thread can wait. */
static inline void molt_gc_attach(void)
{
    molt_begin_change(NULL);
}

/* `slot` is the address of a reference field. molt_set lets it hold a new reference to `object`,
 * which may be NULL, and releases the old one. molt_take hands the field's reference to the caller
 * and leaves NULL. molt_clear releases it and leaves NULL. In all three the field has its new value
 * before anything is released. */
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

/* Releases a local reference where its block ends: MOLT_AUTO struct node *n = molt_new(…); */
#define MOLT_AUTO __attribute__((cleanup(molt_clear)))

/* The references to an object; SIZE_MAX of an immortal one. With other threads at work it is a
 * guess. */
MOLT_API size_t molt_refcount(const void *object);

/* The object is never freed from now on, and its count means nothing; whatever it refers to lives
 * on too. By its owner only; else it may take effect late. */
MOLT_API void molt_immortalize(void *object);

MOLT_API const molt_type *molt_typeof(const void *object);

/* Whether p is a live object: any address may be asked for, and nothing is read but molt's own
 * memory. */
MOLT_API bool molt_is_object(const void *p);

/* The object itself if it is of that type, else NULL; NULL for NULL. The count stays. */
MOLT_API void *molt_cast(void *object, const molt_type *type);

/* ---- Weak references --------------------------------------------------------------------- */

/* A weak reference to an object, which must be alive: it does not keep it. When the object dies
 * on_death, if not NULL, is called with `arg`; molt_weak_get gives NULL by then. It may free the
 * weak reference. That is after the object's finalizer when its last reference is released; when
 * the collector finds it, weak references that have a callback die, for good, before the finalizers
 * run, and the others after them. NULL and ENOMEM when there is no memory. */
MOLT_API molt_weak *molt_weak_new(void *object, void (*on_death)(molt_weak *weak, void *arg),
                                  void *arg) __attribute__((warn_unused_result));

/* A new reference to the object, or NULL once it has died, also for NULL. A thread that uses no
 * objects yet begins to here; one that must leave them alone ends the program. */
MOLT_API void *molt_weak_get(molt_weak *weak) __attribute__((warn_unused_result));

/* Its callback will not be called any more, but may be running in another thread. NULL is allowed.
 */
MOLT_API void molt_weak_free(molt_weak *weak);

/* How many weak references the object has; 0 for NULL. */
MOLT_API size_t molt_weak_count(const void *object);

/* ---- The collector ----------------------------------------------------------------------- */

/* Frees the garbage of generation 0, of 0 and 1, or of all (2): how many unreachable objects it
 * found, those that finalizers have revived not counted. 0 when a collection is going on already
 * (in a finalizer). -1 and EINVAL: no such generation; EBUSY: a thread did not come to a safepoint;
 * ENOMEM: no memory to collect with, nothing happened. */
MOLT_API long molt_gc_collect(int generation);

/* Collections by themselves, in the whole process: on at the start. */
MOLT_API void molt_gc_enable(void);
MOLT_API void molt_gc_disable(void);
MOLT_API bool molt_gc_is_enabled(void);

/* A collection of generation 0 is due when more than t0 objects have been made than have died since
 * the last one (0: never); of 1 and 2 after more than t1 (t2) collections of the younger one. That
 * of 2 also waits until the old objects have grown by a quarter (by a half, then by three quarters,
 * while such collections find next to nothing); it does not wait for t2 when they have grown by
 * 10,000, or large ones have doubled. At first 700, 10, 10. 0, or -1 and EINVAL above INT_MAX. */
MOLT_API int molt_gc_set_threshold(unsigned t0, unsigned t1, unsigned t2);
MOLT_API void molt_gc_get_threshold(unsigned out[3]);
/* What is compared with them: new objects of all threads less those that have died, and collections
 * of the younger generation. With other threads at work the first is a guess. */
MOLT_API void molt_gc_get_count(unsigned out[3]);

struct molt_gc_stats {
    uint64_t collections;   /* tried; an incremental one counts when its cycle has ended */
    uint64_t collected;     /* unreachable objects freed */
    uint64_t uncollectable; /* … found, but kept: revived by finalizers, or for MOLT_GC_SAVEALL */
    uint64_t candidates;    /* objects looked at */
    uint64_t skipped;       /* those, and slices, that lacked memory or a thread's safepoint */
    uint64_t duration_ns;   /* in all, with the time that other threads were waited for */
    uint64_t longest_ns;    /* of one collection, or one slice */
    uint64_t skipped_busy;  /* … of which a thread's safepoint */
    /* At the moment, the same for all generations: a thread, not the calling one, that collections
     * have waited for in vain and that has come to no safepoint since: its id, as gettid(2) gives
     * it, or 0, and for how long it has not, to some milliseconds. */
    uint64_t missing_thread;
    uint64_t missing_ns;
};

/* 0, or -1 and EINVAL: no such generation, or `out` is NULL. From any thread, without waiting;
 * while another thread collects the numbers may not fit together. */
MOLT_API int molt_gc_get_stats(int generation, struct molt_gc_stats *out);

/* All tracked objects become permanent: no collection looks at them, or writes near them, until
 * molt_gc_unfreeze makes them old ones. For servers that fork. If a thread does not come to a
 * safepoint nothing happens, and errno is EBUSY; the count may be close, not exact, then. */
MOLT_API void molt_gc_freeze(void);
MOLT_API void molt_gc_unfreeze(void);
MOLT_API size_t molt_gc_frozen_count(void);

/* Deferred collections, for programs that make objects where none of their callbacks may run: with
 * a lock held that a callback takes, say. While it is on (in the whole process; off at the start)
 * molt_new runs no code of the program in any thread: neither does a collection come by itself, nor
 * do objects die of references that other threads have released. Both wait until the program asks:
 * garbage in circles stays until then, and memory grows with it.
 *
 * What stays as it is: an object whose last reference is released dies in that release, with its
 * callbacks; molt_gc_collect collects at once; molt_gc_safepoint, and the beginning and the end of
 * a blocking region, let die what other threads have released, as a thread's end does; and at exit
 * garbage is collected. From any thread; a forked child inherits it. */
MOLT_API void molt_gc_set_deferred(bool deferred);
MOLT_API bool molt_gc_is_deferred(void);

/* Whether molt_gc_run_deferred has something to do: a collection has become due by the thresholds,
 * or others have released objects of the calling thread. A few instructions; from any thread. */
MOLT_API bool molt_gc_is_due(void);

/* Does what is due, in the calling thread: the callbacks run in here. How many unreachable objects
 * it found; 0 when nothing is due, in a collection, and in a blocking region. -1 and EBUSY: a
 * thread did not come to a safepoint in time; ENOMEM: no memory to collect with: it stays due. A
 * collection of another thread is waited for. Does the same while collections are not deferred, but
 * finds little to do then. */
MOLT_API long molt_gc_run_deferred(void);

enum molt_gc_phase { MOLT_GC_START, MOLT_GC_STOP };

struct molt_gc_info {
    int generation;
    size_t collected, uncollectable, candidates; /* 0 at the start */
    uint64_t duration_ns;
};

typedef void molt_gc_callback(enum molt_gc_phase phase, const struct molt_gc_info *info, void *arg);

/* Called before and after each collection; one that a callback adds from the next time on. 0, or -1
 * and ENOMEM; ENOENT: there is none to remove. */
MOLT_API int molt_gc_add_callback(molt_gc_callback *callback, void *arg);
MOLT_API int molt_gc_remove_callback(molt_gc_callback *callback, void *arg);

enum {
    MOLT_GC_STATS = 1,         /* a line on standard error for each collection */
    MOLT_GC_COLLECTABLE = 2,   /* … for each object that is found unreachable */
    MOLT_GC_UNCOLLECTABLE = 4, /* … for each that is kept all the same */
    MOLT_GC_SAVEALL = 32,      /* unreachable objects are not freed but kept as garbage */
};
MOLT_API void molt_gc_set_debug(unsigned flags);
MOLT_API unsigned molt_gc_get_debug(void);

/* Stores up to `max` of the objects kept as garbage: how many there are. The collector's references
 * stay its own. Waits for a collection that is going on; 0 and EBUSY, or ENOMEM, as in
 * molt_gc_objects. */
MOLT_API size_t molt_gc_garbage(void **out, size_t max);
/* Lets go of them all, after a collection that is going on. On EBUSY and ENOMEM nothing happens. */
MOLT_API void molt_gc_clear_garbage(void);

/* The calling thread is at a safepoint: what others have released of its objects may die here.
 * Costs some 20 ns where nothing is wanted of it. If a collection has waited for it in vain before,
 * it stays until that has been done, 50 ms at most. */
MOLT_API void molt_gc_safepoint(void);

/* Between the two the calling thread uses no object; collections do not wait for it. The end may
 * wait for one, and in both objects may die that others have released. May be nested. A thread that
 * ends, or is cancelled, has left them all: its destructors may use objects.
 */
MOLT_API void molt_gc_blocking_begin(void);
MOLT_API void molt_gc_blocking_end(void);

/* ---- Looking ----------------------------------------------------------------------------- */

/* Visits the tracked objects of a generation (0 to 2; else 0 and EINVAL), or of all, also those
 * that are frozen (-1): how many there are. The visitor, which may be NULL in all three, borrows,
 * while the other threads stand still: it may retain and use malloc, but not make or release
 * objects, which ends the program, nor wait for a thread that uses them. If a thread does not come
 * to a safepoint nothing is visited: 0, and errno is EBUSY; as it is inside a traverse callback and
 * a blocking region. ENOMEM: no memory to look with. Who has to tell this from an empty heap sets
 * errno to 0 before. */
MOLT_API size_t molt_gc_objects(int generation, molt_visit *visit, void *arg);
/* Visits the tracked objects that refer to `object`, each once. */
MOLT_API size_t molt_gc_referrers(void *object, molt_visit *visit, void *arg);
/* Visits what `object` refers to, once a reference. */
MOLT_API size_t molt_gc_referents(void *object, molt_visit *visit, void *arg);

/* The following write text to a descriptor: 0, or -1 and errno, that of write(2) or ENOMEM. They
 * look at all live objects while the other threads stand still (-1 and EBUSY: one did not come to a
 * safepoint, or the calling thread has said that it uses none), so who reads the text must not be
 * one of these. A declaration or a field that is wrong is no danger to them; what a traverse
 * callback reads is its own affair. */

/* Live objects and their bytes by type, the most bytes first, and a total. `tracked` are those that
 * collections look at, `large` have a block of their own, `immortal` are never freed. If some
 * thread does not stand still its numbers are close, not exact. If collections were skipped because
 * a thread came to no safepoint a last line says how many, and which thread it is, as long as it
 * does not come. With the option `objects` it is written to standard error at exit. */
MOLT_API int molt_gc_report(int fd);

/* Why the object lives: a shortest path of references from an object that is held from outside, one
 * with more references than fields of live objects account for, or an immortal one:
 *
 *     0x7f0000010040 struct list: 1 reference from outside
 *       +8 -> 0x7f0000010080 struct node
 *       [3] -> 0x7f00000100c0 struct leaf
 *
 * +8 is a field's offset, [3] an element of the array; `traverse` told the rest. If the object
 * itself is held from outside a line before the path says so; the caller's own reference counts,
 * too. -1 and EINVAL: object is NULL. */
MOLT_API int molt_gc_why(void *object, int fd);

/* What the object refers to, in up to `depth` steps, as a graph in the DOT language: a node for
 * each object, with type, address and count, an edge for each reference, named as above. Dashed
 * edges lead to no live object. -1 and EINVAL: object is NULL. */
MOLT_API int molt_gc_graph(void *object, unsigned depth, int fd);

/* Compares what types declare with what is in memory, a line for each finding: how many there are.
 *
 *     struct node +16: undeclared reference to struct node (3 objects, e.g. 0x7f0000010080)
 *
 * An undeclared reference is a word that holds exactly the address of a live object and is not
 * declared. If the word owns a counted reference, declare it: or the collector takes the target for
 * held from outside, and no cycle through it is ever freed. If it only borrows, like a pointer to
 * the parent that holds no count, it must stay undeclared, and the finding is to be ignored; so is
 * a number that merely looks like an address.
 *
 * A wrong reference is one that is declared, or told by traverse, and leads to no live object: to a
 * dead one, into the middle of one, into memory of malloc, or nowhere: `… (1 object, e.g. 0x…0080
 * has 0x…)`. It is always an error, and so is an array that cannot be read. */
MOLT_API int molt_gc_audit(int fd);

/* Whether collections look at the object. */
MOLT_API bool molt_gc_is_tracked(const void *object);
/* The object has no references that could be part of a cycle, and will not have any: collections
 * look at it no longer, unless its finalizer revives it. */
MOLT_API void molt_gc_untrack(void *object);
MOLT_API bool molt_gc_is_finalized(const void *object);

#ifdef __cplusplus
}
#endif

#endif
