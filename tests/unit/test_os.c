/* test_os.c: the facts of the process, and what is read as a file. */
#include "suites.h"
#include "unit.h"

#include "os/os.h"
#include "os/vdso.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char folder[] = "/tmp/molt-os.XXXXXX";
static char path[sizeof folder + 8];

static void make_folder(void)
{
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
}

static void remove_folder(void)
{
    remove(path);
    rmdir(folder);
}

static void write_file(const char *text, size_t length)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(text, 1, length, file), length);
    ck_assert_int_eq(fclose(file), 0);
}

/* Nothing comes of it, soon, and errno stays. */
static void expect_unread(const char *name, int error)
{
    char text[64] = "as before";
    errno = 1234;
    ck_assert_int_eq(os_read_file(name, text, sizeof text), -error);
    ck_assert_str_eq(text, "as before");
    ck_assert_int_eq(errno, 1234);
}

START_TEST(test_reads_files)
{
    char text[64];
    write_file("one\ntwo\n", 8);
    ck_assert_int_eq(os_read_file(path, text, sizeof text), 8);
    ck_assert_str_eq(text, "one\ntwo\n");
    write_file("", 0);
    ck_assert_int_eq(os_read_file(path, text, sizeof text), 0);
    ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(test_reads_the_beginning)
{
    char text[64];
    write_file("0123456789abcdef", 16);
    ck_assert_int_eq(truncate(path, (off_t)1 << 40), 0);
    memset(text, 'x', sizeof text);
    ck_assert_int_eq(os_read_file(path, text, 11), 10);
    ck_assert_str_eq(text, "0123456789");
    ck_assert_int_eq(text[11], 'x');
}
END_TEST

START_TEST(test_reads_no_fifo)
{
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    expect_unread(path, EINVAL);
    int writer = open(path, O_RDWR); /* one to which a reader would wait for what is written */
    ck_assert_int_ge(writer, 0);
    expect_unread(path, EINVAL);
    ck_assert_int_eq(write(writer, "text", 4), 4);
    expect_unread(path, EINVAL);
    close(writer);
}
END_TEST

START_TEST(test_reads_nothing_else)
{
    expect_unread("/dev/zero", EINVAL);
    expect_unread("/dev/null", EINVAL);
    expect_unread(folder, EINVAL);
    expect_unread(path, ENOENT);
    ck_assert_int_eq(symlink(path, path), 0);
    expect_unread(path, ELOOP);
}
END_TEST

START_TEST(test_facts)
{
    os_init();
    ck_assert_uint_eq(os_page_bytes(), (size_t)sysconf(_SC_PAGESIZE));
    ck_assert_int_eq(os_is_secure(), getauxval(AT_SECURE) != 0);
    ck_assert_uint_ne(os_random(), 0);
    ck_assert_uint_eq(os_random(), os_random());
    ck_assert_uint_ge(os_memory_bytes(), (size_t)16 << 20);
}
END_TEST

/* ---- Memory that can be read ---- */

START_TEST(test_readable)
{
    size_t page = os_page_bytes();
    char *p = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(p + page, page);
    for (size_t i = 0; i < 20; i++) {
        ck_assert(os_is_readable(p + i, page - i));
        ck_assert(!os_is_readable(p + i, page - i + 1));
        ck_assert(os_is_readable(p + page - 1 - i, 1));
        ck_assert(!os_is_readable(p + page + i, 1));
        ck_assert(os_is_readable(p + 2 * page + i, 8));
        ck_assert(!os_is_readable(p + i, 2 * page)); /* both ends can be */
        ck_assert(!os_is_readable((void *)i, 1));
        ck_assert(!os_is_readable((void *)(UINTPTR_MAX - i), 1));
        ck_assert(!os_is_readable((void *)(UINTPTR_MAX - i), 64));
    }
}
END_TEST

/* ---- The clock ---- */

static uint64_t libc_now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void check_clock(void)
{
    for (int i = 0; i < 1000; i++) {
        uint64_t before = libc_now_ns(CLOCK_MONOTONIC), now = os_now_ns();
        ck_assert_uint_le(before, now);
        ck_assert_uint_le(now, libc_now_ns(CLOCK_MONOTONIC));
        before = libc_now_ns(CLOCK_MONOTONIC_COARSE) / 1000000, now = os_now_ms();
        ck_assert_uint_le(before, now);
        ck_assert_uint_le(now, libc_now_ns(CLOCK_MONOTONIC_COARSE) / 1000000);
    }
}

START_TEST(test_clock)
{
    os_init();
    check_clock();
    vdso_init(NULL); /* a kernel that maps none: by system calls */
    check_clock();
}
END_TEST

START_TEST(test_finds_in_the_image)
{
    static const _Alignas(8) char text[64] = "no image at all";
    const void *image = (const void *)getauxval(AT_SYSINFO_EHDR);
    ck_assert_ptr_null(vdso_find(NULL, "clock_gettime"));
    ck_assert_ptr_null(vdso_find(text, "clock_gettime"));
    if (image == NULL) {
        printf("skipped test_finds_in_the_image: the kernel maps none\n");
        return;
    }
#if defined(__x86_64__)
    ck_assert_ptr_nonnull(vdso_find(image, "__vdso_clock_gettime"));
#else
    ck_assert_ptr_nonnull(vdso_find(image, "__kernel_clock_gettime"));
#endif
    ck_assert_ptr_null(vdso_find(image, "a_name_that_is_not_there"));
    ck_assert_ptr_null(vdso_find(image, ""));
}
END_TEST

Suite *suite_os(void)
{
    Suite *suite = suite_create("os");
    TCase *files = tcase_create("files");
    tcase_add_checked_fixture(files, make_folder, remove_folder);
    tcase_add_test(files, test_reads_files);
    tcase_add_test(files, test_reads_the_beginning);
    tcase_add_test(files, test_reads_no_fifo);
    tcase_add_test(files, test_reads_nothing_else);
    suite_add_tcase(suite, files);
    TCase *facts = tcase_create("facts");
    tcase_add_test(facts, test_facts);
    tcase_add_test(facts, test_readable);
    tcase_add_test(facts, test_clock);
    tcase_add_test(facts, test_finds_in_the_image);
    suite_add_tcase(suite, facts);
    return suite;
}
