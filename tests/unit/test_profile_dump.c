/* test_profile_dump.c: names from patterns, files that are written whole or not at all, what a heap
 * profile says, and when it is written. */
#include "suites.h"
#include "unit.h"

#include "base/options.h"
#include "molt.h"
#include "profile/dump.h"
#include "profile/output.h"
#include "profile/pattern.h"
#include "profile/record.h"
#include "profile/site.h"
#include "profile/stack.h"
#include "profile/trigger.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Patterns ---- */

static void expect_name(const char *pattern, const char *wanted)
{
    struct pattern_values values = {"prog", 4711, 7};
    char name[64];
    long length = pattern_expand(pattern, &values, name, sizeof name);
    ck_assert_str_eq(name, wanted);
    ck_assert_int_eq(length, (long)strlen(wanted));
}

START_TEST(test_pattern)
{
    expect_name("molt.%e.%p.%n.heap", "molt.prog.4711.7.heap");
    expect_name("", "");
    expect_name("/a/b", "/a/b");
    expect_name("%p%p", "47114711");
    expect_name("%%p%", "%p%");
    expect_name("%x%n%%", "%x7%");
}
END_TEST

START_TEST(test_pattern_without_room)
{
    struct pattern_values values = {"prog", 4711, 7};
    char name[8] = "as befor";
    ck_assert_int_eq(pattern_expand("1234567", &values, name, sizeof name), 7);
    ck_assert_int_eq(pattern_expand("12345678", &values, name, sizeof name), -ENAMETOOLONG);
    ck_assert_int_eq(pattern_expand("1234%p", &values, name, sizeof name), -ENAMETOOLONG);
    ck_assert_int_eq(pattern_expand("%p%p", &values, name, sizeof name), -ENAMETOOLONG);
    ck_assert_int_eq(pattern_expand("", &values, name, 1), 0);
}
END_TEST

START_TEST(test_pattern_has)
{
    ck_assert(pattern_has("%p", 'p'));
    ck_assert(pattern_has("a%e%n%p", 'p'));
    ck_assert(pattern_has("%%%p", 'p'));
    ck_assert(!pattern_has("", 'p'));
    ck_assert(!pattern_has("p%", 'p'));
    ck_assert(!pattern_has("%%p", 'p'));
    ck_assert(!pattern_has("%e%n", 'p'));
}
END_TEST

START_TEST(test_program_names)
{
    char name[PATTERN_PROGRAM_SIZE], longest[300];
    pattern_clean_program("Web Content", name);
    ck_assert_str_eq(name, "Web_Content");
    pattern_clean_program("a/b\nc\x7f\x01%", name);
    ck_assert_str_eq(name, "a_b_c__%");
    pattern_clean_program("m\xc3\xb6lt", name);
    ck_assert_str_eq(name, "m\xc3\xb6lt");
    memset(longest, 'x', sizeof longest);
    longest[255] = '\0';
    pattern_clean_program(longest, name);
    ck_assert_uint_eq(strlen(name), 128);
    strcpy(longest + 127, "\xc3\xb6"); /* does not fit as a whole */
    pattern_clean_program(longest, name);
    ck_assert_uint_eq(strlen(name), 127);
}
END_TEST

START_TEST(test_program)
{
    char name[PATTERN_PROGRAM_SIZE];
    pattern_program(name);
    ck_assert_str_eq(name, "unit");
}
END_TEST

/* ---- A folder for files ---- */

static char folder[] = "/tmp/molt-dump.XXXXXX";
static struct output output;

static void make_folder(void)
{
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chmod(folder, 0777), 0);
    ck_assert_int_eq(chdir(folder), 0);
}

static void remove_folder(void)
{
    char command[64];
    ck_assert_int_eq(chdir("/"), 0);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

/* How many files the folder has, temporary ones too. */
static unsigned count_files(const char *path)
{
    unsigned count = 0;
    DIR *directory = opendir(path);
    ck_assert_ptr_nonnull(directory);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(directory);
    return count;
}

static char *read_text(const char *path)
{
    static char text[1 << 18];
    FILE *file = fopen(path, "r");
    if (file == NULL)
        ck_abort_msg("no file %s: errno %d", path, errno);
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    return text;
}

static int write_text(const char *path, const char *text)
{
    output_open(&output, path);
    output_write(&output, text, strlen(text));
    return output_close(&output);
}

/* ---- Files ---- */

START_TEST(test_writes_a_file)
{
    struct stat status;
    umask(0);
    ck_assert_int_eq(write_text("a", "one\n"), 0);
    ck_assert_str_eq(read_text("a"), "one\n");
    ck_assert_int_eq(stat("a", &status), 0);
    ck_assert_uint_eq(status.st_mode, S_IFREG | 0600);
    ck_assert_int_eq(write_text("./a", "two\n"), 0);
    ck_assert_str_eq(read_text("a"), "two\n");
    ck_assert_int_eq(write_text("a", ""), 0);
    ck_assert_str_eq(read_text("a"), "");
    ck_assert_uint_eq(count_files("."), 1);
}
END_TEST

/* It is not there before its end. */
START_TEST(test_writes_as_a_whole)
{
    output_open(&output, "a");
    for (unsigned i = 0; i < 10000; i++)
        output_write(&output, "0123456789", 10);
    ck_assert_int_ne(access("a", F_OK), 0);
    ck_assert_int_eq(output_close(&output), 0);
    ck_assert_uint_eq(strlen(read_text("a")), 100000);
    ck_assert_uint_eq(count_files("."), 1);
}
END_TEST

START_TEST(test_names)
{
    char longest[300], path[400];
    memset(longest, 'x', sizeof longest);
    longest[255] = '\0';
    ck_assert_int_eq(write_text(longest, "a"), 0);
    ck_assert_str_eq(read_text(longest), "a");
    snprintf(path, sizeof path, "%s/%s", folder, longest);
    ck_assert_int_eq(write_text(path, "b"), 0);
    ck_assert_str_eq(read_text(longest), "b");
    ck_assert_int_eq(write_text("odd \n\x01\xff %s", "c"), 0);
    ck_assert_str_eq(read_text("odd \n\x01\xff %s"), "c");
    longest[255] = 'x';
    longest[256] = '\0';
    ck_assert_int_eq(write_text(longest, "a"), ENAMETOOLONG);
    ck_assert_uint_eq(count_files("."), 2);
}
END_TEST

/* A path may be as long as paths may be, and the temporary name is longer than the name. */
START_TEST(test_longest_path)
{
    char path[OUTPUT_PATH_SIZE + 10];
    size_t length = strlen(folder);
    strcpy(path, folder);
    while (length + 101 < OUTPUT_PATH_SIZE - 2) {
        path[length] = '/';
        memset(path + length + 1, 'd', 99);
        path[length += 100] = '\0';
        ck_assert_int_eq(mkdir(path, 0700), 0);
    }
    strcpy(path + length, "/f");
    ck_assert_int_eq(write_text(path, "deep"), 0);
    ck_assert_str_eq(read_text(path), "deep");
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = '\0';
    ck_assert_int_eq(write_text(path, ""), ENAMETOOLONG);
}
END_TEST

START_TEST(test_names_of_no_file)
{
    ck_assert_int_eq(write_text("", "a"), ENOENT);
    ck_assert_int_eq(write_text("/", "a"), EISDIR);
    ck_assert_int_eq(write_text("none/", "a"), EISDIR);
    ck_assert_int_eq(write_text("none/a", "a"), ENOENT);
    ck_assert_int_eq(write_text("a", "a"), 0);
    ck_assert_int_eq(write_text("a/b", "a"), ENOTDIR);
    ck_assert_int_eq(mkdir("d", 0700), 0);
    ck_assert_int_eq(write_text("d", "a"), EEXIST);
    ck_assert_int_eq(write_text("d/", "a"), EISDIR);
    ck_assert_uint_eq(count_files("."), 2);
    ck_assert_uint_eq(count_files("d"), 0);
}
END_TEST

/* Devices, FIFOs and links stay what they are: what would come of /dev/null, and of the file that
 * somebody's link in /tmp leads to? (All of them are the test's own: a mistake is to do no harm.)
 */
START_TEST(test_replaces_files_alone)
{
    struct stat status;
    if (mknod("null", S_IFCHR | 0600, makedev(1, 3)) == 0) {
        ck_assert_int_eq(write_text("null", "a"), EEXIST);
        ck_assert_int_eq(stat("null", &status), 0);
        ck_assert(S_ISCHR(status.st_mode));
    }
    ck_assert_int_eq(mkfifo("fifo", 0600), 0);
    ck_assert_int_eq(write_text("fifo", "a"), EEXIST);
    ck_assert_int_eq(write_text("victim", "as before"), 0);
    ck_assert_int_eq(symlink("victim", "link"), 0);
    ck_assert_int_eq(write_text("link", "a"), EEXIST);
    ck_assert_str_eq(read_text("victim"), "as before");
    ck_assert_int_eq(lstat("link", &status), 0);
    ck_assert(S_ISLNK(status.st_mode));
}
END_TEST

/* As another user: for root all is writable. */
static void in_forbidden_folder(void *argument)
{
    (void)argument;
    if (mkdir("d", 0555) != 0 || setuid(65534) != 0)
        _exit(3);
    _exit(write_text("d/a", "a") == EACCES ? 0 : 4);
}

START_TEST(test_forbidden_folder)
{
    char said[100];
    if (geteuid() != 0) {
        printf("skipped test_forbidden_folder: not root\n");
        return;
    }
    ck_assert_int_eq(unit_child(in_forbidden_folder, NULL, said, sizeof said), 0);
    ck_assert_uint_eq(count_files("d"), 0);
}
END_TEST

/* A file system of one's own: its options, and what is done there. */
static bool mount_own(const char *flags)
{
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", folder, "tmpfs", 0, flags) == 0 && chdir(folder) == 0;
}

/* Runs the function in a child; false, and says so, where it exits with 77. */
static void run_or_skip(const char *test, void (*function)(void *))
{
    char said[512];
    int status = unit_child(function, NULL, said, sizeof said);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        printf("skipped %s: no mounts of one's own\n", test);
    else if (status != 0)
        ck_abort_msg("%s: status %#x, said '%s'", test, (unsigned)status, said);
}

static int write_much(const char *path, size_t bytes)
{
    static const char piece[1000] = {'x'};
    output_open(&output, path);
    for (; bytes > 0; bytes -= sizeof piece)
        output_write(&output, piece, sizeof piece);
    return output_close(&output);
}

static void on_full_disk(void *argument)
{
    (void)argument;
    if (!mount_own("size=64k"))
        _exit(77);
    if (write_text("a", "as before") != 0 || write_much("a", 1000000) != ENOSPC)
        _exit(1);
    if (strcmp(read_text("a"), "as before") != 0 || count_files(".") != 1)
        _exit(2);
    _exit(write_much("b", 10000)); /* there is room again */
}

START_TEST(test_full_disk)
{
    run_or_skip("test_full_disk", on_full_disk);
}
END_TEST

static void on_read_only_disk(void *argument)
{
    (void)argument;
    if (!mount_own("size=64k") || mount(NULL, folder, NULL, MS_REMOUNT | MS_RDONLY, NULL) != 0)
        _exit(77);
    _exit(write_text("a", "a") == EROFS ? 0 : 1);
}

START_TEST(test_read_only_disk)
{
    run_or_skip("test_read_only_disk", on_read_only_disk);
}
END_TEST

/* Check writes to files, too: no ck_assert under a limit. */
static void limit(__rlimit_resource_t resource, rlim_t value)
{
    struct rlimit limits = {value, RLIM_INFINITY};
    getrlimit(resource, &limits);
    limits.rlim_cur = value;
    if (setrlimit(resource, &limits) != 0)
        _exit(1);
}

static void beyond_file_limit(void *argument)
{
    (void)argument;
    limit(RLIMIT_FSIZE, 50000);
    if (write_much("a", 50000) != 0 || write_much("a", 51000) != EFBIG)
        _exit(1);
    limit(RLIMIT_FSIZE, 0);
    if (write_text("b", "a") != EFBIG || write_text("b", "") != 0)
        _exit(2);
    limit(RLIMIT_FSIZE, RLIM_INFINITY);
    _exit(count_files(".") != 2);
}

/* No SIGXFSZ. */
START_TEST(test_file_limit)
{
    char said[512];
    ck_assert_int_eq(unit_child(beyond_file_limit, NULL, said, sizeof said), 0);
}
END_TEST

static void without_descriptors(void *argument)
{
    (void)argument;
    limit(RLIMIT_NOFILE, 4);
    close(3);
    _exit(write_text("a", "a") == EMFILE ? 0 : 1);
}

/* What others write to standard output and error must not go into the file. */
static void without_standard_descriptors(void *argument)
{
    (void)argument;
    for (int fd = 0; fd <= 2; fd++)
        close(fd);
    output_open(&output, "a");
    if (write(1, "x", 1) != -1 || write(2, "x", 1) != -1)
        _exit(1);
    output_write(&output, "one", 3);
    if (output_close(&output) != 0 || open("a", O_RDONLY) != 0)
        _exit(2);
    _exit(strcmp(read_text("a"), "one") == 0 ? 0 : 3);
}

/* The one that is being written to is closed. */
static void with_closed_descriptor(void *argument)
{
    (void)argument;
    output_open(&output, "a");
    close(output.file);
    output_write(&output, "one", 3);
    if (output_close(&output) != EBADF)
        _exit(1);
    _exit(count_files(".") != 0);
}

START_TEST(test_descriptors)
{
    char said[512];
    ck_assert_int_eq(unit_child(without_descriptors, NULL, said, sizeof said), 0);
    ck_assert_int_eq(unit_child(without_standard_descriptors, NULL, said, sizeof said), 0);
    remove("a");
    ck_assert_int_eq(unit_child(with_closed_descriptor, NULL, said, sizeof said), 0);
}
END_TEST

/* A child that is forked by a handler while a file is written leaves it to its parent. */
START_TEST(test_fork_while_writing)
{
    int status = 0;
    output_open(&output, "a");
    output_write(&output, "one", 3);
    pid_t child = fork();
    if (child == 0) {
        output_write(&output, "child", 5);
        _exit(output_close(&output) == 0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    output_write(&output, "two", 3);
    ck_assert_int_eq(output_close(&output), 0);
    ck_assert_str_eq(read_text("a"), "onetwo");
    ck_assert_uint_eq(count_files("."), 1);
}
END_TEST

/* ---- What a profile says ---- */

static const struct stack *stack_of(unsigned depth, uintptr_t first)
{
    uintptr_t frames[STACK_DEPTH_MAX];
    for (unsigned i = 0; i < depth; i++)
        frames[i] = first + i * 0x1000;
    return stack_intern(frames, depth);
}

/* Blocks of a site: so many have been allocated, and of these so many freed. */
static struct site *make_site(const struct stack *stack, size_t size, size_t block_bytes,
                              unsigned made, unsigned freed)
{
    struct site *site = site_intern(stack, block_bytes, NULL, NULL, NULL);
    ck_assert_ptr_nonnull(site);
    for (unsigned i = 0; i < made; i++)
        site_add(site, size, block_bytes);
    for (unsigned i = 0; i < freed; i++)
        site_remove(site, size, block_bytes);
    return site;
}

/* Whether readers take the row: blocks have bytes, others have none, and all are more than some. */
static bool is_row(const char *line)
{
    unsigned long long count, bytes, all_count, all_bytes;
    int end = 0;
    sscanf(line, "%llu: %llu [%llu: %llu] @ 0x%n", &count, &bytes, &all_count, &all_bytes, &end);
    return end > 0 && (count == 0) == (bytes == 0) && (all_count == 0) == (all_bytes == 0) &&
           count <= all_count && bytes <= all_bytes;
}

/* Returns how many rows there are, all of which are such as readers take. */
static unsigned count_rows(const char *text)
{
    unsigned rows = 0;
    for (const char *line = strchr(text, '\n') + 1; *line != '\n'; line = strchr(line, '\n') + 1) {
        if (*line == '#')
            continue;
        if (!is_row(line))
            ck_abort_msg("no row: %.200s", line);
        rows++;
    }
    return rows;
}

static char *write_profile(enum dump_view view)
{
    struct dump_facts facts = {view, "for a test", "some\nname", 4711};
    output_open(&output, "profile");
    dump_write(&output, &facts);
    ck_assert_int_eq(output_close(&output), 0);
    return read_text("profile");
}

static void expect_line(const char *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void expect_line(const char *text, const char *format, ...)
{
    char line[512] = "\n";
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line + 1, sizeof line - 2, format, arguments);
    va_end(arguments);
    strcat(line, "\n");
    if (strstr(text, line) == NULL && strncmp(text, line + 1, strlen(line) - 1) != 0)
        ck_abort_msg("no line%sin:\n%.4000s", line, text);
}

START_TEST(test_header_and_rows)
{
    record_restart(524288);
    make_site(stack_of(3, 0x401000), 40, 48, 3, 1);
    make_site(stack_of(3, 0x401000), 60, 64, 2, 2); /* the same stack, another size */
    make_site(stack_of(1, 0x7fffff123456), 5000, 5120, 1, 0);
    char *text = write_profile(DUMP_NOW);
    ck_assert(strncmp(text, "heap profile: 3: 5216 [06: 5392] @ heap_v2/524288\n", 50) == 0);
    expect_line(text, "2: 96 [3: 144] @ 0x400fff 0x402000 0x403000");
    expect_line(text, "0: 0 [2: 128] @ 0x400fff 0x402000 0x403000");
    expect_line(text, "1: 5120 [1: 5120] @ 0x7fffff123455");
    expect_line(text, "# pid: 4711");
    expect_line(text, "# program: some name");
    expect_line(text, "# written: for a test");
    expect_line(text, "\nMAPPED_LIBRARIES:");
    ck_assert_ptr_nonnull(strstr(strstr(text, "MAPPED_LIBRARIES:"), "/unit\n"));
}
END_TEST

/* Readers compare the header's numbers as text: where they are the same, or 0, they leave half of
 * the columns away. */
START_TEST(test_header_keeps_columns)
{
    record_restart(4096);
    char *text = write_profile(DUMP_NOW);
    ck_assert(strncmp(text, "heap profile: 0: 0 [00: 0] @ heap_v2/4096\n", 42) == 0);
    make_site(stack_of(2, 0x401000), 16, 16, 3, 0);
    text = write_profile(DUMP_NOW);
    ck_assert(strncmp(text, "heap profile: 3: 48 [03: 48] @ heap_v2/4096\n", 44) == 0);
}
END_TEST

/* Where everything is recorded readers have nothing to multiply, and bytes are those asked for. */
START_TEST(test_exact)
{
    record_restart(1);
    make_site(stack_of(1, 0x401000), 3, 8, 4, 1);
    make_site(stack_of(1, 0x501000), 0, 8, 1, 0);
    char *text = write_profile(DUMP_NOW);
    ck_assert(strncmp(text, "heap profile: 4: 9 [05: 12] @ heapprofile\n", 42) == 0);
    expect_line(text, "3: 9 [4: 12] @ 0x400fff");
    expect_line(text, "1: 0 [1: 0] @ 0x500fff");
}
END_TEST

START_TEST(test_peak)
{
    record_restart(4096);
    struct site *site = make_site(stack_of(1, 0x401000), 90, 96, 5, 0);
    site_keep_peak(site);
    make_site(stack_of(1, 0x401000), 90, 96, 1, 6);
    char *text = write_profile(DUMP_PEAK);
    expect_line(text, "5: 480 [6: 576] @ 0x400fff");
    expect_line(text, "# in use: at the peak");
    text = write_profile(DUMP_NOW);
    expect_line(text, "0: 0 [6: 576] @ 0x400fff");
    expect_line(text, "# in use: now");
}
END_TEST

START_TEST(test_stacks_of_all_depths)
{
    record_restart(4096);
    make_site(stack_of(0, 0), 16, 16, 1, 0);
    make_site(stack_of(STACK_DEPTH_MAX, 0x1000001000), 16, 16, 2, 0);
    char *text = write_profile(DUMP_NOW);
    expect_line(text, "1: 16 [1: 16] @ 0x1");
    char *row = strstr(text, "2: 32 [2: 32] @ 0x1000000fff 0x1000002000 ");
    ck_assert_ptr_nonnull(row);
    unsigned frames = 0;
    for (; *row != '\n'; row++)
        frames += *row == 'x';
    ck_assert_uint_eq(frames, STACK_DEPTH_MAX);
}
END_TEST

START_TEST(test_tags_and_types)
{
    record_restart(4096);
    const struct stack *stack = stack_of(1, 0x401000);
    site_add(site_intern(stack, 32, "line 1\nheap profile: 1: 1", "struct node", "worker\t1"), 32,
             32);
    site_add(site_intern(stack, 32, NULL, NULL, NULL), 32, 32);
    char *text = write_profile(DUMP_NOW);
    expect_line(text, "# type: struct node\n# tag: line 1 heap profile: 1: 1\n# thread: worker 1\n"
                      "# requested: 32 [32], temporary: 0, lifetimes:\n1: 32 [1: 32] @ 0x400fff");
}
END_TEST

START_TEST(test_counts_of_a_row)
{
    record_restart(4096);
    struct site *site = make_site(stack_of(1, 0x401000), 90, 96, 5, 2);
    site_note_lifetime(site, 50 * 1000, true); /* 50 and 500 microseconds */
    site_note_lifetime(site, 500 * 1000, false);
    expect_line(write_profile(DUMP_NOW),
                "# requested: 270 [450], temporary: 1, lifetimes: 0 0 1 1\n"
                "3: 288 [5: 480] @ 0x400fff");
}
END_TEST

/* Numbers of different moments: a row must be one that readers take. */
START_TEST(test_numbers_of_different_moments)
{
    record_restart(4096);
    struct site *site = make_site(stack_of(1, 0x401000), 16, 16, 2, 2);
    site->live_block_bytes = 32; /* without a block */
    expect_line(write_profile(DUMP_NOW), "0: 0 [2: 32] @ 0x400fff");
    site->live_count = UINT64_MAX;
    expect_line(write_profile(DUMP_NOW), "0: 0 [2: 32] @ 0x400fff");
    site->live_count = 3; /* more than there have been */
    expect_line(write_profile(DUMP_NOW), "3: 32 [3: 32] @ 0x400fff");
    site->live_block_bytes = (uint64_t)-16;
    site->total_block_bytes = 0;
    expect_line(write_profile(DUMP_NOW), "3: 3 [3: 3] @ 0x400fff");
    site->live_count = 0;
    expect_line(write_profile(DUMP_NOW), "0: 0 [2: 2] @ 0x400fff");
    site->total_count = 0;
    ck_assert_ptr_null(strstr(write_profile(DUMP_NOW), "0x400fff"));
}
END_TEST

/* ---- … while others count ---- */

static atomic_bool is_over;

static void *allocate_and_free(void *argument)
{
    struct site *const *sites = argument;
    for (unsigned i = 0; !is_over; i++) {
        site_add(sites[i % 4], 16, 16);
        site_remove(sites[i % 4], 16, 16);
    }
    return NULL;
}

START_TEST(test_while_others_count)
{
    enum { THREADS = 3 };
    struct site *sites[4];
    pthread_t threads[THREADS];
    record_restart(4096);
    for (unsigned i = 0; i < COUNT_OF(sites); i++)
        sites[i] = make_site(stack_of(1 + i, 0x401000), 16, 16, 1, 1);
    for (unsigned i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, allocate_and_free, sites), 0);
    for (unsigned i = 0; i < 200; i++)
        REQUIRE(count_rows(write_profile(DUMP_NOW)) == COUNT_OF(sites), "rows are missing");
    is_over = true;
    for (unsigned i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}
END_TEST

static void without_proc(void *argument)
{
    (void)argument;
    record_restart(4096);
    if (chroot(folder) != 0 || chdir("/") != 0)
        _exit(77);
    expect_line(write_profile(DUMP_NOW), "# not known: /proc does not tell");
}

START_TEST(test_without_proc)
{
    run_or_skip("test_without_proc", without_proc);
}
END_TEST

/* ---- When a profile is written ---- */

/* Returns the text of the profile with that name for %n, of this process. */
static char *profile(unsigned number, const char *suffix)
{
    char path[64];
    snprintf(path, sizeof path, "molt.unit.%d.%u.heap%s", (int)getpid(), number, suffix);
    return read_text(path);
}

static void start(void)
{
    record_restart(4096);
    make_site(stack_of(2, 0x401000), 16, 16, 3, 1);
    trigger_start();
}

START_TEST(test_nothing_before_the_start)
{
    trigger_exit();
    trigger_grown(1 << 30);
    trigger_failing(false);
    errno = 0;
    ck_assert_int_eq(molt_profile_dump("a"), -1);
    ck_assert_int_eq(errno, ENODATA);
    ck_assert_int_eq(molt_profile_dump(NULL), -1);
    ck_assert_uint_eq(count_files("."), 0);
}
END_TEST

START_TEST(test_on_request)
{
    start();
    errno = 1234;
    ck_assert_int_eq(molt_profile_dump("a"), 0);
    expect_line(read_text("a"), "2: 32 [3: 48] @ 0x400fff 0x402000");
    expect_line(read_text("a"), "# written: the program asks for it");
    ck_assert_int_eq(molt_profile_dump(NULL), 0);
    ck_assert_int_eq(molt_profile_dump(NULL), 0);
    ck_assert_int_eq(errno, 1234);
    profile(1, "");
    profile(2, "");
    ck_assert_int_eq(molt_profile_dump("none/a"), -1);
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_int_eq(mkdir("d", 0700), 0);
    ck_assert_int_eq(molt_profile_dump("d"), -1);
    ck_assert_int_eq(errno, EEXIST);
    ck_assert_uint_eq(count_files("."), 4);
}
END_TEST

START_TEST(test_at_exit)
{
    start();
    options.prof_peak = 1;
    trigger_exit();
    expect_line(profile(1, ""), "# written: at exit");
    expect_line(profile(2, ".peak"), "# in use: at the peak");
    options.prof_peak = 0;
    options.prof_final = 0;
    trigger_exit();
    options.prof_final = 1;
    trigger_stop();
    trigger_exit();
    ck_assert_uint_eq(count_files("."), 2);
}
END_TEST

START_TEST(test_on_growth)
{
    start();
    trigger_grown(1000000);
    options.prof_interval = 1000;
    trigger_grown(999);
    ck_assert_uint_eq(count_files("."), 0);
    trigger_grown(1000);
    trigger_grown(1000);
    trigger_grown(0);
    trigger_grown(1999);
    ck_assert_uint_eq(count_files("."), 1);
    trigger_grown(5000);
    trigger_grown(5999);
    ck_assert_uint_eq(count_files("."), 2);
    expect_line(profile(2, ""), "# written: what is in use has grown");
    options.prof_interval = 0;
    trigger_grown(100000);
    ck_assert_uint_eq(count_files("."), 2);
}
END_TEST

START_TEST(test_on_failure)
{
    start();
    trigger_failing(false);
    ck_assert_uint_eq(count_files("."), 0);
    options.prof_oom = 1;
    trigger_failing(false);
    trigger_failing(false);
    ck_assert_uint_eq(count_files("."), 1);
    expect_line(profile(1, ""), "# written: an allocation fails");
}
END_TEST

START_TEST(test_on_signal)
{
    options.prof_signal = SIGUSR2;
    start();
    errno = 1234;
    raise(SIGUSR2);
    ck_assert_int_eq(errno, 1234);
    expect_line(profile(1, ""), "# written: on a signal");
    trigger_start();
    raise(SIGUSR2);
    ck_assert_uint_eq(count_files("."), 2);
}
END_TEST

/* A small alternate stack is enough. */
START_TEST(test_on_signal_on_a_small_stack)
{
    static char stack[16384];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    memset(stack, 'x', sizeof stack);
    ck_assert_int_eq(sigaltstack(&alternate, NULL), 0);
    options.prof_signal = SIGUSR2;
    start();
    raise(SIGUSR2);
    profile(1, "");
    size_t untouched = 0;
    while (stack[untouched] == 'x')
        untouched++;
    ck_assert_uint_gt(untouched, unit_is_sanitized() ? 0 : 8192);
}
END_TEST

static unsigned handled;

static void own_handler(int number)
{
    (void)number;
    handled++;
}

static void start_with_own_handler(void *argument)
{
    (void)argument;
    signal(SIGUSR2, own_handler);
    options.prof_signal = SIGUSR2;
    start();
    raise(SIGUSR2);
    _exit(handled == 1 && count_files(".") == 0 ? 0 : 1);
}

/* The program's handler stays, be it set before or after. */
START_TEST(test_leaves_handlers)
{
    char said[512];
    ck_assert_int_eq(unit_child(start_with_own_handler, NULL, said, sizeof said), 0);
    ck_assert_str_eq(said, "molt: warning: prof_signal: signal 12 is the program's already: "
                           "no profile on it\n");
    options.prof_signal = SIGUSR2;
    start();
    signal(SIGUSR2, own_handler);
    trigger_grown(1);
    raise(SIGUSR2);
    ck_assert_uint_eq(handled, 1);
    ck_assert_uint_eq(count_files("."), 0);
}
END_TEST

/* ---- Where it is written ---- */

START_TEST(test_stays_in_the_first_directory)
{
    start();
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(molt_profile_dump(NULL), 0);
    ck_assert_uint_eq(count_files(folder), 1);
    char pattern[64];
    snprintf(pattern, sizeof pattern, "%s/%%e", folder);
    options.prof_out = pattern;
    ck_assert_int_eq(molt_profile_dump(NULL), 0);
    ck_assert_int_eq(chdir(folder), 0);
    read_text("unit");
}
END_TEST

static void dump_in_child(void *argument)
{
    _exit(molt_profile_dump(argument) != 0);
}

START_TEST(test_children_have_names_of_their_own)
{
    char said[512], path[64];
    int status;
    start();
    ck_assert_int_eq(molt_profile_dump(NULL), 0);
    pid_t child = fork();
    if (child == 0)
        dump_in_child(NULL);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    snprintf(path, sizeof path, "molt.unit.%d.1.heap", (int)child); /* it counts anew */
    read_text(path);
    options.prof_out = "all";
    ck_assert_int_eq(molt_profile_dump(NULL), 0);
    ck_assert_int_eq(unit_child(dump_in_child, NULL, said, sizeof said), 0);
    ck_assert_int_eq(molt_profile_dump(NULL), 0);
    ck_assert_uint_eq(count_files("."), 4); /* all, and all.CHILD */
}
END_TEST

/* The writer of a parent is gone in its children. */
static void *write_again_and_again(void *argument)
{
    while (!is_over)
        ck_assert_int_eq(molt_profile_dump(argument), 0);
    return NULL;
}

START_TEST(test_fork_while_another_thread_writes)
{
    pthread_t writer;
    char own[] = "parent's";
    start();
    ck_assert_int_eq(pthread_create(&writer, NULL, write_again_and_again, own), 0);
    for (unsigned i = 0; i < 100; i++) {
        int status = 0;
        pid_t child = fork();
        if (child == 0) {
            alarm(patience(10));
            trigger_repair();
            trigger_exit();
            dump_in_child(NULL);
        }
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(status, 0);
    }
    is_over = true;
    ck_assert_int_eq(pthread_join(writer, NULL), 0);
    ck_assert_uint_eq(count_files("."), 1 + 2 * 100);
}
END_TEST

/* Signals come while a profile is written: one more is written then, by whoever writes. */
static unsigned signals;

static void *send_signals(void *process)
{
    for (; signals < 50; signals++) {
        kill(*(pid_t *)process, SIGUSR2);
        usleep(200);
    }
    is_over = true;
    return NULL;
}

START_TEST(test_signals_while_writing)
{
    pthread_t sender;
    pid_t process = getpid();
    options.prof_signal = SIGUSR2;
    options.prof_out = "on-a-signal.%n";
    start();
    ck_assert_int_eq(pthread_create(&sender, NULL, send_signals, &process), 0);
    while (!is_over)
        ck_assert_int_eq(molt_profile_dump("a"), 0);
    ck_assert_int_eq(pthread_join(sender, NULL), 0);
    ck_assert_uint_ge(count_files("."), 2);
    ck_assert_uint_le(count_files("."), 1 + 50);
    expect_line(read_text("on-a-signal.1"), "# written: on a signal");
}
END_TEST

static void fail_twice(void *argument)
{
    (void)argument;
    start();
    options.prof_out = "none/a";
    trigger_exit();
    trigger_exit();
    options.prof_out = "a";
    trigger_exit();
    options.prof_out = "none/b";
    trigger_exit();
}

/* One line, and the program goes on. */
START_TEST(test_tells_failures_once)
{
    char said[512], wanted[512];
    ck_assert_int_eq(unit_child(fail_twice, NULL, said, sizeof said), 0);
    static const char line[] = "molt: warning: heap profile not written: no such directory: ";
    snprintf(wanted, sizeof wanted, "%s%s/none/a\n%s%s/none/b\n", line, folder, line, folder);
    ck_assert_str_eq(said, wanted);
}
END_TEST

/* Sandboxed, without the right to open any file. */
static void forbid_opening(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {COUNT_OF(filter), filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(77);
}

static void write_in_sandbox(void *argument)
{
    (void)argument;
    start();
    forbid_opening();
    errno = 0;
    if (molt_profile_dump("a") != -1 || errno != EPERM)
        _exit(1);
    trigger_exit();
    _exit(0);
}

START_TEST(test_in_a_sandbox)
{
    char said[512];
    int status = unit_child(write_in_sandbox, NULL, said, sizeof said);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        printf("skipped test_in_a_sandbox: no seccomp filters\n");
        return;
    }
    ck_assert_int_eq(status, 0);
    ck_assert_ptr_eq(strstr(said, "molt: warning: heap profile not written: not permitted: "),
                     said);
    ck_assert_uint_eq(count_files("."), 0);
}
END_TEST

/* ---- The suite ---- */

static TCase *add_tests(Suite *suite, const char *name)
{
    TCase *tests = tcase_create(name);
    tcase_add_checked_fixture(tests, make_folder, remove_folder);
    suite_add_tcase(suite, tests);
    return tests;
}

Suite *suite_profile_dump(void)
{
    Suite *suite = suite_create("profile_dump");
    TCase *patterns = add_tests(suite, "patterns");
    tcase_add_test(patterns, test_pattern);
    tcase_add_test(patterns, test_pattern_without_room);
    tcase_add_test(patterns, test_pattern_has);
    tcase_add_test(patterns, test_program_names);
    tcase_add_test(patterns, test_program);
    TCase *files = add_tests(suite, "files");
    tcase_add_test(files, test_writes_a_file);
    tcase_add_test(files, test_writes_as_a_whole);
    tcase_add_test(files, test_names);
    tcase_add_test(files, test_longest_path);
    tcase_add_test(files, test_names_of_no_file);
    tcase_add_test(files, test_replaces_files_alone);
    tcase_add_test(files, test_forbidden_folder);
    tcase_add_test(files, test_full_disk);
    tcase_add_test(files, test_read_only_disk);
    tcase_add_test(files, test_file_limit);
    tcase_add_test(files, test_descriptors);
    tcase_add_test(files, test_fork_while_writing);
    TCase *profiles = add_tests(suite, "profiles");
    tcase_add_test(profiles, test_header_and_rows);
    tcase_add_test(profiles, test_header_keeps_columns);
    tcase_add_test(profiles, test_exact);
    tcase_add_test(profiles, test_peak);
    tcase_add_test(profiles, test_stacks_of_all_depths);
    tcase_add_test(profiles, test_tags_and_types);
    tcase_add_test(profiles, test_counts_of_a_row);
    tcase_add_test(profiles, test_numbers_of_different_moments);
    tcase_add_test(profiles, test_while_others_count);
    tcase_add_test(profiles, test_without_proc);
    TCase *triggers = add_tests(suite, "triggers");
    tcase_add_test(triggers, test_nothing_before_the_start);
    tcase_add_test(triggers, test_on_request);
    tcase_add_test(triggers, test_at_exit);
    tcase_add_test(triggers, test_on_growth);
    tcase_add_test(triggers, test_on_failure);
    tcase_add_test(triggers, test_on_signal);
    tcase_add_test(triggers, test_on_signal_on_a_small_stack);
    tcase_add_test(triggers, test_leaves_handlers);
    tcase_add_test(triggers, test_stays_in_the_first_directory);
    tcase_add_test(triggers, test_children_have_names_of_their_own);
    tcase_add_test(triggers, test_fork_while_another_thread_writes);
    tcase_add_test(triggers, test_signals_while_writing);
    tcase_add_test(triggers, test_tells_failures_once);
    tcase_add_test(triggers, test_in_a_sandbox);
    return suite;
}
