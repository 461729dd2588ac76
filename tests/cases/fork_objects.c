// preload: no
/* Objects in a child that is forked while other threads use objects: weak references come and go by
 * the thousands, strings are interned, rings are made and collected, values change.
 *
 * The child gets what is alive through its weak references and is told of what dies; what it makes
 * itself is found when it is garbage. By fork() and by _Fork(), which runs no atfork handler, also
 * out of a blocking region; some children start a thread at once.
 */
#include "case.h"
#include "molt_object.h"
#include "molt_value.h"

struct node {
    MOLT_OBJECT;
    struct node *next, *other;
    long id;
};

MOLT_TYPE(node_type, struct node, MOLT_REFS(struct node, next, other));
MOLT_TYPE(leaf_type, struct node, .flags = MOLT_LEAF);

enum { MINE = 2000, THEIRS = 30000 };

static struct node *mine[MINE];
static molt_weak *to_mine[MINE];
static bool stop;

static bool stopping(void)
{
    return __atomic_load_n(&stop, __ATOMIC_RELAXED);
}

static void make_ring(void)
{
    struct node *one = molt_new(&node_type), *two = molt_new(&node_type);
    REQUIRE(one && two);
    molt_set(&one->next, two);
    molt_set(&two->next, one);
    molt_release(one);
    molt_release(two);
}

/* The table grows again and again: what it had becomes less first. */
static void *make_weak(void *argument)
{
    static struct node *nodes[THEIRS];
    static molt_weak *weak[THEIRS];
    for (int i = 0; i < THEIRS; i++)
        nodes[i] = molt_new(&leaf_type);
    for (int round = 0; !stopping(); round++) {
        int count = round % 2 == 0 ? THEIRS : THEIRS / 50;
        for (int i = 0; i < count && !stopping(); i++)
            weak[i] = molt_weak_new(nodes[i], NULL, NULL);
        for (int i = 0; i < count; i++) {
            molt_weak_free(weak[i]);
            weak[i] = NULL;
        }
        molt_gc_safepoint();
    }
    return argument;
}

static void *make_rings(void *argument)
{
    while (!stopping()) {
        make_ring();
        molt_gc_safepoint();
    }
    return argument;
}

static void *change_values(void *argument)
{
    for (long n = 0; !stopping(); n++) {
        char text[40];
        snprintf(text, sizeof text, "text %ld", n % 5000);
        molt_str *string = molt_str_from(text), *interned = molt_str_intern(string);
        molt_list *list = molt_list_new();
        molt_dict *dict = molt_dict_new();
        for (int i = 0; i < 20; i++) {
            molt_list_insert(list, 0, dict);
            molt_dict_set(dict, interned, list);
        }
        while (molt_list_length(list) > 2)
            molt_release(molt_list_pop(list, 1));
        molt_release(list);
        molt_release(dict);
        molt_release(interned);
        molt_release(string);
        molt_gc_safepoint();
    }
    return argument;
}

static void *collect_in_thread(void *argument)
{
    make_ring();
    return molt_gc_collect(2) >= 0 ? argument : NULL;
}

static _Noreturn void child(int number, bool was_blocked)
{
    signal(SIGALRM, SIG_DFL);
    alarm(patience(10));
    if (number % 8 < 2) {
        if (!was_blocked)
            molt_gc_blocking_begin();
        CHECK(in_thread(collect_in_thread, mine) == mine);
        if (!was_blocked)
            molt_gc_blocking_end();
    }
    if (was_blocked)
        molt_gc_blocking_end();
    make_ring();
    CHECK(molt_gc_collect(2) >= 2);
    molt_str *one = molt_str_from("text 1"), *interned = molt_str_intern(one);
    CHECK(interned && strcmp(molt_str_bytes(interned), "text 1") == 0);
    for (int i = 0; i < MINE; i++) {
        struct node *got = molt_weak_get(to_mine[i]);
        CHECK(got == mine[i] && molt_is_object(got) && got->id == i);
        molt_release(got);
        molt_release(mine[i]);
        CHECK(molt_weak_get(to_mine[i]) == NULL);
    }
    make_ring();
    CHECK(molt_gc_collect(0) >= 2);
    _exit(case_failures > 0);
}

int main(void)
{
    case_watchdog(70);
    for (int i = 0; i < MINE; i++) {
        mine[i] = molt_new(i % 2 == 0 ? &node_type : &leaf_type);
        mine[i]->id = i;
        to_mine[i] = molt_weak_new(mine[i], NULL, NULL);
    }
    pthread_t threads[] = {thread_start(make_weak, NULL), thread_start(make_rings, NULL),
                           thread_start(change_values, NULL)};
    int forks = 0;
    double longest = 0;
    for (double end = now_seconds() + 5; now_seconds() < end && case_failures == 0; forks++) {
        bool blocks = forks % 4 < 2;
        molt_gc_safepoint();
        if (blocks)
            molt_gc_blocking_begin();
        pid_t pid = forks % 2 == 0 ? fork() : _Fork();
        REQUIRE(pid >= 0);
        if (pid == 0)
            child(forks, blocks);
        if (!blocks)
            molt_gc_blocking_begin();
        double start = now_seconds();
        int status;
        REQUIRE(waitpid(pid, &status, 0) == pid);
        longest = now_seconds() - start > longest ? now_seconds() - start : longest;
        molt_gc_blocking_end();
        CHECK_MSG(status == 0, "child %d, by %s, ended with status 0x%x", forks,
                  forks % 2 == 0 ? "fork" : "_Fork", (unsigned)status);
    }
    case_say("%d children, the longest took %.2f s", forks, longest);
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    molt_gc_blocking_begin();
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++)
        thread_join(threads[i]);
    molt_gc_blocking_end();
    return case_end();
}
