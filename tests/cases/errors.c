/* What each function of the family returns and leaves in errno, as glibc 2.36 does.
 *
 * Programs look at errno after a failure, and some look at it after a success. The table holds what
 * glibc 2.36 was seen to do; `tests/cases/run --only errors none` asks the system's own malloc.
 * Other versions of glibc differ in one thing: from 2.38 on aligned_alloc refuses an alignment that
 * is no power of two (NULL and EINVAL), which before is that of memalign: the next power of two.
 */
#include "case.h"
#include <gnu/libc-version.h>
#include <malloc.h>

#define MAX SIZE_MAX
#define HALF ((size_t)1 << 63) /* PTRDIFF_MAX + 1 */
#define QUARTER ((size_t)1 << 62)

/* No allocator sets errno to this. */
#define KEPT 1234

enum outcome { BLOCK, NONE };

struct call {
    const char *name;
    void *(*function)(size_t a, size_t b);
    size_t a, b;
    enum outcome outcome;
    int error; /* errno afterwards */
};

static void *call_malloc(size_t size, size_t unused)
{
    (void)unused;
    return malloc(size);
}

static void *call_valloc(size_t size, size_t unused)
{
    (void)unused;
    return valloc(size);
}

static void *call_pvalloc(size_t size, size_t unused)
{
    (void)unused;
    return pvalloc(size);
}

static void *realloc_null(size_t size, size_t unused)
{
    (void)unused;
    return realloc(opaque(NULL), size);
}

/* Resizes a block, which must live on where that fails. */
static void *resize(size_t count, size_t size, bool is_array)
{
    char *block = malloc(10);
    REQUIRE(block);
    fill_bytes(block, 10, 7);
    errno = KEPT;
    void *resized = is_array ? reallocarray(block, count, size) : realloc(block, size);
    int error = errno;
    if (!resized && error != KEPT) {
        CHECK(has_bytes(block, 10, 7));
        free(block);
    }
    errno = error;
    return resized;
}

static void *realloc_ten(size_t size, size_t unused)
{
    (void)unused;
    return resize(0, size, false);
}

static void *reallocarray_null(size_t count, size_t size)
{
    return reallocarray(opaque(NULL), count, size);
}

static void *reallocarray_ten(size_t count, size_t size)
{
    return resize(count, size, true);
}

/* The result is the error; where there is one, `out` is left alone. */
static void *call_posix_memalign(size_t alignment, size_t size)
{
    char local;
    void *block = &local;
    int error = posix_memalign(&block, alignment, size);
    if (error == 0)
        return block;
    CHECK(block == &local);
    CHECK_MSG(error == (errno == KEPT ? EINVAL : ENOMEM), "posix_memalign(%zx, %zx) = %d",
              alignment, size, error);
    return NULL;
}

#define CALL(function, a, b, outcome, error)      \
    {                                             \
#function, function, a, b, outcome, error \
    }

static const struct call calls[] = {
    CALL(call_malloc, 0, 0, BLOCK, KEPT),
    CALL(call_malloc, 100000000, 0, BLOCK, KEPT),
    CALL(call_malloc, QUARTER, 0, NONE, ENOMEM),
    CALL(call_malloc, HALF - 1, 0, NONE, ENOMEM),
    CALL(call_malloc, HALF, 0, NONE, ENOMEM),
    CALL(call_malloc, MAX, 0, NONE, ENOMEM),
    CALL(calloc, 0, 0, BLOCK, KEPT),
    CALL(calloc, 0, MAX, BLOCK, KEPT),
    CALL(calloc, MAX, 0, BLOCK, KEPT),
    CALL(calloc, HALF, 1, NONE, ENOMEM),
    CALL(calloc, HALF, 2, NONE, ENOMEM),
    CALL(calloc, MAX, MAX, NONE, ENOMEM),
    CALL(realloc_null, 0, 0, BLOCK, KEPT),
    CALL(realloc_null, 100, 0, BLOCK, KEPT),
    CALL(realloc_null, HALF, 0, NONE, ENOMEM),
    CALL(realloc_ten, 0, 0, NONE, KEPT), /* a free */
    CALL(realloc_ten, 100000, 0, BLOCK, KEPT),
    CALL(realloc_ten, QUARTER, 0, NONE, ENOMEM),
    CALL(realloc_ten, HALF, 0, NONE, ENOMEM),
    CALL(realloc_ten, MAX, 0, NONE, ENOMEM),
    CALL(reallocarray_null, 0, 0, BLOCK, KEPT),
    CALL(reallocarray_null, MAX, 2, NONE, ENOMEM),
    CALL(reallocarray_null, 1, HALF, NONE, ENOMEM),
    CALL(reallocarray_ten, 0, 5, NONE, KEPT),
    CALL(reallocarray_ten, 5, 5, BLOCK, KEPT),
    CALL(reallocarray_ten, HALF, 2, NONE, ENOMEM),
    CALL(reallocarray_ten, 1, HALF, NONE, ENOMEM),
    CALL(call_valloc, 0, 0, BLOCK, KEPT),
    CALL(call_valloc, HALF - 1, 0, NONE, ENOMEM),
    CALL(call_valloc, MAX, 0, NONE, ENOMEM),
    CALL(call_pvalloc, 0, 0, BLOCK, KEPT),
    CALL(call_pvalloc, HALF - 1, 0, NONE, ENOMEM),
    CALL(call_pvalloc, MAX, 0, NONE, ENOMEM),
    CALL(memalign, 0, 100, BLOCK, KEPT),
    CALL(memalign, 3, 100, BLOCK, KEPT),
    CALL(memalign, 4096, 0, BLOCK, KEPT),
    CALL(memalign, 64, QUARTER, NONE, ENOMEM),
    CALL(memalign, 64, MAX, NONE, ENOMEM),
    CALL(memalign, 3, MAX, NONE, ENOMEM),
    CALL(memalign, QUARTER, 100, NONE, ENOMEM),
    CALL(memalign, HALF - 1, 100, NONE, ENOMEM),
    CALL(memalign, HALF, 100, NONE, ENOMEM),
    CALL(memalign, HALF + 1, 100, NONE, EINVAL),
    CALL(memalign, MAX, 100, NONE, EINVAL),
    CALL(memalign, MAX, MAX, NONE, EINVAL),
    CALL(aligned_alloc, 1, 100, BLOCK, KEPT),
    CALL(aligned_alloc, 64, 100, BLOCK, KEPT),
    CALL(aligned_alloc, 64, 0, BLOCK, KEPT),
    CALL(aligned_alloc, 64, QUARTER, NONE, ENOMEM),
    CALL(aligned_alloc, 64, MAX, NONE, ENOMEM),
    CALL(aligned_alloc, HALF, 100, NONE, ENOMEM),
    CALL(aligned_alloc, HALF + 1, 100, NONE, EINVAL),
    CALL(aligned_alloc, MAX, 100, NONE, EINVAL),
    CALL(call_posix_memalign, 8, 0, BLOCK, KEPT),
    CALL(call_posix_memalign, 4096, 100, BLOCK, KEPT),
    CALL(call_posix_memalign, 0, 100, NONE, KEPT), /* EINVAL is its result alone */
    CALL(call_posix_memalign, 4, 100, NONE, KEPT),
    CALL(call_posix_memalign, 24, 100, NONE, KEPT),
    CALL(call_posix_memalign, MAX, 100, NONE, KEPT),
    CALL(call_posix_memalign, 24, MAX, NONE, KEPT),
    CALL(call_posix_memalign, 64, QUARTER, NONE, ENOMEM),
    CALL(call_posix_memalign, 64, HALF, NONE, ENOMEM),
    CALL(call_posix_memalign, 64, MAX, NONE, ENOMEM),
    CALL(call_posix_memalign, HALF, 100, NONE, ENOMEM),
};

/* glibc before 2.38. */
static const struct call odd_alignments[] = {
    CALL(aligned_alloc, 0, 100, BLOCK, KEPT),  CALL(aligned_alloc, 3, 100, BLOCK, KEPT),
    CALL(aligned_alloc, 24, 100, BLOCK, KEPT), CALL(aligned_alloc, 3000, 0, BLOCK, KEPT),
    CALL(aligned_alloc, 3, MAX, NONE, ENOMEM), CALL(aligned_alloc, HALF - 1, 100, NONE, ENOMEM),
};

static void check_calls(const struct call *call, size_t count)
{
    for (const struct call *end = call + count; call < end; call++) {
        errno = KEPT;
        void *block = call->function(opaque_size(call->a), opaque_size(call->b));
        int error = errno;
        CHECK_MSG(!block == (call->outcome == NONE) && error == call->error,
                  "%s(%#zx, %#zx): %s, errno %d", call->name, call->a, call->b,
                  block ? "a block" : "none", error);
        errno = KEPT;
        free(block);
        CHECK_MSG(errno == KEPT, "free: errno %d", errno);
    }
}

/* As often as it takes until the memory runs out: the result and errno tell the same. */
static void exhaust(void)
{
    struct rlimit limit = {128 << 20, 128 << 20};
    REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
    void *block = NULL;
    int error = 0, count = 0;
    errno = KEPT;
    while (count < 100000 && (error = posix_memalign(&block, 128, 65536)) == 0)
        count++;
    CHECK_MSG(error == ENOMEM && errno == ENOMEM && count > 100, "%d, errno %d after %d blocks",
              error, errno, count);
}

/* ---- Those that take no size ---- */

#define CHECK_ASKS(call, result)                                                               \
    do {                                                                                       \
        errno = KEPT;                                                                          \
        long got_ = (long)(call);                                                              \
        CHECK_MSG(got_ == (result) && errno == KEPT, "%s: %ld, errno %d", #call, got_, errno); \
    } while (0)

/* Every parameter is taken, known or not, with any value: but for M_MXFAST, which has a largest. */
static void mallopt_answers(void)
{
    static const int parameters[] = {-30,        M_ARENA_MAX,      M_ARENA_TEST, M_CHECK_ACTION,
                                     M_MMAP_MAX, M_MMAP_THRESHOLD, M_TOP_PAD,    M_TRIM_THRESHOLD,
                                     0,          M_NLBLKS,         M_GRAIN,      M_KEEP,
                                     17,         INT_MAX,          INT_MIN};
    static const int values[] = {INT_MIN, -1, 0, 1, 4096, 33554433, INT_MAX};
    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++)
        for (size_t k = 0; k < sizeof values / sizeof *values; k++)
            CHECK_ASKS(mallopt(parameters[i], values[k]), 1);
    CHECK_ASKS(mallopt(M_PERTURB, 0), 1);
    CHECK_ASKS(mallopt(M_MXFAST, -1), 0);
    CHECK_ASKS(mallopt(M_MXFAST, 0), 1);
    CHECK_ASKS(mallopt(M_MXFAST, 160), 1);
    CHECK_ASKS(mallopt(M_MXFAST, 161), 0);
    free(malloc(100));
}

/* An option that there is not is the result, not errno; so is nothing that the stream says. */
static void malloc_info_answers(void)
{
    FILE *full = fopen("/dev/full", "w");
    REQUIRE(full);
    setvbuf(full, NULL, _IONBF, 0);
    CHECK_ASKS(malloc_info(1, full), EINVAL);
    CHECK_ASKS(malloc_info(-1, full), EINVAL);
    CHECK(!ferror(full));
    CHECK(malloc_info(0, full) == 0);
    CHECK(ferror(full));
    fclose(full);
}

static void keep_errno(void)
{
    void *block = malloc(100);
    REQUIRE(malloc_usable_size(block) >= 100);
    CHECK_ASKS(malloc_usable_size(opaque(NULL)), 0);
    CHECK_ASKS(malloc_usable_size(block) > 0, 1);
    CHECK_ASKS((malloc_trim(0), 0), 0);
    CHECK_ASKS(malloc_trim(SIZE_MAX), 0);
    CHECK_ASKS(mallinfo2().hblks == SIZE_MAX, 0);
    CHECK_ASKS((free(block), free(opaque(NULL)), 0), 0);
}

static bool glibc_has_odd_alignments(void)
{
    int major, minor;
    return sscanf(gnu_get_libc_version(), "%d.%d", &major, &minor) == 2 &&
           (major < 2 || (major == 2 && minor < 38));
}

int main(void)
{
    case_watchdog(60);
    check_calls(calls, sizeof calls / sizeof *calls);
    if (case_library() || glibc_has_odd_alignments())
        check_calls(odd_alignments, sizeof odd_alignments / sizeof *odd_alignments);
    expect_success(exhaust);
    expect_success(mallopt_answers);
    malloc_info_answers();
    keep_errno();
    return case_end();
}
