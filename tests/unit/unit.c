/* unit.c: helpers of the suites. */
#include "unit.h"

#include "alloc/init.h"
#include "alloc/thread.h"
#include "base/report.h"
#include "base/tunables.h"
#include "molt.h"
#include "os/os.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void read_all(int fd, char *text, size_t size)
{
    size_t length = 0;
    char ignored[256];
    for (;;) {
        bool is_full = length + 1 >= size;
        ssize_t got = is_full ? read(fd, ignored, sizeof ignored)
                              : read(fd, text + length, size - 1 - length);
        if (got <= 0)
            break;
        if (!is_full)
            length += (size_t)got;
    }
    text[length] = '\0';
}

int unit_child(void (*function)(void *), void *argument, char *text, size_t size)
{
    int ends[2], status = 0;
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        report_init(); /* what standard error is, from now on */
        function(argument);
        _exit(0);
    }
    close(ends[1]);
    read_all(ends[0], text, size);
    close(ends[0]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status;
}

void unit_expect_abort(void (*function)(void *), void *argument, const char *words)
{
    char text[2048];
    int status = unit_child(function, argument, text, sizeof text);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
        ck_abort_msg("no abort with '%s': status %#x, said '%s'", words, (unsigned)status, text);
    if (strstr(text, words) == NULL)
        ck_abort_msg("expected '%s' in '%s'", words, text);
}

void unit_expect_error(void (*function)(void *), void *argument, const char *format, ...)
{
    char words[300] = "molt: error: ";
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words + strlen(words), sizeof words - strlen(words), format, arguments);
    va_end(arguments);
    unit_expect_abort(function, argument, words);
}

void unit_in_thread(void *(*function)(void *), void *argument)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, function, argument), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

size_t unit_resident_pages(const void *p, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = (uintptr_t)p & ~(page - 1);
    size_t resident = 0;
    for (uintptr_t at = first; at < (uintptr_t)p + bytes; at += page) {
        unsigned char state = 0;
        ck_assert_int_eq(mincore((void *)at, page, &state), 0);
        resident += state & 1;
    }
    return resident;
}

bool unit_is_resident(const void *p)
{
    return unit_resident_pages(p, 1) == 1;
}

char *unit_map_aligned(size_t bytes, size_t alignment)
{
    uintptr_t start = (uintptr_t)os_map(bytes + alignment);
    return (char *)((start + alignment - 1) & ~(alignment - 1));
}

bool unit_has_huge_pages(const char *test)
{
    char *p = unit_map_aligned(2 * THP_BYTES, THP_BYTES);
    p[THP_BYTES] = 1;
    bool has = unit_resident_pages(p, 2 * THP_BYTES) == 1 && os_fill_thp(p, THP_BYTES);
    if (!has)
        printf("skipped %s: no huge pages, or for everybody\n", test);
    return has;
}

bool unit_can_populate(const char *test)
{
    void *p = os_map(4 * os_page_bytes());
    os_populate(p, 4 * os_page_bytes());
    bool can = unit_resident_pages(p, 4 * os_page_bytes()) == 4;
    if (!can)
        printf("skipped %s: the kernel does not populate\n", test);
    return can;
}

bool unit_is_zero(const void *p, size_t bytes)
{
    const unsigned char *bytes_of = p;
    for (size_t at = 0; at < bytes; at++)
        if (bytes_of[at] != 0)
            return false;
    return true;
}

static unsigned char pattern(size_t at, unsigned key)
{
    return (unsigned char)((at + 1) * 131 + key * 17 + (at >> 8) * 7);
}

void unit_fill(void *p, size_t bytes, unsigned key)
{
    for (size_t at = 0; at < bytes; at++)
        ((unsigned char *)p)[at] = pattern(at, key);
}

bool unit_is_filled(const void *p, size_t bytes, unsigned key)
{
    for (size_t at = 0; at < bytes; at++)
        if (((const unsigned char *)p)[at] != pattern(at, key))
            return false;
    return true;
}

uint32_t unit_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

void unit_skip_starts(void)
{
    REQUIRE(init_done(), "no memory");
    thread_leave(thread_enter());
    thread_self.heap->started = UINT64_MAX;
}

size_t unit_live_blocks(void)
{
    struct molt_stats stats;
    molt_stats_get(&stats, sizeof stats);
    return stats.live_blocks;
}
