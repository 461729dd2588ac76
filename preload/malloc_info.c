/* malloc_info.c: glibc's ways to ask about the heap and to tune it, answered with molt's figures.
 */
#include "export.h"

#include "alloc/malloc.h"
#include "alloc/perturb.h"
#include "alloc/stats.h"
#include "alloc/trim.h"

#include "base/report.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <unistd.h>

EXPORT size_t malloc_usable_size(void *block)
{
    return malloc_block_bytes(block, "malloc_usable_size");
}

EXPORT int malloc_trim(size_t keep_bytes)
{
    return trim(keep_bytes) != 0;
}

#define MXFAST_MAX 160 /* the largest that glibc takes */

/* Only M_PERTURB has a counterpart among molt's parameters. A program that sets another one must
 * not take that for an error, so the answer is glibc's, which is 1 even for unknown ones. */
EXPORT int mallopt(int parameter, int value)
{
    if (parameter == M_PERTURB)
        malloc_set_perturb(value);
    return parameter != M_MXFAST || (value >= 0 && value <= MXFAST_MAX);
}

EXPORT struct mallinfo2 mallinfo2(void)
{
    struct molt_stats stats;
    stats_get(&stats);
    size_t small = stats.pool_bytes + stats.run_bytes;
    return (struct mallinfo2){
        .arena = small + stats.free_bytes,
        .ordblks = stats.arenas,
        .hblks = stats.huge_blocks,
        .hblkhd = stats.huge_bytes,
        .uordblks = small,
        .fordblks = stats.free_bytes,
        .keepcost = stats.dirty_bytes,
    };
}

static int saturated(size_t n)
{
    return n > INT_MAX ? INT_MAX : (int)n;
}

EXPORT struct mallinfo mallinfo(void)
{
    struct mallinfo2 info = mallinfo2();
    return (struct mallinfo){
        .arena = saturated(info.arena),
        .ordblks = saturated(info.ordblks),
        .hblks = saturated(info.hblks),
        .hblkhd = saturated(info.hblkhd),
        .uordblks = saturated(info.uordblks),
        .fordblks = saturated(info.fordblks),
        .keepcost = saturated(info.keepcost),
    };
}

EXPORT void malloc_stats(void)
{
    int saved = errno;
    stats_write(STDERR_FILENO, MOLT_TEXT);
    errno = saved;
}

/* Writes XML with the element names of glibc's version 1, so that programs which read that find
 * what they know. The stream tells errors of writing. */
EXPORT int malloc_info(int options, FILE *stream)
{
    if (options != 0 || stream == NULL)
        return EINVAL;
    struct molt_stats stats;
    stats_get(&stats);
    struct report_line text = {.length = 0};
    report_append(&text,
                  "<malloc version=\"1\">\n"
                  "<total type=\"fast\" count=\"0\" size=\"0\"/>\n"
                  "<total type=\"rest\" count=\"%zu\" size=\"%zu\"/>\n"
                  "<total type=\"mmap\" count=\"%zu\" size=\"%zu\"/>\n"
                  "<system type=\"current\" size=\"%zu\"/>\n"
                  "<system type=\"max\" size=\"%zu\"/>\n"
                  "<aspace type=\"total\" size=\"%zu\"/>\n"
                  "</malloc>\n",
                  stats.live_blocks, stats.free_bytes, stats.huge_blocks, stats.huge_bytes,
                  stats.committed_bytes, stats.peak_bytes, stats.committed_bytes);
    fwrite(text.text, 1, text.length, stream);
    return 0;
}

SECOND_NAME(__libc_mallopt, mallopt);
SECOND_NAME(__libc_mallinfo, mallinfo);
