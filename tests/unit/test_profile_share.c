/* test_profile_share.c: the statistics page: what readers see while it is written, pages of other
 * versions, folders and their sweeping, processes that fork, and what can go wrong. */
#include "suites.h"
#include "unit.h"

#include "alloc/account.h"
#include "alloc/stats.h"
#include "molt.h"
#include "molt_page.h"
#include "os/os.h"
#include "profile/folder.h"
#include "profile/page.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- A page that is written while it is read ---- */

static struct page page;
static atomic_bool is_over;

/* Draft number n has n in all its words. Now and then there is time to read one. */
static void *write_drafts(void *argument)
{
    static struct page draft;
    uint64_t *words = (uint64_t *)&draft.state;
    size_t count = (sizeof draft - offsetof(struct page, state)) / sizeof *words;
    for (uint64_t n = 1; !is_over; n++) {
        for (size_t i = 0; i < count; i++)
            words[i] = n;
        draft.state.classes = n % (ACCOUNT_CLASSES + 1);
        page_write(&page, &draft);
        if (n % 32 == 0)
            os_sleep_us(50);
    }
    return argument;
}

static void expect_one_draft(const struct molt_page *read)
{
    uint64_t n = read->state.refreshes;
    const uint64_t *stats = (const uint64_t *)&read->stats;
    const uint64_t *classes = (const uint64_t *)read->classes;
    REQUIRE(read->state.classes == n % (ACCOUNT_CLASSES + 1), "classes of another draft");
    REQUIRE(read->state.wall_ns == n && read->changes.purged_bytes == (int64_t)n, "torn");
    for (size_t i = 0; i < sizeof read->stats / 8; i++)
        REQUIRE(stats[i] == n, "torn: draft %zu in draft %zu", (size_t)stats[i], (size_t)n);
    for (size_t i = 0; i < read->state.classes * sizeof *read->classes / 8; i++)
        REQUIRE(classes[i] == n, "torn: draft %zu in draft %zu", (size_t)classes[i], (size_t)n);
}

static void *read_drafts(void *argument)
{
    struct molt_page *read = malloc(sizeof *read);
    uint64_t last = 0;
    size_t wholes = 0;
    for (uint64_t until = os_now_ms() + 1000; wholes < 100 || os_now_ms() < until;) {
        int error = molt_page_read(&page.head, sizeof page, read);
        REQUIRE(error == 0 || error == EAGAIN, "error %d", error);
        if (error == EAGAIN)
            continue;
        REQUIRE(read->state.refreshes >= last, "time goes back");
        last = read->state.refreshes;
        expect_one_draft(read);
        wholes++;
    }
    free(read);
    return argument;
}

START_TEST(test_whole)
{
    pthread_t writer, readers[2];
    page_begin(&page, "program", 1);
    pthread_create(&writer, NULL, write_drafts, NULL);
    for (unsigned i = 0; i < 2; i++)
        pthread_create(&readers[i], NULL, read_drafts, NULL);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(readers[i], NULL);
    is_over = true;
    pthread_join(writer, NULL);
}
END_TEST

START_TEST(test_half_written)
{
    static struct molt_page read;
    page_begin(&page, "program", 1);
    page.head.sequence = 7; /* its process was killed */
    ck_assert_int_eq(molt_page_read(&page.head, sizeof page, &read), EAGAIN);
}
END_TEST

/* ---- Layouts ---- */

START_TEST(test_head)
{
    page_begin(&page,
               "a program whose name is a little longer than the page has room for, which is "
               "a hundred and twenty-seven bytes and a NUL behind these",
               4711);
    ck_assert_uint_eq(page.head.process, 4711);
    ck_assert_uint_eq(strlen(page.head.program), sizeof page.head.program - 1);
    ck_assert_str_eq(page.head.library, molt_version());
    ck_assert_int_eq(molt_page_check(&page.head, sizeof page), 0);
    ck_assert_int_eq(molt_page_check(&page.head, sizeof page - 1), EINVAL);
    ck_assert_int_eq(molt_page_check(&page.head, 0), EINVAL);
    page.head.version++;
    ck_assert_int_eq(molt_page_check(&page.head, sizeof page), ENOTSUP);
    page.head.magic++;
    ck_assert_int_eq(molt_page_check(&page.head, sizeof page), EINVAL);
}
END_TEST

/* Pages that the header does not describe are refused, and nothing outside of them is read. */
START_TEST(test_hostile)
{
    static const struct molt_page_part bad[] = {
        {sizeof page, 8, 1, 0},
        {UINT32_MAX - 7, 8, 1, 0},
        {4, 8, 1, 0},
        {512, 4, 1, 0},
        {512, UINT32_MAX - 7, 1, 0},
        {512, 8, 0, 0},
        {512, 8, UINT32_MAX, 0},
        {512, UINT32_MAX - 7, UINT32_MAX, 0},
    };
    for (unsigned part = 0; part < MOLT_PAGE_PARTS; part++)
        for (unsigned i = 0; i < COUNT_OF(bad); i++) {
            page_begin(&page, "program", 1);
            page.head.part[part] = bad[i];
            ck_assert_int_eq(molt_page_check(&page.head, sizeof page), EINVAL);
        }
    static struct molt_page read;
    page_begin(&page, "program", 1);
    page.state.classes = UINT64_MAX;
    ck_assert_int_eq(molt_page_read(&page.head, sizeof page, &read), 0);
    ck_assert_uint_eq(read.state.classes, ACCOUNT_CLASSES);
}
END_TEST

/* A page of a later version, whose elements are longer, and one of an earlier, whose are shorter,
 * and which lacks the last part. */
START_TEST(test_versions)
{
    static struct molt_page read;
    static struct {
        struct page page;
        uint64_t stats[40], classes[2][12];
    } later;
    page_begin(&later.page, "program", 1);
    struct molt_page_part *parts = later.page.head.part;
    parts[MOLT_PAGE_STATS] = (struct molt_page_part){sizeof(struct page), sizeof later.stats, 1, 0};
    parts[MOLT_PAGE_CLASSES] = (struct molt_page_part){sizeof(struct page) + sizeof later.stats,
                                                       sizeof later.classes[0], 2, 0};
    later.page.head.bytes = sizeof later;
    later.page.head.parts = MOLT_PAGE_PARTS + 3;
    later.page.state.classes = 2;
    later.stats[1] = 1234;
    later.classes[1][3] = 77;
    ck_assert_int_eq(molt_page_read(&later.page.head, sizeof later, &read), 0);
    ck_assert_uint_eq(read.stats.live_bytes, 1234);
    ck_assert_uint_eq(read.state.classes, 2);
    ck_assert_uint_eq(read.classes[1].live_blocks, 77);

    later.stats[8] = 5;
    parts[MOLT_PAGE_STATS].bytes = 8 * 8;
    later.page.head.parts = MOLT_PAGE_CLASSES;
    memset(&read, 0xff, sizeof read);
    ck_assert_int_eq(molt_page_read(&later.page.head, sizeof later, &read), 0);
    ck_assert_uint_eq(read.stats.live_bytes, 1234);
    ck_assert_uint_eq(read.stats.cached_bytes, 0); /* the ninth: not known to that page */
    ck_assert_uint_eq(read.state.classes, 0);
}
END_TEST

/* ---- Counting in steps ---- */

START_TEST(test_steps)
{
    static struct molt_class classes[ACCOUNT_CLASSES], in_steps[ACCOUNT_CLASSES];
    struct molt_stats stats;
    struct stats_count count;
    void *blocks[2000];
    for (size_t i = 0; i < COUNT_OF(blocks); i++)
        blocks[i] = molt_malloc(i * 37 % 40000);
    for (size_t i = 0; i < COUNT_OF(blocks); i += 3)
        molt_free(blocks[i]);
    stats_get(&stats);
    account_get_classes(classes);
    unsigned steps = 1;
    for (stats_begin(&count, in_steps); !stats_step(&count); steps++)
        continue;
    ck_assert_uint_eq(steps, stats.arenas + 1);
    ck_assert_int_eq(memcmp(&stats, &count.stats, sizeof stats), 0);
    ck_assert_int_eq(memcmp(classes, in_steps, sizeof classes), 0);
    size_t live = 0;
    for (size_t i = 0; i < ACCOUNT_CLASSES; i++)
        live += classes[i].live_blocks * classes[i].block_bytes;
    ck_assert_uint_eq(live, stats.pool_bytes);
}
END_TEST

/* ---- Folders ---- */

static char place[] = "/tmp/molt-unit.XXXXXX"; /* XDG_RUNTIME_DIR of a test */

static void make_place(void)
{
    ck_assert_ptr_nonnull(mkdtemp(place));
    setenv("XDG_RUNTIME_DIR", place, 1);
}

/* Removes what is in the folder, and the folder. */
static void remove_folder(const char *path)
{
    char name[PATH_MAX];
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (unlink(name) != 0)
            rmdir(name);
    }
    if (folder != NULL)
        closedir(folder);
    rmdir(path);
}

static const char *in_place(const char *name)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", place, name);
    return path;
}

static void remove_place(void)
{
    unlink(in_place("molt"));
    remove_folder(in_place("molt"));
    remove_folder(place);
}

static int open_first(void)
{
    char path[FOLDER_PATH_SIZE];
    int folder = folder_open(0, path);
    ck_assert(folder < 0 || strcmp(path, in_place("molt")) == 0);
    return folder;
}

START_TEST(test_folder)
{
    char path[FOLDER_PATH_SIZE];
    struct stat status;
    make_place();
    int folder = open_first();
    ck_assert_int_gt(folder, 2);
    ck_assert_int_eq(fstat(folder, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0700);
    close(folder);
    chmod(in_place("molt"), 0755); /* others may look into it */
    ck_assert_int_eq(open_first(), -EPERM);
    if (geteuid() == 0) {
        chmod(in_place("molt"), 0700);
        ck_assert_int_eq(chown(in_place("molt"), 1, 1), 0);
        ck_assert_int_eq(open_first(), -EPERM);
    }
    rmdir(in_place("molt"));
    ck_assert_int_eq(symlink(place, in_place("molt")), 0);
    int through_link = open_first();
    ck_assert(through_link == -ELOOP || through_link == -ENOTDIR);
    unlink(in_place("molt"));
    close(open(in_place("molt"), O_CREAT | O_WRONLY, 0600));
    ck_assert_int_eq(open_first(), -ENOTDIR);
    setenv("XDG_RUNTIME_DIR", "relative", 1);
    ck_assert_int_eq(folder_open(0, path), -ENOENT);
    setenv("XDG_RUNTIME_DIR", "/nowhere/at/all", 1);
    ck_assert_int_eq(folder_open(0, path), -ENOENT);
    unsetenv("XDG_RUNTIME_DIR");
    ck_assert_int_eq(folder_open(0, path), -ENOENT);
    remove_place();
}
END_TEST

/* Writes a page, or only what is no page, under the name of a process. */
static void put_page(int folder, unsigned process, const char *behind, uint64_t older)
{
    char name[FOLDER_NAME_SIZE + 1];
    static struct page written;
    struct os_process of = {0};
    page_begin(&written, "program", process);
    os_process_find(process, &of);
    written.head.start_ticks = of.start_ticks - older;
    written.head.image = of.image;
    folder_page_name(process, name);
    strcat(name, behind);
    int file = openat(folder, name, O_CREAT | O_WRONLY, 0600);
    ck_assert_int_eq(write(file, &written, sizeof written), sizeof written);
    close(file);
}

static bool has_page(int folder, unsigned process, const char *behind)
{
    char name[FOLDER_NAME_SIZE + 1];
    struct stat status;
    folder_page_name(process, name);
    strcat(name, behind);
    return fstatat(folder, name, &status, 0) == 0;
}

/* A process that sleeps until it is killed. */
static unsigned start_sleeper(void)
{
    pid_t child = fork();
    if (child == 0) {
        alarm(patience(20));
        pause();
        _exit(0);
    }
    return (unsigned)child;
}

static void end_sleeper(unsigned process)
{
    kill((pid_t)process, SIGKILL);
    waitpid((pid_t)process, NULL, 0);
}

static const char *const others[] = {"readme",      "4711x",      ".hidden", "4711.5", "0",
                                     "99999999999", "4294967295", "04711",   "4711.",  "~"};

START_TEST(test_sweep)
{
    make_place();
    unsigned running = start_sleeper(), another = start_sleeper(), dead = start_sleeper();
    int folder = open_first();
    put_page(folder, running, "", 0);
    put_page(folder, running, "~", 0);
    put_page(folder, another, "", 100); /* it has the number of one that ended before */
    put_page(folder, dead, "", 0);
    put_page(folder, dead, "~", 0);
    end_sleeper(dead);
    for (size_t i = 0; i < COUNT_OF(others); i++)
        close(openat(folder, others[i], O_CREAT | O_WRONLY, 0600));
    folder_sweep(folder);
    ck_assert(has_page(folder, running, ""));
    ck_assert(has_page(folder, running, "~"));
    ck_assert(!has_page(folder, another, ""));
    ck_assert(!has_page(folder, dead, ""));
    ck_assert(!has_page(folder, dead, "~"));
    for (size_t i = 0; i < COUNT_OF(others); i++)
        ck_assert_int_eq(faccessat(folder, others[i], F_OK, 0), 0);
    end_sleeper(running);
    end_sleeper(another);
    close(folder);
    remove_place();
}
END_TEST

/* In a PID namespace of its own, numbers are those of other processes than outside: pages bear its
 * number, and pages from outside are left alone. */
static void sweep_inside(int folder)
{
    char name[FOLDER_NAME_SIZE];
    folder_page_name(1, name);
    REQUIRE(strncmp(name, "1.", 2) == 0, "named %s", name);
    put_page(folder, 4711, "", 0);
    close(openat(folder, "4712", O_CREAT | O_WRONLY, 0600));
    folder_sweep(folder);
    REQUIRE(!has_page(folder, 4711, ""), "a page of the namespace's own is left");
    REQUIRE(faccessat(folder, "4712", F_OK, 0) == 0, "a page from outside is gone");
}

START_TEST(test_namespace)
{
    make_place();
    int folder = open_first(), status = 1;
    if (os_pid_namespace() != OS_PID_NAMESPACE_FIRST || unshare(CLONE_NEWPID) != 0) {
        printf("skipped: unit profile_share namespace: cannot make a PID namespace\n");
    } else {
        pid_t child = fork();
        if (child == 0) {
            alarm(patience(20));
            sweep_inside(folder);
            _exit(0);
        }
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(status, 0);
    }
    close(folder);
    remove_place();
}
END_TEST

/* ---- Sharing ---- */

static void share(bool on)
{
    ck_assert_int_eq(molt_ctl("share", NULL, NULL, on ? "1" : "0", 1), 0);
}

static const struct molt_page_head *map_page(unsigned process)
{
    char path[PATH_MAX];
    struct stat status;
    size_t length = (size_t)snprintf(path, sizeof path, "%s/molt/", place);
    folder_page_name(process, path + length);
    int file = open(path, O_RDONLY);
    if (file < 0)
        return NULL;
    ck_assert_int_eq(fstat(file, &status), 0);
    ck_assert_uint_eq(status.st_mode, S_IFREG | 0600);
    const struct molt_page_head *head =
        mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, file, 0);
    ck_assert_ptr_ne(head, MAP_FAILED);
    close(file);
    return head;
}

static void read_page(const struct molt_page_head *head, struct molt_page *out)
{
    ck_assert_ptr_nonnull(head);
    ck_assert_int_eq(molt_page_read(head, head->bytes, out), 0);
    ck_assert_uint_eq(out->stats.live_bytes,
                      out->stats.pool_bytes + out->stats.run_bytes + out->stats.huge_bytes);
}

/* Allocates and frees until the page has been written so often, or for some seconds. */
static void refresh(const struct molt_page_head *head, struct molt_page *out, uint64_t times)
{
    uint64_t until = os_now_ms() + 1000 * patience(10);
    do {
        for (unsigned i = 0; i < 1000; i++)
            molt_free(molt_malloc(100));
        read_page(head, out);
    } while (out->state.refreshes < times && os_now_ms() < until);
    ck_assert_uint_ge(out->state.refreshes, times);
}

START_TEST(test_share)
{
    static struct molt_page read;
    struct os_process self;
    make_place();
    ck_assert_ptr_null(map_page((unsigned)getpid()));
    share(true);
    const struct molt_page_head *head = map_page((unsigned)getpid());
    read_page(head, &read);
    ck_assert_uint_eq(read.state.refreshes, 1);
    ck_assert(os_process_find(0, &self));
    ck_assert_uint_eq(head->start_ticks, self.start_ticks);
    ck_assert_uint_eq(head->image, self.image);
    ck_assert_uint_ne(head->image, 0);
    char *kept = molt_malloc(1 << 20);
    refresh(head, &read, 3);
    ck_assert_uint_ge(read.stats.run_bytes, 1 << 20);
    ck_assert_uint_ge(read.state.refreshed_ns, read.state.counted_ns);
    ck_assert_uint_ge(read.state.counted_ns, read.state.shared_ns);
    if (read.state.refreshed_ns - read.state.shared_ns < 1000000000)
        ck_assert_uint_eq(read.changes.period_ns, 0);
    for (uint64_t until = os_now_ms() + 1100; os_now_ms() < until;)
        molt_free(molt_malloc(100));
    char *more = molt_malloc(1 << 20);
    refresh(head, &read, read.state.refreshes + 3);
    ck_assert_uint_ge(read.changes.period_ns, 1000000000);
    if (read.state.refreshed_ns - read.state.shared_ns < 2000000000)
        ck_assert_int_ge(read.changes.live_bytes, 1 << 20);
    molt_free(more);
    molt_free(kept);
    share(true);
    share(false);
    ck_assert_ptr_null(map_page((unsigned)getpid()));
    read_page(head, &read);
    ck_assert_uint_eq(read.state.ended, 1);
    share(true);
    ck_assert_ptr_nonnull(map_page((unsigned)getpid()));
    share(false);
    remove_place();
}
END_TEST

/* A refresh comes no sooner than a hundredth of a second after the one before, and than a thousand
 * times what that took: some tens of microseconds, for so many arenas. */
START_TEST(test_pace)
{
    static struct molt_page read;
    static void *kept[160];
    for (unsigned i = 0; i < COUNT_OF(kept); i++)
        kept[i] = molt_malloc(1 << 20);
    make_place();
    share(true);
    const struct molt_page_head *head = map_page((unsigned)getpid());
    refresh(head, &read, 2);
    for (unsigned i = unit_is_sanitized() ? 2 : 0; i < 3; i++) {
        struct molt_page before = read;
        refresh(head, &read, before.state.refreshes + 1);
        uint64_t between = read.state.counted_ns - before.state.counted_ns;
        ck_assert_uint_ge(read.stats.arenas, 40);
        ck_assert_uint_ge(between, 10 * 1000000);
        ck_assert_uint_ge(between, before.state.took_ns * 1000);
    }
    for (unsigned i = 0; i < COUNT_OF(kept); i++)
        molt_free(kept[i]);
    share(false);
    remove_place();
}
END_TEST

/* ---- Forking ---- */

static const struct molt_page_head *parents;

static void expect_own_page(void)
{
    static struct molt_page read, read_parents;
    uint64_t sequence = parents->sequence;
    molt_free(molt_malloc(100)); /* a child of _Fork is repaired at its first slow path */
    for (unsigned i = 0; i < 100; i++)
        molt_free(molt_malloc(100000));
    const struct molt_page_head *own = map_page((unsigned)getpid());
    REQUIRE(own != NULL, "the child has no page");
    REQUIRE(own->process == (uint32_t)getpid(), "of another process");
    refresh(own, &read, 2);
    read_page(parents, &read_parents);
    REQUIRE(parents->sequence == sequence, "the child has written to its parent's page");
}

static void wait_for(pid_t child)
{
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

static void in_child(void)
{
    alarm(patience(20));
    expect_own_page();
    exit(0);
}

static volatile pid_t forked;

static void fork_in_handler(int number)
{
    (void)number;
    forked = _Fork();
}

static void remove_own_page(void)
{
    char path[PATH_MAX];
    size_t length = (size_t)snprintf(path, sizeof path, "%s/molt/", place);
    folder_page_name((unsigned)getpid(), path + length);
    unlink(path);
}

static void fork_unnoticed(void)
{
    signal(SIGUSR1, fork_in_handler);
    raise(SIGUSR1);
    if (forked != 0) {
        wait_for(forked);
        return;
    }
    alarm(patience(20));
    expect_own_page();
    remove_own_page();
    _exit(0);
}

/* In the child of a vfork memory is the parent's: refreshes that come there change nothing in the
 * parent's page, which would take the child's number for its own. */
static void refresh_in_vfork(void)
{
    uint64_t sequence = parents->sequence;
    pid_t child = vfork();
    if (child == 0) {
        for (uint64_t until = os_now_ms() + 250; os_now_ms() < until;)
            molt_free(molt_malloc(100));
        _exit(parents->sequence != sequence);
    }
    wait_for(child);
}

START_TEST(test_fork)
{
    make_place();
    share(true);
    parents = map_page((unsigned)getpid());
    pid_t child = fork();
    if (child == 0) {
        pid_t grandchild = fork();
        if (grandchild == 0)
            in_child();
        int status = 1;
        waitpid(grandchild, &status, 0);
        REQUIRE(status == 0, "the grandchild failed");
        in_child();
    }
    wait_for(child);
    ck_assert_ptr_null(map_page((unsigned)child)); /* removed at exit */
    fork_unnoticed();
    refresh_in_vfork();
    ck_assert_ptr_nonnull(map_page((unsigned)getpid()));
    share(false);
    remove_place();
}
END_TEST

/* ---- What goes wrong ---- */

/* So that no other folder takes the page: it is another user's. The number is nobody's. */
enum { STRANGER = 54321 };

static void block_other_folders(void)
{
    static const char *const formats[] = {"/dev/shm/molt-%d", "/tmp/molt-%d"};
    for (size_t i = 0; i < COUNT_OF(formats); i++) {
        char path[64];
        snprintf(path, sizeof path, formats[i], STRANGER);
        ck_assert(mkdir(path, 0755) == 0 || errno == EEXIST);
    }
}

static void unblock_other_folders(void)
{
    char path[64];
    snprintf(path, sizeof path, "/dev/shm/molt-%d", STRANGER);
    rmdir(path);
    snprintf(path, sizeof path, "/tmp/molt-%d", STRANGER);
    rmdir(path);
}

static void share_as_stranger(void *unused)
{
    (void)unused;
    alarm(patience(20));
    if (setuid(STRANGER) != 0)
        _exit(9);
    for (unsigned i = 0; i < 3; i++)
        molt_ctl("share", NULL, NULL, "1", 1);
    molt_ctl("decay", NULL, NULL, "100ms", 5);
    for (uint64_t until = os_now_ms() + 50; os_now_ms() < until;)
        molt_free(molt_malloc(100));
}

static void limit_files_and_share(void *unused)
{
    struct rlimit limit = {1000, 1000};
    setrlimit(RLIMIT_FSIZE, &limit);
    share_as_stranger(unused);
}

static void fail_and_share(void *unused)
{
    os_fail(1, true);
    share_as_stranger(unused);
}

static void expect_warning(void (*function)(void *), const char *words)
{
    char text[1024];
    int status = unit_child(function, NULL, text, sizeof text);
    ck_assert_msg(status == 0, "status %#x: %s", (unsigned)status, text);
    const char *line = strstr(text, "molt: warning: statistics not shared: ");
    ck_assert_msg(line != NULL && strstr(line, words) != NULL, "no '%s': %s", words, text);
    ck_assert_msg(strstr(line + 1, "molt: warning") == NULL, "more than one line: %s", text);
}

START_TEST(test_warnings)
{
    if (geteuid() != 0) {
        printf("skipped: unit profile_share warnings: needs root\n");
        return;
    }
    make_place();
    block_other_folders();
    expect_warning(share_as_stranger, "not permitted");
    unblock_other_folders();
    expect_warning(limit_files_and_share, "larger than allowed");
    expect_warning(fail_and_share, "no memory");
    unblock_other_folders();
    remove_place();
}
END_TEST

/* The first folder is full: the page is in the next one. */
START_TEST(test_full)
{
    make_place();
    bool is_mounted = unshare(CLONE_NEWNS) == 0 &&
                      mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                      mount("none", place, "tmpfs", 0, "size=4k,mode=0700") == 0;
    if (!is_mounted) {
        printf("skipped: unit profile_share full: cannot mount a file system\n");
        remove_place();
        return;
    }
    share(true);
    int folder = open_first();
    ck_assert(!has_page(folder, (unsigned)getpid(), ""));
    ck_assert(!has_page(folder, (unsigned)getpid(), "~"));
    close(folder);
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "/run/user/%u/molt/", geteuid());
    folder_page_name((unsigned)getpid(), path + length);
    if (access(path, F_OK) != 0) {
        length = snprintf(path, sizeof path, "/dev/shm/molt-%u/", geteuid());
        folder_page_name((unsigned)getpid(), path + length);
    }
    ck_assert_int_eq(access(path, F_OK), 0);
    share(false);
    ck_assert_int_ne(access(path, F_OK), 0);
    *strrchr(path, '/') = '\0';
    rmdir(path);
    umount(place);
    remove_place();
}
END_TEST

Suite *suite_profile_share(void)
{
    Suite *suite = suite_create("profile_share");
    TCase *tests = tcase_create("profile_share");
    tcase_set_timeout(tests, patience(60));
    tcase_add_test(tests, test_whole);
    tcase_add_test(tests, test_half_written);
    tcase_add_test(tests, test_head);
    tcase_add_test(tests, test_hostile);
    tcase_add_test(tests, test_versions);
    tcase_add_test(tests, test_steps);
    tcase_add_test(tests, test_folder);
    tcase_add_test(tests, test_sweep);
    tcase_add_test(tests, test_namespace);
    tcase_add_test(tests, test_share);
    tcase_add_test(tests, test_pace);
    tcase_add_test(tests, test_fork);
    tcase_add_test(tests, test_warnings);
    tcase_add_test(tests, test_full);
    suite_add_tcase(suite, tests);
    return suite;
}
