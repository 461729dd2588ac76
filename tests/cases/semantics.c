/* The exact behaviour of every function of the family on glibc, corner by corner.
 *
 * Programs lean on these: errno after a failure (and none after a success), the unique pointer of
 * malloc(0), realloc(p, 0), alignments that are no power of two, usable bytes. (errors.c has the
 * table of results and errno.) One corner is stricter than glibc 2.36: the ints of mallinfo
 * saturate instead of wrapping.
 */
#include "case.h"
#include <malloc.h>
#include <stdarg.h>

static const size_t too_big = (size_t)PTRDIFF_MAX + 1;

/* Sets errno to a value that no allocator sets, to see that it stays. */
#define ERRNO_MARK 1234

#define CHECK_KEEPS_ERRNO(call)                                   \
    do {                                                          \
        errno = ERRNO_MARK;                                       \
        call;                                                     \
        CHECK_MSG(errno == ERRNO_MARK, "errno became %d", errno); \
    } while (0)

/* The call gives NULL and sets errno. */
#define CHECK_FAILS(call, expected)                                                              \
    do {                                                                                         \
        errno = 0;                                                                               \
        void *result_ = opaque(call);                                                            \
        int error_ = errno;                                                                      \
        CHECK_MSG(!result_ && error_ == (expected), "%s: %p, errno %d", #call, result_, error_); \
    } while (0)

static void zero_sizes(void)
{
    enum { COUNT = 2000 };
    static void *blocks[COUNT];
    for (int i = 0; i < COUNT; i += 4) {
        CHECK_KEEPS_ERRNO(blocks[i] = malloc(opaque_size(0)));
        CHECK_KEEPS_ERRNO(blocks[i + 1] = calloc(opaque_size(0), 8));
        CHECK_KEEPS_ERRNO(blocks[i + 2] = calloc(8, opaque_size(0)));
        CHECK_KEEPS_ERRNO(blocks[i + 3] = realloc(opaque(NULL), opaque_size(0)));
    }
    for (int i = 0; i < COUNT; i++) {
        CHECK(blocks[i] != NULL);
        for (int k = 0; k < i; k++)
            CHECK(blocks[i] != blocks[k]);
    }
    for (int i = 0; i < COUNT; i++)
        CHECK_KEEPS_ERRNO(free(blocks[i]));
}

static void sizes_without_end(void)
{
    size_t sizes[] = {too_big, too_big + 1, SIZE_MAX - 4096, SIZE_MAX - 1, SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t size = opaque_size(sizes[i]);
        CHECK_FAILS(malloc(size), ENOMEM);
        CHECK_FAILS(calloc(1, size), ENOMEM);
        CHECK_FAILS(calloc(size, 1), ENOMEM);
        CHECK_FAILS(realloc(opaque(NULL), size), ENOMEM);
        CHECK_FAILS(reallocarray(opaque(NULL), 1, size), ENOMEM);
        CHECK_FAILS(aligned_alloc(64, size), ENOMEM);
        CHECK_FAILS(memalign(64, size), ENOMEM);
        CHECK_FAILS(valloc(size), ENOMEM);
        CHECK_FAILS(pvalloc(size), ENOMEM);
    }
    CHECK_FAILS(malloc(opaque_size((size_t)1 << 62)), ENOMEM);
    CHECK_FAILS(calloc(opaque_size((size_t)1 << 62), 1), ENOMEM);
}

static void products_that_overflow(void)
{
    size_t half = (size_t)1 << 32;
    CHECK_FAILS(calloc(opaque_size(half), half), ENOMEM);
    CHECK_FAILS(calloc(opaque_size(SIZE_MAX), 2), ENOMEM);
    CHECK_FAILS(calloc(opaque_size(SIZE_MAX / 16 + 2), 16), ENOMEM);
    CHECK_FAILS(calloc(opaque_size(half), half / 2), ENOMEM);
    unsigned char *block = malloc(100);
    REQUIRE(block);
    fill_bytes(block, 100, 7);
    CHECK_FAILS(reallocarray(opaque(block), opaque_size(half), half), ENOMEM);
    CHECK_FAILS(reallocarray(opaque(block), opaque_size(SIZE_MAX / 16 + 2), 16), ENOMEM);
    CHECK(has_bytes(block, 100, 7));
    block = reallocarray(block, 100, 30);
    REQUIRE(block);
    CHECK(has_bytes(block, 100, 7));
    free(block);
}

static void realloc_to_zero(void)
{
    size_t sizes[] = {1, 100, 5000, 100000, 5 * MIB};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        void *block = malloc(sizes[i]);
        REQUIRE(block);
        void *result = block;
        CHECK_KEEPS_ERRNO(result = realloc(block, opaque_size(0)));
        CHECK(result == NULL);
    }
    size_t before = 0;
    for (int i = 0; i < 60000; i++) {
        if (i == 10000)
            before = rss_bytes();
        void *block = malloc(3000);
        REQUIRE(block);
        fill_bytes(block, 3000, 1);
        void *result = realloc(block, opaque_size(0));
        CHECK(result == NULL);
    }
    CHECK_MSG(growth(before, rss_bytes()) < 8 * MIB, "realloc(p, 0) frees nothing");
}

static void realloc_that_fails(void)
{
    size_t sizes[] = {1, 24, 1000, 40000, 300000, 5 * MIB};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char *block = malloc(sizes[i]);
        REQUIRE(block);
        fill_bytes(block, sizes[i], 0x5a);
        CHECK_FAILS(realloc(opaque(block), opaque_size(too_big)), ENOMEM);
        CHECK_FAILS(realloc(opaque(block), opaque_size(SIZE_MAX)), ENOMEM);
        CHECK_FAILS(realloc(opaque(block), opaque_size((size_t)1 << 62)), ENOMEM);
        CHECK(has_bytes(block, sizes[i], 0x5a));
        free(block);
    }
}

static void realloc_keeps(void)
{
    CHECK_KEEPS_ERRNO(free(realloc(opaque(NULL), 100)));
    size_t sizes[] = {1, 8, 9, 100, 1000, 30000, 40000, 300000, 3 * MIB};
    for (size_t from = 0; from < sizeof sizes / sizeof *sizes; from++) {
        for (size_t to = 0; to < sizeof sizes / sizeof *sizes; to++) {
            unsigned char *block = malloc(sizes[from]);
            REQUIRE(block);
            size_t usable = malloc_usable_size(block);
            fill_bytes(block, usable, 0xc3);
            CHECK_KEEPS_ERRNO(block = realloc(block, sizes[to]));
            REQUIRE(block);
            CHECK(has_bytes(block, usable < sizes[to] ? usable : sizes[to], 0xc3));
            free(block);
        }
    }
}

static void aligned_alloc_alignments(void)
{
    void *block;
    CHECK_KEEPS_ERRNO(block = aligned_alloc(64, opaque_size(100))); /* no multiple of 64 */
    CHECK(block && is_aligned(block, 64));
    free(block);
    CHECK_KEEPS_ERRNO(block = aligned_alloc(4096, opaque_size(0)));
    CHECK(block && is_aligned(block, 4096));
    free(block);
}

static void memalign_alignments(void)
{
    static const struct {
        size_t asked, given;
    } pairs[] = {{0, 8}, {1, 8}, {3, 8}, {5, 8}, {16, 16}, {24, 32}, {100, 128}, {3000, 4096}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        for (int k = 0; k < 20; k++) {
            void *block;
            CHECK_KEEPS_ERRNO(block = memalign(opaque_size(pairs[i].asked), 8));
            CHECK_MSG(block && is_aligned(block, pairs[i].given), "memalign(%zu, 8) = %p",
                      pairs[i].asked, block);
            free(block);
        }
    }
    CHECK_FAILS(memalign(64, opaque_size(SIZE_MAX - 32)), ENOMEM);
    CHECK_FAILS(memalign(4096, opaque_size((size_t)PTRDIFF_MAX - 100)), ENOMEM);
    CHECK_FAILS(memalign(opaque_size(too_big), 8), ENOMEM);
    errno = 0;
    void *block = memalign(opaque_size(SIZE_MAX), 8);
    CHECK(!block && (errno == EINVAL || errno == ENOMEM));
}

static void whole_pages(void)
{
    size_t page = page_bytes();
    size_t sizes[] = {0, 1, 100, page, page + 1, 300000, 5 * MIB};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        void *block;
        CHECK_KEEPS_ERRNO(block = valloc(opaque_size(sizes[i])));
        CHECK(block && is_aligned(block, page) && malloc_usable_size(block) >= sizes[i]);
        free(block);
        CHECK_KEEPS_ERRNO(block = pvalloc(opaque_size(sizes[i])));
        CHECK(block && is_aligned(block, page));
        size_t rounded = (sizes[i] + page - 1) / page * page;
        CHECK(malloc_usable_size(block) >= rounded);
        fill_bytes(block, rounded, 9);
        free(block);
    }
    CHECK_FAILS(pvalloc(opaque_size(SIZE_MAX - page + 2)), ENOMEM);
    CHECK_FAILS(pvalloc(opaque_size((size_t)PTRDIFF_MAX)), ENOMEM);
    CHECK_FAILS(valloc(opaque_size((size_t)PTRDIFF_MAX)), ENOMEM);
}

static void posix_memalign_results(void)
{
    char local;
    void *mark = &local;
    void *block = mark;
    size_t bad[] = {0, 1, 2, 4, 12, 24, 100, SIZE_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK(posix_memalign(&block, opaque_size(bad[i]), 100) == EINVAL);
        CHECK(block == mark);
    }
    CHECK(posix_memalign(&block, 64, opaque_size(SIZE_MAX)) == ENOMEM && block == mark);
    CHECK(posix_memalign(&block, 64, opaque_size(too_big)) == ENOMEM && block == mark);
    CHECK(posix_memalign(&block, 64, opaque_size((size_t)1 << 62)) == ENOMEM && block == mark);
    CHECK(posix_memalign(&block, 4096, opaque_size(SIZE_MAX - 4000)) == ENOMEM && block == mark);
    for (size_t alignment = sizeof(void *); alignment <= MIB; alignment *= 2) {
        int result = -1;
        CHECK_KEEPS_ERRNO(result = posix_memalign(&block, alignment, opaque_size(40)));
        CHECK(result == 0 && block && is_aligned(block, alignment));
        free(block);
    }
    CHECK(posix_memalign(&block, 16, opaque_size(0)) == 0);
    free(block);
}

static void free_keeps_errno(void)
{
    CHECK_KEEPS_ERRNO(free(opaque(NULL)));
    for (size_t size = 1; size <= 64 * MIB; size *= 2) {
        void *block;
        CHECK_KEEPS_ERRNO(block = malloc(size));
        REQUIRE(block);
        CHECK_KEEPS_ERRNO(free(block));
    }
}

static void default_alignment(void)
{
    void *blocks[64];
    for (size_t size = 1; size <= 2000; size++) {
        for (size_t i = 0; i < 64; i++) {
            blocks[i] = malloc(size);
            CHECK_MSG(blocks[i] && is_aligned(blocks[i], size >= 16 ? 16 : 8), "malloc(%zu) = %p",
                      size, blocks[i]);
        }
        for (size_t i = 0; i < 64; i++)
            free(blocks[i]);
    }
}

static void usable_sizes(void)
{
    CHECK(malloc_usable_size(opaque(NULL)) == 0);
    enum { COUNT = 40 };
    unsigned char *blocks[COUNT];
    size_t usable[COUNT];
    uint64_t seed = 1;
    for (size_t i = 0; i < COUNT; i++) {
        size_t size = random_between(&seed, 1, (size_t)1 << (4 + i / 2));
        blocks[i] = malloc(size);
        REQUIRE(blocks[i]);
        usable[i] = malloc_usable_size(blocks[i]);
        CHECK(usable[i] >= size);
        fill_bytes(blocks[i], usable[i], (unsigned)i);
    }
    for (size_t i = 0; i < COUNT; i++) {
        CHECK(malloc_usable_size(blocks[i]) == usable[i]);
        CHECK(has_bytes(blocks[i], usable[i], (unsigned)i));
        blocks[i] = realloc(blocks[i], usable[i] + 1);
        REQUIRE(blocks[i]);
        CHECK(has_bytes(blocks[i], usable[i], (unsigned)i));
        free(blocks[i]);
    }
}

static void sized_frees(void)
{
    void (*sized)(void *, size_t) = (void (*)(void *, size_t))dlsym(RTLD_DEFAULT, "free_sized");
    void (*aligned)(void *, size_t, size_t) =
        (void (*)(void *, size_t, size_t))dlsym(RTLD_DEFAULT, "free_aligned_sized");
    void (*old)(void *) = (void (*)(void *))dlsym(RTLD_DEFAULT, "cfree");
    if (!case_library())
        return; /* glibc 2.36 has none of them */
    CHECK(sized && aligned && old);
    if (!sized || !aligned || !old)
        return;
    CHECK_KEEPS_ERRNO(sized(NULL, 0));
    CHECK_KEEPS_ERRNO(aligned(NULL, 64, 0));
    CHECK_KEEPS_ERRNO(old(NULL));
    for (size_t size = 0; size <= 5 * MIB; size = size * 2 + 1) {
        CHECK_KEEPS_ERRNO(sized(malloc(size), size));
        CHECK_KEEPS_ERRNO(sized(calloc(1, size), size));
        CHECK_KEEPS_ERRNO(aligned(aligned_alloc(256, size), 256, size));
        CHECK_KEEPS_ERRNO(old(malloc(size)));
    }
}

static size_t bytes_in_use(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* `count` blocks of `size` bytes must show as in use while they live, and no longer. */
static void check_counted(size_t count, size_t size)
{
    void **blocks = calloc(count, sizeof *blocks);
    REQUIRE(blocks);
    size_t total = count * size;
    size_t before = bytes_in_use();
    for (size_t i = 0; i < count; i++) {
        blocks[i] = malloc(size);
        REQUIRE(blocks[i]);
    }
    size_t grown = growth(before, bytes_in_use());
    CHECK_MSG(grown >= total - total / 50 && grown <= total + total / 4 + 64 * KIB,
              "%zu blocks of %zu: in use grew by %zu", count, size, grown);
    for (size_t i = 0; i < count; i++)
        free(blocks[i]);
    size_t left = growth(before, bytes_in_use());
    CHECK_MSG(left <= total / 20 + 64 * KIB, "%zu blocks of %zu: %zu left", count, size, left);
    free(blocks);
}

static void mallinfo2_counts(void)
{
    check_counted(20000, 1000);
    check_counted(300, 100000);
    check_counted(4, 16 * MIB);
    struct mallinfo2 info = mallinfo2();
    CHECK(info.arena + info.hblkhd >= info.uordblks);
}

static void mallinfo_saturates(void)
{
    void *big = malloc(opaque_size(3 * GIB));
    if (!big)
        return;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    struct mallinfo info = mallinfo();
#pragma GCC diagnostic pop
    CHECK_MSG(info.uordblks == INT_MAX || info.hblkhd == INT_MAX, "uordblks %d hblkhd %d",
              info.uordblks, info.hblkhd);
    CHECK(info.arena >= 0 && info.uordblks >= 0 && info.hblkhd >= 0 && info.fordblks >= 0);
    free(big);
}

/* One tag, text behind its '<': its name goes to `name`; returns the text behind its '>'. */
static const char *read_tag(const char *text, char name[32], char *kind)
{
    *kind = *text == '/' ? '/' : *text == '?' ? '?' : '<';
    text += *kind != '<';
    size_t length = 0;
    while (*text && !strchr(" \t\r\n/>", *text) && length < 31)
        name[length++] = *text++;
    name[length] = '\0';
    bool quoted = false;
    while (*text && (quoted || *text != '>')) {
        quoted ^= *text == '"';
        if (*text == '/' && text[1] == '>' && !quoted)
            *kind = '.';
        text++;
    }
    return *text == '>' && length > 0 ? text + 1 : NULL;
}

/* Whether text is one element: every tag is closed in order and attributes are quoted. */
static bool is_well_formed(const char *text)
{
    static char open_tags[32][32];
    size_t depth = 0, roots = 0;
    while ((text = strchr(text, '<')) != NULL) {
        char name[32];
        char kind;
        text = read_tag(text + 1, name, &kind);
        if (!text || (kind == '/' && (depth == 0 || strcmp(open_tags[depth - 1], name) != 0)))
            return false;
        roots += depth == 0 && kind != '?';
        if (kind == '<' && depth < 32)
            strcpy(open_tags[depth++], name);
        else if (kind == '/')
            depth--;
    }
    return depth == 0 && roots == 1;
}

static void malloc_info_is_xml(void)
{
    static char text[256 * 1024];
    FILE *file = tmpfile();
    REQUIRE(file);
    CHECK(malloc_info(0, file) == 0);
    CHECK(!ferror(file));
    rewind(file);
    size_t length = fread(text, 1, sizeof text - 1, file);
    text[length] = '\0';
    CHECK_MSG(strncmp(text, "<malloc version=\"", 17) == 0, "it begins: %.60s", text);
    CHECK_MSG(is_well_formed(text), "malloc_info: %.800s", text);
    fclose(file);
}

static void print_stats(void)
{
    malloc_stats();
}

static void malloc_stats_to_stderr(void)
{
    struct child_end end;
    run_child(print_stats, &end);
    CHECK(ended_well(&end));
    CHECK_MSG(end.length > 20 && strchr(end.error, '\n'), "malloc_stats printed nothing");
}

static void trim_says_so(void)
{
    enum { COUNT = 30000 };
    static void *blocks[COUNT];
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = malloc(1000);
        REQUIRE(blocks[i]);
        fill_bytes(blocks[i], 1000, 1);
    }
    size_t peak = rss_bytes();
    for (int i = 0; i < COUNT - 10; i++)
        free(blocks[i]);
    int result = -1;
    CHECK_KEEPS_ERRNO(result = malloc_trim(0));
    CHECK(result == 1);
    CHECK_MSG(rss_bytes() + 20 * MIB < peak, "peak %zu, now %zu", peak, rss_bytes());
    for (int i = COUNT - 10; i < COUNT; i++)
        CHECK(has_bytes(blocks[i], 1000, 1));
    for (int i = COUNT - 10; i < COUNT; i++)
        free(blocks[i]);
    result = malloc_trim(0);
    CHECK(result == 0 || result == 1);
}

int main(void)
{
    case_watchdog(60);
    zero_sizes();
    sizes_without_end();
    products_that_overflow();
    realloc_to_zero();
    realloc_that_fails();
    realloc_keeps();
    aligned_alloc_alignments();
    memalign_alignments();
    whole_pages();
    posix_memalign_results();
    free_keeps_errno();
    default_alignment();
    usable_sizes();
    sized_frees();
    mallinfo2_counts();
    mallinfo_saturates();
    malloc_info_is_xml();
    malloc_stats_to_stderr();
    trim_says_so();
    return case_end();
}
