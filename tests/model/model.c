/* model.c: random operations against a shadow model of what a heap owes its users.
 *
 *   model [--seed S] [--ops N] [--threads T] [--seconds S]
 *
 * The shadow knows for each live block what was asked for and which pattern was written into it,
 * and keeps all live ranges in one array, ordered by address. Every operation is checked:
 * alignment, overlap, usable size (at least what was asked for, constant), content, zeroing.
 *
 * One thread: a seed makes a list of operations, run in a forked child. Each operation makes sense
 * whatever was done before (a free of an empty slot does nothing), so any part of a list is a list:
 * after a failure the list is shrunk by leaving parts out, and what is left is printed. With
 * --seconds further seeds follow until the time is over.
 *
 * Several threads: each makes up its operations as it goes, hands blocks to the others through a
 * shared table, and is now and then replaced by a new thread that takes over its blocks.
 *
 * Linked with molt's core it tests the molt_ names. Compiled with -DMODEL_STANDARD_NAMES it tests
 * malloc and its family, whoever provides them. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../patience.h"

/* ---- What is tested ---- */

struct heap_functions {
    void *(*malloc)(size_t size);
    void *(*calloc)(size_t count, size_t size);
    void *(*realloc)(void *block, size_t size);
    void *(*aligned_alloc)(size_t alignment, size_t size);
    void (*free)(void *block);
    void (*free_sized)(void *block, size_t size);
    size_t (*usable_size)(void *block);
    void (*trim)(void);
    size_t (*good_size)(size_t size); /* NULL: not offered */
    size_t (*live_blocks)(void);      /* NULL: not offered */
};

#ifdef MODEL_STANDARD_NAMES

#include <dlfcn.h>
#include <malloc.h>

static void plain_free_sized(void *block, size_t size)
{
    void (*sized)(void *, size_t) = (void (*)(void *, size_t))dlsym(RTLD_DEFAULT, "free_sized");
    if (sized != NULL)
        sized(block, size);
    else
        free(block);
}

static void plain_trim(void)
{
    malloc_trim(0);
}

static const struct heap_functions heap = {
    malloc,     calloc, realloc, aligned_alloc, free, plain_free_sized, malloc_usable_size,
    plain_trim, NULL,   NULL,
};

#else

#include "molt.h"

static size_t linked_usable_size(void *block)
{
    return molt_usable_size(block);
}

static void linked_trim(void)
{
    molt_trim(0);
}

static size_t linked_live_blocks(void)
{
    struct molt_stats stats;
    molt_stats_get(&stats, sizeof stats);
    return stats.live_blocks;
}

static const struct heap_functions heap = {
    molt_malloc,     molt_calloc,        molt_realloc, molt_aligned_alloc, molt_free,
    molt_free_sized, linked_usable_size, linked_trim,  molt_good_size,     linked_live_blocks,
};

#endif

/* ---- Operations ---- */

enum kind {
    OP_MALLOC,
    OP_CALLOC,
    OP_ALIGNED_ALLOC,
    OP_REALLOC,
    OP_FREE,
    OP_FREE_SIZED,
    OP_USABLE_SIZE,
    OP_SWAP, /* with a place of the table that all threads share */
    OP_TRIM,
    OP_COUNT,
};

enum {
    SLOTS = 4096,
    SHARED_SLOTS = 256,
    ALIGNMENT_SHIFT_MAX = 21,
};

#define SIZE_LIMIT ((size_t)8 << 20)
#define LIVE_BYTES_LIMIT ((size_t)256 << 20)

struct op {
    uint8_t kind;
    uint8_t alignment_shift;
    uint16_t slot;
    uint16_t shared;
    uint32_t size;
    uint32_t key; /* of the pattern */
};

struct random {
    uint64_t state;
};

/* splitmix64 (Steele, Lea and Flood, 2014) */
static uint64_t random_next(struct random *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint32_t random_below(struct random *random, uint32_t end)
{
    return (uint32_t)(random_next(random) % end);
}

/* As many numbers in [2^n, 2^(n+1)) as in [2^(n+1), 2^(n+2)). */
static uint32_t random_log_uniform(struct random *random, unsigned max_shift)
{
    unsigned shift = random_below(random, max_shift + 1);
    return shift == 0 ? random_below(random, 2) : random_below(random, 1u << shift);
}

static uint32_t random_size(struct random *random)
{
    uint32_t percent = random_below(random, 1000);
    if (percent < 60) /* near a border of a class or of a layer */
        return (1u << (3 + random_below(random, 19))) + random_below(random, 3) - 1;
    if (percent < 760)
        return random_log_uniform(random, 10);
    if (percent < 960)
        return random_log_uniform(random, 15);
    return random_log_uniform(random, percent < 995 ? 21 : 23);
}

/* A mood lasts for a few thousand operations, so that pools fill up, run empty and change their
 * class. */
struct mood {
    unsigned left;         /* operations it still lasts */
    unsigned alloc_weight; /* of 100 */
    unsigned focus_weight; /* of 100: sizes that are the focus */
    uint32_t focus;
    unsigned slots; /* how many slots it plays with */
};

static void mood_change(struct mood *mood, struct random *random, unsigned slots)
{
    static const unsigned alloc_weights[] = {15, 40, 50, 60, 90};
    static const unsigned focus_weights[] = {0, 0, 50, 97};
    mood->left = 500 + random_below(random, 8000);
    mood->alloc_weight = alloc_weights[random_below(random, 5)];
    mood->focus_weight = focus_weights[random_below(random, 4)];
    mood->focus = random_size(random);
    mood->slots = slots >> random_below(random, 6);
}

static enum kind random_kind(struct random *random, const struct mood *mood)
{
    uint32_t rare = random_below(random, 5000);
    if (rare < 3)
        return OP_TRIM;
    if (rare < 5)
        return OP_COUNT;
    uint32_t other = random_below(random, 100);
    if (other < 15)
        return other < 5 ? OP_USABLE_SIZE : OP_SWAP;
    if (other < 30)
        return OP_REALLOC;
    if (random_below(random, 100) >= mood->alloc_weight)
        return random_below(random, 4) == 0 ? OP_FREE_SIZED : OP_FREE;
    uint32_t alloc = random_below(random, 100);
    return alloc < 70 ? OP_MALLOC : alloc < 90 ? OP_CALLOC : OP_ALIGNED_ALLOC;
}

static struct op random_op(struct random *random, struct mood *mood, unsigned slots)
{
    if (mood->left == 0)
        mood_change(mood, random, slots);
    mood->left--;
    struct op op = {
        .kind = (uint8_t)random_kind(random, mood),
        .slot = (uint16_t)random_below(random, mood->slots),
        .shared = (uint16_t)random_below(random, SHARED_SLOTS),
        .key = (uint32_t)random_next(random),
    };
    op.size = random_below(random, 100) < mood->focus_weight ? mood->focus : random_size(random);
    uint32_t shift = random_below(random, 100) < 80 ? random_below(random, 10)
                                                    : random_below(random, ALIGNMENT_SHIFT_MAX - 2);
    op.alignment_shift = (uint8_t)(3 + shift);
    return op;
}

/* What op does, as a line of C. */
static void print_op(const struct op *op)
{
    unsigned slot = op->slot, size = op->size;
    switch ((enum kind)op->kind) {
    case OP_MALLOC:
        printf("    p%u = malloc(%u)\n", slot, size);
        break;
    case OP_CALLOC:
        printf("    p%u = calloc(1, %u)\n", slot, size);
        break;
    case OP_ALIGNED_ALLOC:
        printf("    p%u = aligned_alloc(%zu, %u)\n", slot, (size_t)1 << op->alignment_shift, size);
        break;
    case OP_REALLOC:
        printf("    p%u = realloc(p%u, %u)\n", slot, slot, size);
        break;
    case OP_FREE:
        printf("    free(p%u)\n", slot);
        break;
    case OP_FREE_SIZED:
        printf("    free_sized(p%u, its size)\n", slot);
        break;
    case OP_USABLE_SIZE:
        printf("    usable_size(p%u)\n", slot);
        break;
    case OP_SWAP:
        printf("    swap(p%u, shared[%u])\n", slot, (unsigned)op->shared);
        break;
    case OP_TRIM:
        printf("    trim()\n");
        break;
    case OP_COUNT:
        printf("    count live blocks\n");
        break;
    }
}

/* ---- Failure ---- */

static uint64_t seed_in_use;
static _Atomic size_t *op_in_progress; /* shared with the parent: how far the list came */

__attribute__((format(printf, 1, 2))) static _Noreturn void fail(const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    dprintf(STDERR_FILENO, "model: seed %llu: %.*s\n", (unsigned long long)seed_in_use, length,
            line);
    _exit(1);
}

/* ---- Live ranges, ordered by address ---- */

struct range {
    uintptr_t start, end;
};

enum { RANGES_MAX = SLOTS * 4 + SHARED_SLOTS };

static struct {
    pthread_mutex_t lock;
    size_t count;
    struct range ranges[RANGES_MAX];
} live = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The first range that ends behind the address. */
static size_t range_position(uintptr_t address)
{
    size_t low = 0, high = live.count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (live.ranges[middle].end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void range_add(const void *p, size_t bytes)
{
    struct range range = {(uintptr_t)p, (uintptr_t)p + bytes};
    pthread_mutex_lock(&live.lock);
    size_t at = range_position(range.start);
    struct range *next = &live.ranges[at];
    if (at < live.count && next->start < range.end)
        fail("the block at %p of %zu bytes overlaps a live one at %p of %zu", p, bytes,
             (void *)next->start, next->end - next->start);
    if (live.count == RANGES_MAX)
        fail("too many live blocks for the model");
    memmove(next + 1, next, (live.count - at) * sizeof *next);
    *next = range;
    live.count++;
    pthread_mutex_unlock(&live.lock);
}

static void range_remove(const void *p)
{
    pthread_mutex_lock(&live.lock);
    size_t at = range_position((uintptr_t)p);
    struct range *range = &live.ranges[at];
    if (at == live.count || range->start != (uintptr_t)p)
        fail("the model has lost the block at %p", p);
    live.count--;
    memmove(range, range + 1, (live.count - at) * sizeof *range);
    pthread_mutex_unlock(&live.lock);
}

/* ---- Blocks and their content ---- */

struct shadow {
    unsigned char *p; /* NULL: an empty slot */
    size_t size;      /* asked for */
    size_t usable;    /* as told when the block was made */
    uint32_t key;     /* of its pattern */
    bool aligned;     /* from aligned_alloc: free_sized is not allowed */
};

static _Atomic size_t live_bytes;

/* What is left in memory of the blocks that were there before: words that a program may move to
 * the front of a block without ever having written them. Among them are the links of free blocks of
 * all sizes, to places that are used again and again. */
static uint64_t old_words[4096];
static size_t old_word_count;

static void keep_old_words(const unsigned char *block, size_t bytes, unsigned most)
{
    for (size_t at = 8; at + 8 <= bytes && most > 0; at += 8) {
        uint64_t word;
        memcpy(&word, block + at, 8);
        if (word == 0 || old_word_count == sizeof old_words / sizeof old_words[0])
            continue;
        old_words[old_word_count++] = word;
        most--;
    }
}

static void gather_old_words(void)
{
    enum { FREED_BYTES = 256 << 10, LARGER_BYTES = 30000 };
    static void *blocks[FREED_BYTES / 8];
    for (size_t size = 8; size < LARGER_BYTES; size += size / 8) {
        size_t count = FREED_BYTES / size;
        for (size_t i = 0; i < count; i++)
            blocks[i] = heap.malloc(size);
        for (size_t i = 0; i < count; i++)
            heap.free(blocks[i]);
        void *larger = heap.malloc(LARGER_BYTES);
        keep_old_words(larger, LARGER_BYTES, 60);
        heap.free(larger);
    }
}

/* The pattern's word at an offset that is a multiple of 8. One block in 8 begins with a word that
 * has the mark of a free block in its upper half (src/alloc/block.h); one in 4 consists of old
 * words. */
static uint64_t pattern_word(uint32_t key, size_t offset)
{
    uint64_t word =
        (offset + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ key * UINT64_C(0xd1b54a32d192ed03);
    if (key % 4 == 3 && old_word_count != 0)
        return old_words[(word >> 40) % old_word_count];
    return offset == 0 && key % 8 == 0 ? word >> 16 | UINT64_C(0x7ff5) << 48 : word;
}

/* Large blocks are written and checked one word in 1 KiB, but for their ends and one in 8 of them:
 * enough to see a lost page. */
static size_t pattern_step(uint32_t key, size_t offset, size_t bytes)
{
    bool sparse = bytes > ((size_t)16 << 10) && key % 8 != 1;
    return sparse && offset >= 256 && offset + 1024 + 256 < bytes ? 1024 : 8;
}

static void pattern_write(unsigned char *p, size_t bytes, uint32_t key)
{
    for (size_t at = 0; at < bytes; at += pattern_step(key, at, bytes)) {
        uint64_t word = pattern_word(key, at);
        memcpy(p + at, &word, bytes - at < 8 ? bytes - at : 8);
    }
}

/* Checks the first `part` bytes of a pattern that was written for `bytes`. */
static void pattern_check(const struct shadow *shadow, const unsigned char *p, size_t part,
                          size_t bytes, const char *when)
{
    for (size_t at = 0; at < part; at += pattern_step(shadow->key, at, bytes)) {
        uint64_t word = pattern_word(shadow->key, at);
        size_t length = part - at < 8 ? part - at : 8;
        if (memcmp(p + at, &word, length) == 0)
            continue;
        uint64_t found = 0;
        memcpy(&found, p + at, length);
        fail("%s: %p (%zu bytes asked for, %zu usable): at offset %zu is %#llx, was written %#llx",
             when, (const void *)p, shadow->size, shadow->usable, at, (unsigned long long)found,
             (unsigned long long)word);
    }
}

static void check_zero(const unsigned char *p, size_t size)
{
    for (size_t at = 0; at < size; at += 8) {
        uint64_t word = 0;
        memcpy(&word, p + at, size - at < 8 ? size - at : 8);
        if (word != 0)
            fail("calloc(1, %zu) at %p: not zero at offset %zu: %#llx", size, (const void *)p, at,
                 (unsigned long long)word);
    }
}

/* Takes a new block into the model and fills it to the end of its usable size. */
static void shadow_enter(struct shadow *shadow, void *p, const struct op *op, size_t alignment)
{
    size_t usable = heap.usable_size(p);
    if ((uintptr_t)p % alignment != 0)
        fail("%p for %u bytes is not aligned to %zu", p, op->size, alignment);
    if (usable < op->size)
        fail("%p for %u bytes has only %zu usable", p, op->size, usable);
    range_add(p, usable == 0 ? 1 : usable);
    *shadow = (struct shadow){
        .p = p,
        .size = op->size,
        .usable = usable,
        .key = op->key,
        .aligned = op->kind == OP_ALIGNED_ALLOC,
    };
    atomic_fetch_add(&live_bytes, usable);
    pattern_write(p, usable, op->key);
}

static void shadow_check(const struct shadow *shadow, const char *when)
{
    size_t usable = heap.usable_size(shadow->p);
    if (usable != shadow->usable)
        fail("%s: usable size of %p was %zu and is %zu", when, (void *)shadow->p, shadow->usable,
             usable);
    pattern_check(shadow, shadow->p, usable, usable, when);
}

/* Takes a block out of the model; it is about to be freed or resized. */
static struct shadow shadow_leave(struct shadow *shadow, const char *when)
{
    struct shadow left = *shadow;
    shadow_check(shadow, when);
    range_remove(left.p);
    atomic_fetch_sub(&live_bytes, left.usable);
    shadow->p = NULL;
    return left;
}

/* ---- Running operations ---- */

static struct {
    pthread_mutex_t lock;
    struct shadow shadow;
} shared[SHARED_SLOTS];

struct player {
    struct shadow slots[SLOTS];
    struct random random;
    struct mood mood;
    unsigned slot_count; /* of them in use */
    bool alone;          /* no other thread runs: counts are exact */
};

static size_t natural_alignment(size_t size)
{
    return size <= 8 ? 8 : 16;
}

static void do_alloc(struct shadow *shadow, const struct op *op)
{
    size_t alignment = natural_alignment(op->size);
    void *p;
    if (shadow->p != NULL || atomic_load(&live_bytes) > LIVE_BYTES_LIMIT)
        return;
    if (op->kind == OP_CALLOC) {
        p = heap.calloc(1, op->size);
        if (p != NULL)
            check_zero(p, op->size);
    } else if (op->kind == OP_ALIGNED_ALLOC) {
        alignment = (size_t)1 << op->alignment_shift;
        p = heap.aligned_alloc(alignment, op->size);
    } else {
        p = heap.malloc(op->size);
    }
    if (p == NULL)
        fail("no memory for %u bytes at a multiple of %zu", op->size, alignment);
    shadow_enter(shadow, p, op, alignment);
    if (heap.good_size != NULL && op->kind != OP_ALIGNED_ALLOC &&
        heap.good_size(op->size) != shadow->usable)
        fail("good_size(%u) is %zu, the block has %zu", op->size, heap.good_size(op->size),
             shadow->usable);
}

static void do_realloc(struct shadow *shadow, const struct op *op)
{
    struct shadow old = {.p = NULL};
    if (shadow->p != NULL)
        old = shadow_leave(shadow, "before realloc");
    else if (atomic_load(&live_bytes) > LIVE_BYTES_LIMIT)
        return;
    void *p = heap.realloc(old.p, op->size);
    if (old.p != NULL && op->size == 0) {
        if (p != NULL)
            fail("realloc(%p, 0) gave %p", (void *)old.p, p);
        return;
    }
    if (p == NULL)
        fail("no memory for realloc(%p, %u)", (void *)old.p, op->size);
    if (old.p != NULL)
        pattern_check(&old, p, old.size < op->size ? old.size : op->size, old.usable,
                      "after realloc");
    shadow_enter(shadow, p, op, natural_alignment(op->size));
}

/* ThreadSanitizer may look into files in the midst of a free, when it has something to report. */
#if defined(__SANITIZE_THREAD__)
static const bool is_watched = true;
#else
static const bool is_watched = false;
#endif

static void do_free(struct shadow *shadow, bool sized)
{
    if (shadow->p == NULL)
        return;
    struct shadow old = shadow_leave(shadow, "before free");
    errno = 77;
    if (sized && !old.aligned)
        heap.free_sized(old.p, old.size);
    else
        heap.free(old.p);
    if (errno != 77 && !is_watched)
        fail("free changed errno to %d", errno);
}

static void do_swap(struct shadow *shadow, unsigned with)
{
    pthread_mutex_lock(&shared[with].lock);
    struct shadow kept = shared[with].shadow;
    shared[with].shadow = *shadow;
    *shadow = kept;
    pthread_mutex_unlock(&shared[with].lock);
}

static void check_count(void)
{
    if (heap.live_blocks != NULL && heap.live_blocks() != live.count)
        fail("the statistics say %zu live blocks, there are %zu", heap.live_blocks(), live.count);
}

static void do_op(struct player *player, const struct op *op)
{
    struct shadow *shadow = &player->slots[op->slot];
    switch ((enum kind)op->kind) {
    case OP_MALLOC:
    case OP_CALLOC:
    case OP_ALIGNED_ALLOC:
        do_alloc(shadow, op);
        break;
    case OP_REALLOC:
        do_realloc(shadow, op);
        break;
    case OP_FREE:
    case OP_FREE_SIZED:
        do_free(shadow, op->kind == OP_FREE_SIZED);
        break;
    case OP_USABLE_SIZE:
        if (shadow->p != NULL)
            shadow_check(shadow, "later");
        break;
    case OP_SWAP:
        do_swap(shadow, op->shared);
        break;
    case OP_TRIM:
        heap.trim();
        break;
    case OP_COUNT:
        if (player->alone)
            check_count();
        else if (heap.live_blocks != NULL && !is_watched)
            heap.live_blocks(); /* only close, but it must find its way */
        break;
    }
}

static void check_all(const struct player *player)
{
    for (unsigned slot = 0; slot < SLOTS; slot++)
        if (player->slots[slot].p != NULL)
            shadow_check(&player->slots[slot], "at a check of all");
}

static void free_all(struct player *player)
{
    for (unsigned slot = 0; slot < SLOTS; slot++)
        do_free(&player->slots[slot], false);
}

static void free_shared(void)
{
    for (unsigned i = 0; i < SHARED_SLOTS; i++)
        do_free(&shared[i].shadow, false);
}

static void init_shared(void)
{
    for (unsigned i = 0; i < SHARED_SLOTS; i++)
        pthread_mutex_init(&shared[i].lock, NULL);
}

/* ---- One thread: lists of operations ---- */

enum { CHECK_ALL_EVERY = 4096 };

static void *map_memory(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        perror("model: mmap");
        exit(2);
    }
    return p;
}

static void play_list(const struct op *ops, size_t count)
{
    static struct player player = {.alone = true};
    for (size_t i = 0; i < count; i++) {
        atomic_store(op_in_progress, i);
        do_op(&player, &ops[i]);
        if (i % CHECK_ALL_EVERY == CHECK_ALL_EVERY - 1)
            check_all(&player);
    }
    atomic_store(op_in_progress, count);
    check_all(&player);
    check_count();
    free_all(&player);
    free_shared();
    check_count();
}

static void silence(void)
{
    if (freopen("/dev/null", "w", stderr) == NULL)
        _exit(2);
}

/* Plays the list in a child of its own; its wait status, 0 if all was well. A child that hangs is
 * ended by SIGALRM. */
static int run_list(const struct op *ops, size_t count, unsigned timeout_seconds, bool loud)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        if (!loud)
            silence();
        alarm(patience(timeout_seconds));
        play_list(ops, count);
        _exit(0);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror("model: fork");
        exit(2);
    }
    return status;
}

static uint64_t now_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
}

/* Leaves out all parts of the list without which it still fails; half of it at first, single
 * operations at last. The new length. (Zeller's delta debugging, complements only.) */
static size_t shrink(struct op *ops, size_t count)
{
    struct op *fewer = map_memory((count + 1) * sizeof *ops);
    uint64_t end = now_seconds() + 60;
    for (size_t part = count / 2; part > 0 && now_seconds() < end; part /= 2) {
        for (size_t at = 0; at < count && now_seconds() < end;) {
            size_t left_out = count - at < part ? count - at : part;
            memcpy(fewer, ops, at * sizeof *ops);
            memcpy(fewer + at, ops + at + left_out, (count - at - left_out) * sizeof *ops);
            if (run_list(fewer, count - left_out, 10, false) == 0) {
                at += left_out;
                continue;
            }
            count -= left_out;
            memcpy(ops, fewer, count * sizeof *ops);
        }
    }
    munmap(fewer, (count + 1) * sizeof *ops);
    return count;
}

static void say_status(int status)
{
    if (WIFSIGNALED(status))
        printf("model: ended by signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
}

static void report_failure(struct op *ops, size_t count, int status)
{
    say_status(status);
    size_t failed_at = atomic_load(op_in_progress);
    printf("model: seed %llu failed at operation %zu of %zu; shrinking\n",
           (unsigned long long)seed_in_use, failed_at, count);
    if (failed_at < count && run_list(ops, failed_at + 1, 60, false) != 0)
        count = failed_at + 1;
    size_t before = count;
    count = shrink(ops, count);
    printf("model: %zu of %zu operations are enough:\n", count, before);
    for (size_t i = 0; i < count; i++)
        print_op(&ops[i]);
    fflush(stdout);
    status = run_list(ops, count, 60, true);
    if (status == 0)
        printf("model: this time the short list passed: the failure depends on chance\n");
    say_status(status);
}

/* 0 if the seed's list passes. */
static int test_list(uint64_t seed, size_t count)
{
    struct random random = {seed};
    struct mood mood = {0};
    struct op *ops = map_memory((count + 1) * sizeof *ops);
    seed_in_use = seed;
    for (size_t i = 0; i < count; i++)
        ops[i] = random_op(&random, &mood, SLOTS);
    int status = run_list(ops, count, 600, true);
    if (status != 0)
        report_failure(ops, count, status);
    munmap(ops, (count + 1) * sizeof *ops);
    return status;
}

/* Returns how many lists were run; 0 after a failure. */
static unsigned long test_lists(uint64_t seed, size_t ops, unsigned seconds)
{
    uint64_t end = now_seconds() + seconds;
    unsigned long lists = 0;
    op_in_progress = map_memory(sizeof *op_in_progress);
    do {
        if (test_list(seed + lists, ops) != 0)
            return 0;
        lists++;
    } while (now_seconds() < end);
    return lists;
}

/* ---- Several threads ---- */

enum { THREADS_MAX = 64 };

static atomic_ulong ops_left, ops_done;
static atomic_bool time_is_over;
static struct player players[THREADS_MAX];

static bool take_ops(unsigned long wanted)
{
    unsigned long left = atomic_load(&ops_left);
    while (left > 0 && !atomic_load(&time_is_over)) {
        unsigned long taken = left < wanted ? left : wanted;
        if (atomic_compare_exchange_weak(&ops_left, &left, left - taken)) {
            atomic_fetch_add(&ops_done, taken);
            return true;
        }
    }
    return false;
}

/* One thread's life: some thousand operations on the player's slots. */
static void *live_once(void *argument)
{
    struct player *player = argument;
    unsigned long ops = 1000 + random_below(&player->random, 30000);
    for (unsigned long i = 0; i < ops && (i % 100 != 0 || take_ops(100)); i++) {
        struct op op = random_op(&player->random, &player->mood, player->slot_count);
        do_op(player, &op);
    }
    return NULL;
}

/* Lives one life after the other, each in a thread of its own. */
static void *live_on(void *argument)
{
    while (!atomic_load(&time_is_over) && atomic_load(&ops_left) > 0) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, live_once, argument) != 0)
            fail("pthread_create: %s", strerror(errno));
        pthread_join(thread, NULL);
    }
    return NULL;
}

static void end_in_time(int signal)
{
    (void)signal;
    atomic_store(&time_is_over, true);
}

static void test_threads(uint64_t seed, unsigned long ops, unsigned threads, unsigned seconds)
{
    pthread_t thread[THREADS_MAX];
    seed_in_use = seed;
    atomic_store(&ops_left, ops);
    signal(SIGALRM, end_in_time);
    alarm(seconds);
    for (unsigned i = 0; i < threads; i++) {
        players[i].random.state = seed * THREADS_MAX + i;
        players[i].slot_count = SLOTS * 2 / threads < SLOTS ? SLOTS * 2 / threads : SLOTS;
        if (pthread_create(&thread[i], NULL, live_on, &players[i]) != 0)
            fail("pthread_create: %s", strerror(errno));
    }
    for (unsigned i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    alarm(0);
    for (unsigned i = 0; i < threads; i++) {
        check_all(&players[i]);
        free_all(&players[i]);
    }
    free_shared();
    heap.trim();
}

/* ---- main ---- */

static unsigned long number_of(const char *text)
{
    char *end;
    unsigned long number = text == NULL ? 0 : strtoul(text, &end, 0);
    if (text == NULL || *text == '\0' || *end != '\0') {
        fprintf(stderr, "usage: model [--seed S] [--ops N] [--threads T] [--seconds S]\n");
        exit(2);
    }
    return number;
}

int main(int argc, char **argv)
{
    unsigned long seed = 1, ops = 0, threads = 1, seconds = 0;
    for (int i = 1; i < argc; i += 2) {
        unsigned long *option = strcmp(argv[i], "--seed") == 0      ? &seed
                                : strcmp(argv[i], "--ops") == 0     ? &ops
                                : strcmp(argv[i], "--threads") == 0 ? &threads
                                : strcmp(argv[i], "--seconds") == 0 ? &seconds
                                                                    : NULL;
        unsigned long number = number_of(option == NULL ? NULL : argv[i + 1]);
        *option = number;
    }
    if (threads < 1 || threads > THREADS_MAX)
        number_of(NULL);
    init_shared();
    gather_old_words();
    if (threads == 1) {
        size_t list = ops == 0 ? 200000 : ops;
        unsigned long lists = test_lists(seed, list, (unsigned)seconds);
        if (lists == 0)
            return 1;
        printf("model: seed %lu: %lu x %zu operations passed\n", seed, lists, list);
        return 0;
    }
    if (ops == 0)
        ops = seconds == 0 ? 1000000 : ULONG_MAX;
    test_threads(seed, ops, (unsigned)threads, (unsigned)seconds);
    printf("model: seed %lu: %lu operations in %lu threads passed\n", seed, atomic_load(&ops_done),
           threads);
    return 0;
}
