/* resident.c: which pages have memory, and how much the process has.
 *
 * mincore tells which pages of a range are there. That includes pages that were read and never
 * written: the kernel shows one page of zeroes in the place of all of them, and does not count it
 * as the process's. Only from Linux 6.7 on it tells them apart, by an ioctl on /proc/self/pagemap.
 */
#include "os.h"

#include "base/syscall.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h> // _IOWR

/* ---- Pages ---- */

/* What the ioctl takes and gives, as linux/fs.h has it from 6.7 on. */
struct scan {
    uint64_t size, flags;
    uint64_t start, end, walk_end; /* addresses; the kernel says how far it has come */
    uint64_t vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

struct region {
    uint64_t start, end, categories;
};

#define PAGEMAP_SCAN_CALL _IOWR('f', 16, struct scan)
#define IS_ZERO_PAGE ((uint64_t)1 << 5)

int os_resident_open(void)
{
    return (int)SYSCALL(openat, AT_FDCWD, "/proc/thread-self/pagemap", O_RDONLY | O_CLOEXEC, 0);
}

void os_resident_close(int pagemap)
{
    if (pagemap >= 0)
        SYSCALL(close, pagemap);
}

/* Clears the bytes of the pages that the kernel shows its page of zeroes in. */
static void leave_out_zero_pages(int pagemap, uintptr_t start, size_t pages, unsigned char *there)
{
    struct region regions[8];
    struct scan scan = {
        .size = sizeof scan,
        .start = start,
        .end = start + (pages << os_page_shift),
        .vec = (uintptr_t)regions,
        .vec_len = sizeof regions / sizeof regions[0],
        .category_mask = IS_ZERO_PAGE,
        .return_mask = IS_ZERO_PAGE,
    };
    while (scan.start < scan.end) {
        long found = SYSCALL(ioctl, pagemap, PAGEMAP_SCAN_CALL, &scan);
        if (found < 0 || scan.walk_end <= scan.start)
            return;
        for (long i = 0; i < found; i++)
            memset(there + ((regions[i].start - start) >> os_page_shift), 0,
                   (regions[i].end - regions[i].start) >> os_page_shift);
        scan.start = scan.walk_end;
    }
}

void os_resident_pages(int pagemap, const void *start, size_t pages, unsigned char *there)
{
    if (SYSCALL(mincore, start, pages << os_page_shift, there) != 0)
        memset(there, 0, pages); /* a part of it is not mapped */
    for (size_t i = 0; i < pages; i++)
        there[i] &= 1;
    if (pagemap >= 0 && memchr(there, 1, pages) != NULL)
        leave_out_zero_pages(pagemap, (uintptr_t)start, pages, there);
}

size_t os_resident_bytes(int pagemap, const void *start, size_t bytes)
{
    unsigned char there[512];
    size_t resident = 0, pages;
    for (size_t left = bytes >> os_page_shift; left > 0; left -= pages) {
        pages = left < sizeof there ? left : sizeof there;
        os_resident_pages(pagemap, start, pages, there);
        for (size_t i = 0; i < pages; i++)
            resident += there[i];
        start = (const char *)start + (pages << os_page_shift);
    }
    return resident << os_page_shift;
}

/* ---- The process ---- */

/* What stands behind a word at the start of a line; NULL if no line begins with it. */
static const char *behind_word(const char *text, const char *word)
{
    while (text != NULL && strncmp(text, word, strlen(word)) != 0) {
        text = strchr(text, '\n');
        text = text != NULL ? text + 1 : NULL;
    }
    return text != NULL ? text + strlen(word) : NULL;
}

static size_t read_number(const char *at)
{
    size_t number = 0;
    while (*at == ' ')
        at++;
    for (; *at >= '0' && *at <= '9'; at++)
        number = number * 10 + (size_t)(*at - '0');
    return number;
}

/* The rollup is exact. statm is not, since the kernel counts by core and sums up now and
 * then; but it is there before Linux 4.14, too. */
size_t os_process_bytes(void)
{
    char text[1024];
    const char *line = NULL;
    if (os_read_file("/proc/thread-self/smaps_rollup", text, sizeof text) > 0)
        line = behind_word(text, "Rss:");
    if (line != NULL)
        return read_number(line) << 10; /* it is in KiB */
    if (os_read_file("/proc/thread-self/statm", text, sizeof text) <= 0)
        return 0;
    const char *second = strchr(text, ' ');
    return second != NULL ? read_number(second) << os_page_shift : 0;
}
