/* System calls may be refused: after start only mmap and munmap are taken for granted.
 *
 * Sandboxes refuse mremap and madvise with EPERM and kill for getrandom. Every refusal is soft:
 * the block is moved by copying, pages stay, calloc clears what could not be purged, free keeps
 * errno. The same for a process that starts that way, or where madvise succeeds without effect
 * (qemu-user). Each filter runs in a child of its own, raw BPF by prctl.
 */
#include "case.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
#define THIS_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#define THIS_ARCHITECTURE 0
#endif

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, (value))
#define ON_CALL(number, value) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1), RETURN(value)
#define REFUSED (SECCOMP_RET_ERRNO | EPERM)

/* Ends the process for another architecture's calls, whose numbers would mean something else. */
#define FILTER_HEAD                                                           \
    LOAD(arch), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCHITECTURE, 1, 0), \
        RETURN(SECCOMP_RET_KILL_PROCESS), LOAD(nr),                           \
        ON_CALL(__NR_getrandom, SECCOMP_RET_KILL_PROCESS)

#define INSTALL(filter) install(filter, sizeof(filter) / sizeof *(filter))

static void install(struct sock_filter *filter, size_t length)
{
    struct sock_fprog program = {(unsigned short)length, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
        _exit(77);
}

static void check_block(size_t size)
{
    unsigned char *block = malloc(size);
    REQUIRE(block);
    fill_bytes(block, size, 0xee);
    block = realloc(block, size * 3);
    REQUIRE(block);
    CHECK(has_bytes(block, size, 0xee));
    fill_bytes(block, size * 3, 0xee);
    block = realloc(block, size * 2);
    REQUIRE(block);
    CHECK(has_bytes(block, size * 2, 0xee));
    errno = 1234;
    free(block);
    CHECK_MSG(errno == 1234, "free of %zu set errno to %d", size * 2, errno);
    for (size_t bytes = size; bytes <= size * 3; bytes += size) {
        unsigned char *zeroed = calloc(1, bytes);
        REQUIRE(zeroed);
        CHECK_MSG(is_zero(zeroed, bytes), "calloc of %zu is not zero", bytes);
        fill_bytes(zeroed, bytes, 0xee);
        free(zeroed);
    }
}

static void use_heap(void)
{
    for (int round = 0; round < 2; round++) {
        for (size_t size = 8; size <= 8 * MIB; size *= 4)
            check_block(size);
        errno = 1234;
        malloc_trim(0);
        CHECK_MSG(errno == 1234, "malloc_trim set errno to %d", errno);
    }
}

static void *use_heap_thread(void *argument)
{
    use_heap();
    return argument;
}

static void without_mremap_and_madvise(void)
{
    struct sock_filter filter[] = {
        FILTER_HEAD,
        ON_CALL(__NR_mremap, REFUSED),
        ON_CALL(__NR_madvise, REFUSED),
        RETURN(SECCOMP_RET_ALLOW),
    };
    INSTALL(filter);
    use_heap();
    in_thread(use_heap_thread, NULL);
    use_heap();
}

static void with_mmap_and_munmap_alone(void)
{
    struct sock_filter filter[] = {
        FILTER_HEAD,
        ON_CALL(__NR_mremap, REFUSED),
        ON_CALL(__NR_madvise, REFUSED),
        ON_CALL(__NR_mprotect, REFUSED),
        ON_CALL(__NR_futex, REFUSED),
        ON_CALL(__NR_membarrier, REFUSED),
        ON_CALL(__NR_prctl, REFUSED),
        ON_CALL(__NR_openat, REFUSED),
        RETURN(SECCOMP_RET_ALLOW),
    };
    INSTALL(filter);
    use_heap();
}

/* Nothing can be given back: free must still succeed, and keep errno. */
static void without_munmap(void)
{
    struct sock_filter filter[] = {
        FILTER_HEAD,
        ON_CALL(__NR_munmap, REFUSED),
        ON_CALL(__NR_madvise, REFUSED),
        RETURN(SECCOMP_RET_ALLOW),
    };
    INSTALL(filter);
    use_heap();
}

static void with_old_kernel(void)
{
    struct sock_filter filter[] = {
        FILTER_HEAD,
        ON_CALL(__NR_mremap, SECCOMP_RET_ERRNO | ENOSYS),
        ON_CALL(__NR_madvise, SECCOMP_RET_ERRNO | EINVAL),
        ON_CALL(__NR_membarrier, SECCOMP_RET_ERRNO | ENOSYS),
        RETURN(SECCOMP_RET_ALLOW),
    };
    INSTALL(filter);
    use_heap();
}

/* A process that starts under the filter, as in a container or in qemu-user. */
static void start_again(void)
{
    char name[] = "seccomp";
    char *arguments[] = {name, NULL};
    setenv("CASE_SECCOMP_CHILD", "1", 1);
    execv("/proc/self/exe", arguments);
    _exit(5);
}

/* qemu-user says yes to MADV_DONTNEED and does nothing: purged pages are not zero. */
static void started_where_madvise_does_nothing(void)
{
    struct sock_filter filter[] = {
        LOAD(nr),
        ON_CALL(__NR_madvise, SECCOMP_RET_ERRNO | 0),
        RETURN(SECCOMP_RET_ALLOW),
    };
    INSTALL(filter);
    start_again();
}

static void started_without_most_calls(void)
{
    struct sock_filter filter[] = {
        LOAD(nr),
        ON_CALL(__NR_getrandom, REFUSED),
        ON_CALL(__NR_mremap, REFUSED),
        ON_CALL(__NR_madvise, REFUSED),
        ON_CALL(__NR_membarrier, REFUSED),
        RETURN(SECCOMP_RET_ALLOW),
    };
    INSTALL(filter);
    start_again();
}

static void install_nothing(void)
{
    struct sock_filter filter[] = {RETURN(SECCOMP_RET_ALLOW)};
    INSTALL(filter);
}

int main(void)
{
    case_watchdog(60);
    if (getenv("CASE_SECCOMP_CHILD")) {
        use_heap();
        in_thread(use_heap_thread, NULL);
        return case_end();
    }
    struct child_end end;
    run_child(install_nothing, &end);
    if (THIS_ARCHITECTURE == 0 || !ended_well(&end))
        CASE_SKIP("no seccomp filters here");
    use_heap();
    expect_success(without_mremap_and_madvise);
    expect_success(with_mmap_and_munmap_alone);
    expect_success(without_munmap);
    expect_success(with_old_kernel);
    expect_success(started_where_madvise_does_nothing);
    expect_success(started_without_most_calls);
    return case_end();
}
