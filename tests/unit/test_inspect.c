/* test_inspect.c: what the tools say of objects: census, paths, graphs and audits, to the letter.
 */
#include "suites.h"
#include "unit.h"

#include "molt_object.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Types ---- */

struct leaf {
    MOLT_OBJECT;
    size_t words[3];
};

struct node {
    MOLT_OBJECT;
    struct node *next, *parent;
    void *other;
};

struct array {
    MOLT_OBJECT;
    void **items;
    uint32_t count;
};

struct told {
    MOLT_OBJECT;
    void *first, *second;
};

static int traverse_first(void *object, molt_visit *visit, void *arg)
{
    void *first = ((struct told *)object)->first;
    return first != NULL ? visit(first, arg) : 0;
}

static void clear_first(void *object)
{
    molt_clear(&((struct told *)object)->first);
}

MOLT_TYPE(leaf_type, struct leaf, .flags = MOLT_LEAF);
MOLT_TYPE(node_type, struct node, MOLT_REFS(struct node, next, other));
MOLT_TYPE(array_type, struct array, MOLT_REF_ARRAY(struct array, items, count));
MOLT_TYPE(told_type, struct told, .traverse = traverse_first, .clear = clear_first);
MOLT_TYPE(acyclic_type, struct node, MOLT_REFS(struct node, next), .flags = MOLT_ACYCLIC);
struct bare {
    MOLT_OBJECT;
};

MOLT_TYPE(table_type, struct bare, .flags = MOLT_TRAILING_REFS);
MOLT_TYPE(leaf_table_type, struct leaf, .flags = MOLT_TRAILING_REFS);
MOLT_TYPE(bytes_type, struct bare, .flags = MOLT_LEAF);

#define LARGE ((size_t)1 << 20)

/* ---- What the tools write ---- */

static char said[1 << 20];

typedef int tool(void *object, int fd);

/* Runs the tool; its result. The text is in `said`. */
static int run(tool *function, void *object)
{
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    int result = function(object, fileno(file));
    ssize_t length = pread(fileno(file), said, sizeof said - 1, 0);
    ck_assert_int_ge(length, 0);
    said[length] = '\0';
    fclose(file);
    return result;
}

static int report(void *object, int fd)
{
    (void)object;
    return molt_gc_report(fd);
}

static int audit(void *object, int fd)
{
    (void)object;
    return molt_gc_audit(fd);
}

static unsigned graph_depth;

static int graph(void *object, int fd)
{
    return molt_gc_graph(object, graph_depth, fd);
}

/* The tool's result and text. */
__attribute__((format(printf, 4, 5))) static void expect(tool *function, void *object, int result,
                                                         const char *format, ...)
{
    static char expected[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(expected, sizeof expected, format, arguments);
    va_end(arguments);
    int got = run(function, object);
    if (got != result || strcmp(said, expected) != 0)
        ck_abort_msg("result %d, not %d:\n%s\nexpected:\n%s", got, result, said, expected);
}

static void expect_errors(tool *function, void *object)
{
    errno = 0;
    ck_assert_int_eq(function(object, -1), -1);
    ck_assert_int_eq(errno, EBADF);
    int full = open("/dev/full", O_WRONLY);
    ck_assert_int_eq(function(object, full), -1);
    ck_assert_int_eq(errno, ENOSPC);
    close(full);
    os_fail(1, true);
    errno = 0;
    int result = run(function, object);
    os_fail(0, false);
    ck_assert_int_eq(result, -1);
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_str_eq(said, "");
}

/* ---- Report ---- */

START_TEST(test_report)
{
    expect(report, NULL, 0,
           "bytes  objects  tracked  untracked  large  immortal  type\n"
           "    0        0        0          0      0         0  total\n");
    void *leaf[3], *node[2];
    for (unsigned i = 0; i < 3; i++)
        leaf[i] = molt_new(&leaf_type);
    for (unsigned i = 0; i < 2; i++)
        node[i] = molt_new(&node_type);
    void *table = molt_new_extra(&table_type, LARGE - 8);
    molt_gc_untrack(node[0]);
    molt_immortalize(leaf[0]);
    molt_release(molt_new(&told_type));
    expect(report, NULL, 0,
           "  bytes  objects  tracked  untracked  large  immortal  type\n"
           "1048576        1        1          0      1         0  struct bare\n"
           "     96        3        0          3      0         1  struct leaf\n"
           "     64        2        1          1      0         0  struct node\n"
           "1048736        6        2          4      1         1  total\n");
    molt_release(table);
    molt_release(leaf[1]);
    molt_release(leaf[2]);
    molt_release(node[0]);
    expect(report, NULL, 0,
           "bytes  objects  tracked  untracked  large  immortal  type\n"
           "   32        1        0          1      0         1  struct leaf\n"
           "   32        1        1          0      0         0  struct node\n"
           "   64        2        1          1      0         1  total\n");
}
END_TEST

static void report_dying(void *object)
{
    (void)object;
    ck_assert_int_eq(run(report, NULL), 0);
}

MOLT_TYPE(dying_type, struct leaf, .flags = MOLT_LEAF, .dispose = report_dying);

START_TEST(test_report_leaves_out_who_dies)
{
    molt_release(molt_new(&dying_type));
    ck_assert_str_eq(said, "bytes  objects  tracked  untracked  large  immortal  type\n"
                           "    0        0        0          0      0         0  total\n");
}
END_TEST

static void *make_many(void *argument)
{
    for (unsigned i = 0; i < 5000; i++)
        REQUIRE(molt_new(argument) != NULL, "%u", i);
    return NULL;
}

START_TEST(test_report_of_all_threads)
{
    molt_gc_disable(); /* who waits for a thread's end is at no safepoint */
    for (unsigned i = 0; i < 3; i++) {
        unit_in_thread(make_many, &leaf_type);
        unit_in_thread(make_many, &node_type);
        make_many(&leaf_type);
    }
    expect(report, NULL, 0,
           "  bytes  objects  tracked  untracked  large  immortal  type\n"
           " 960000    30000        0      30000      0         0  struct leaf\n"
           " 480000    15000    15000          0      0         0  struct node\n"
           "1440000    45000    15000      30000      0         0  total\n");
}
END_TEST

START_TEST(test_report_errors)
{
    ck_assert_ptr_nonnull(molt_new(&node_type));
    expect_errors(report, NULL);
}
END_TEST

static void leave_and_exit(void *argument)
{
    ck_assert_int_eq(molt_ctl("objects", NULL, NULL, argument, strlen(argument)), 0);
    ck_assert_ptr_nonnull(molt_new(&leaf_type));
    struct node *circle = molt_new(&node_type);
    molt_set(&circle->next, circle);
    molt_release(circle);
    exit(0);
}

START_TEST(test_report_at_exit)
{
    char text[4096];
    ck_assert_int_eq(unit_child(leave_and_exit, (char[]){"1"}, text, sizeof text), 0);
    ck_assert_str_eq(text, "bytes  objects  tracked  untracked  large  immortal  type\n"
                           "   32        1        0          1      0         0  struct leaf\n"
                           "   32        1        0          1      0         0  total\n");
    ck_assert_int_eq(unit_child(leave_and_exit, (char[]){"0"}, text, sizeof text), 0);
    ck_assert_str_eq(text, "");
}
END_TEST

static void leave_another_file_there(void *file)
{
    ck_assert_int_eq(dup2(fileno(file), STDERR_FILENO), STDERR_FILENO);
    leave_and_exit((char[]){"1"});
}

/* Descriptor 2 is another file by then, which nobody has meant for this. */
START_TEST(test_no_report_in_another_file)
{
    char text[4096];
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(unit_child(leave_another_file_there, file, text, sizeof text), 0);
    ck_assert_str_eq(text, "");
    ck_assert_int_eq(lseek(fileno(file), 0, SEEK_END), 0);
    fclose(file);
}
END_TEST

/* ---- Why ---- */

/* root +8 -> array [3] -> told traverse -> table +16 -> leaf */
struct chain {
    struct node *root;
    struct array *array;
    struct told *told;
    void **table;
    void *leaf, **items;
};

static void make_chain(struct chain *chain)
{
    static void *items[4];
    chain->root = molt_new(&node_type);
    chain->array = molt_new(&array_type);
    chain->told = molt_new(&told_type);
    chain->table = molt_new_extra(&table_type, LARGE);
    chain->leaf = molt_new(&leaf_type);
    chain->items = items;
    chain->root->next = (void *)chain->array;
    chain->array->items = chain->items;
    chain->array->count = 4;
    chain->items[3] = chain->told;
    chain->told->first = chain->table;
    chain->table[2] = chain->leaf;
}

START_TEST(test_why_path)
{
    struct chain c;
    make_chain(&c);
    expect(molt_gc_why, c.leaf, 0,
           "%p struct node: 1 reference from outside\n"
           "  +8 -> %p struct array\n"
           "  [3] -> %p struct told\n"
           "  traverse -> %p struct bare\n"
           "  +16 -> %p struct leaf\n",
           (void *)c.root, (void *)c.array, (void *)c.told, (void *)c.table, c.leaf);
    expect(molt_gc_why, c.root, 0, "%p struct node: 1 reference from outside\n", (void *)c.root);
    /* The object itself is held, too, and the large one is nearer. */
    molt_retain(c.leaf);
    molt_retain(c.table);
    molt_retain(c.table);
    expect(molt_gc_why, c.leaf, 0,
           "%p struct leaf: 1 reference from outside\n"
           "%p struct bare: 2 references from outside\n"
           "  +16 -> %p struct leaf\n",
           c.leaf, (void *)c.table, c.leaf);
}
END_TEST

START_TEST(test_large_untracked)
{
    struct node *root = molt_new(&node_type);
    void **bytes = molt_new_extra(&bytes_type, LARGE - 8);
    root->other = bytes;
    bytes[100] = root;
    expect(molt_gc_why, bytes, 0,
           "%p struct node: 1 reference from outside\n  +24 -> %p struct bare\n", (void *)root,
           (void *)bytes);
    expect(audit, NULL, 1,
           "struct bare extra words: undeclared reference to struct node (1 object, e.g. %p)\n",
           (void *)bytes);
    expect(report, NULL, 0,
           "  bytes  objects  tracked  untracked  large  immortal  type\n"
           "1048576        1        0          1      1         0  struct bare\n"
           "     32        1        1          0      0         0  struct node\n"
           "1048608        2        1          1      1         0  total\n");
}
END_TEST

START_TEST(test_why_immortal_and_acyclic)
{
    struct node *root = molt_new(&acyclic_type);
    root->next = molt_new(&node_type);
    root->next->next = molt_new(&node_type);
    molt_immortalize(root);
    molt_gc_untrack(root->next->next);
    expect(molt_gc_why, root->next->next, 0,
           "%p struct node: immortal\n  +8 -> %p struct node\n  +8 -> %p struct node\n",
           (void *)root, (void *)root->next, (void *)root->next->next);
    expect(molt_gc_why, root, 0, "%p struct node: immortal\n", (void *)root);
    struct node *other = molt_new(&node_type);
    other->next = root;
    expect(molt_gc_why, root, 0,
           "%p struct node: immortal\n"
           "%p struct node: 1 reference from outside\n  +8 -> %p struct node\n",
           (void *)root, (void *)other, (void *)root);
}
END_TEST

START_TEST(test_why_circle)
{
    struct node *a = molt_new(&node_type), *b = molt_new(&node_type);
    a->next = b;
    b->next = molt_retain(a);
    expect(molt_gc_why, b, 0, "%p struct node: 1 reference from outside\n  +8 -> %p struct node\n",
           (void *)a, (void *)b);
    molt_release(a);
    expect(molt_gc_why, b, 0, "%p struct node: only unreachable objects refer to it\n", (void *)b);
    ck_assert_int_eq(molt_gc_collect(2), 2);
}
END_TEST

START_TEST(test_why_the_shortest)
{
    struct node *root = molt_new(&node_type), *target = molt_new(&node_type);
    root->next = molt_new(&node_type);
    root->next->next = target;
    struct node *way = root->other = molt_new(&node_type);
    way->other = molt_retain(root);
    for (unsigned i = 0; i < 3; i++)
        way = way->next = molt_new(&node_type);
    way->next = molt_retain(target);
    expect(molt_gc_why, target, 0,
           "%p struct node: 1 reference from outside\n"
           "  +8 -> %p struct node\n  +8 -> %p struct node\n",
           (void *)root, (void *)root->next, (void *)target);
    root->next->next = NULL;
    molt_release(target);
    ck_assert_int_eq(run(molt_gc_why, target), 0);
    unsigned lines = 0;
    for (const char *at = said; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    ck_assert_uint_eq(lines, 6);
}
END_TEST

/* Neither recursion in a long way, nor the whole of it when there is a short one. */
START_TEST(test_why_long)
{
    enum { LENGTH = 20000 };
    struct node *root = molt_new(&node_type), *last = root;
    for (unsigned i = 0; i < LENGTH; i++)
        last = last->next = molt_new(&node_type);
    ck_assert_int_eq(run(molt_gc_why, last), 0);
    unsigned lines = 0;
    for (const char *at = said; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    ck_assert_uint_eq(lines, LENGTH + 1);
    root->other = molt_retain(last);
    expect(molt_gc_why, last, 0,
           "%p struct node: 1 reference from outside\n  +24 -> %p struct node\n", (void *)root,
           (void *)last);
}
END_TEST

static void *retain_it(void *object)
{
    return molt_retain(object);
}

START_TEST(test_why_counts_other_threads)
{
    struct node *root = molt_new(&node_type);
    root->next = molt_new(&node_type);
    unit_in_thread(retain_it, root->next);
    unit_in_thread(retain_it, root->next);
    expect(molt_gc_why, root->next, 0,
           "%p struct node: 2 references from outside\n"
           "%p struct node: 1 reference from outside\n  +8 -> %p struct node\n",
           (void *)root->next, (void *)root, (void *)root->next);
}
END_TEST

static void ask_why_of_dead(void *object)
{
    molt_release(object);
    molt_gc_why(object, STDERR_FILENO);
}

START_TEST(test_why_errors)
{
    struct node *root = molt_new(&node_type);
    root->next = molt_new(&node_type);
    expect_errors(molt_gc_why, root->next);
    ck_assert_int_eq(molt_gc_why(NULL, STDERR_FILENO), -1);
    ck_assert_int_eq(errno, EINVAL);
    unit_expect_abort(ask_why_of_dead, root, "molt_gc_why of 0x");
}
END_TEST

/* ---- Where the tools are called from ---- */

static int asked, visited;

static int ask_all(void *object, void *arg)
{
    (void)arg;
    graph_depth = 3;
    visited++;
    asked += run(report, NULL) == 0 && run(molt_gc_why, object) == 0 && run(graph, object) == 0 &&
             run(audit, NULL) == 0 && molt_gc_referrers(object, NULL, NULL) <= 1;
    return 0;
}

static void ask_in_finalizer(void *object)
{
    ask_all(object, NULL);
    molt_gc_objects(-1, ask_all, NULL);
}

MOLT_TYPE(asking_type, struct node, MOLT_REFS(struct node, next), .finalize = ask_in_finalizer);

START_TEST(test_inside_callbacks)
{
    struct node *a = molt_new(&asking_type), *b = molt_new(&node_type);
    a->next = b;
    b->next = molt_retain(a);
    ck_assert_uint_eq(molt_gc_objects(-1, ask_all, NULL), 2);
    ck_assert_int_eq(asked, 2);
    molt_release(a);
    asked = 0;
    ck_assert_int_eq(molt_gc_collect(2), 2);
    ck_assert_int_eq(asked, 3);
    struct node *c = molt_new(&asking_type);
    asked = 0;
    molt_release(c);
    ck_assert_int_eq(asked, 2);
}
END_TEST

static int ask_in_traverse(void *object, molt_visit *visit, void *arg)
{
    if (asked == 0)
        return traverse_first(object, visit, arg);
    asked = 0;
    ck_assert_int_eq(molt_gc_why(object, STDERR_FILENO), -1);
    ck_assert_int_eq(errno, EBUSY);
    ck_assert_int_eq(molt_gc_report(STDERR_FILENO), -1);
    ck_assert_int_eq(errno, EBUSY);
    ck_assert_uint_eq(molt_gc_objects(-1, ask_all, NULL), 0);
    return 0;
}

MOLT_TYPE(curious_type, struct told, .traverse = ask_in_traverse, .clear = clear_first);

START_TEST(test_where_objects_must_not_be_used)
{
    struct told *told = molt_new(&curious_type);
    molt_gc_blocking_begin();
    ck_assert_int_eq(molt_gc_audit(STDERR_FILENO), -1);
    ck_assert_int_eq(errno, EBUSY);
    ck_assert_int_eq(molt_gc_graph(told, 1, STDERR_FILENO), -1);
    ck_assert_int_eq(errno, EBUSY);
    molt_gc_blocking_end();
    asked = 1;
    expect(audit, NULL, 0, "%s", "");
    ck_assert_int_eq(asked, 0);
}
END_TEST

static atomic_int phase;

static void *run_without_safepoint(void *object)
{
    molt_retain(object);
    atomic_store(&phase, 1);
    while (atomic_load(&phase) != 2)
        ;
    molt_release(object);
    return NULL;
}

START_TEST(test_a_thread_that_does_not_stop)
{
    pthread_t thread;
    struct node *node = molt_new(&node_type);
    ck_assert_int_eq(pthread_create(&thread, NULL, run_without_safepoint, node), 0);
    while (atomic_load(&phase) != 1)
        ;
    errno = 0;
    ck_assert_int_eq(run(molt_gc_why, node), -1);
    ck_assert_int_eq(errno, EBUSY);
    ck_assert_str_eq(said, "");
    ck_assert_int_eq(run(report, NULL), 0);
    const char *table = "bytes  objects  tracked  untracked  large  immortal  type\n"
                        "   32        1        1          0      0         0  struct node\n"
                        "   32        1        1          0      0         0  total\n"
                        "thread ";
    ck_assert_msg(strncmp(said, table, strlen(table)) == 0, "%s", said);
    ck_assert_msg(strstr(said, ") has come to no safepoint for ") != NULL, "%s", said);
    ck_assert_msg(strstr(said, " s\n") != NULL, "%s", said);
    atomic_store(&phase, 2);
    pthread_join(thread, NULL);
    expect(audit, NULL, 0, "%s", "");
}
END_TEST

static void *make_large(void *to)
{
    *(void **)to = molt_new_extra(&table_type, LARGE);
    return NULL;
}

static int retain_visited(void *object, void *arg)
{
    (void)arg;
    molt_retain(object);
    return !molt_is_object(object);
}

/* Counting an other thread's large object looks for it in the list that is being visited. */
START_TEST(test_a_visitor_retains_large)
{
    void *large;
    molt_release(molt_new(&node_type)); /* else the other thread's heap would be taken over */
    unit_in_thread(make_large, &large);
    ck_assert_uint_eq(molt_gc_objects(-1, retain_visited, NULL), 1);
    ck_assert_uint_eq(molt_refcount(large), 2);
}
END_TEST

static void *make_large_and_node(void *to)
{
    ((void **)to)[0] = molt_new_extra(&table_type, LARGE);
    ((void **)to)[1] = molt_new(&node_type);
    return NULL;
}

/* The first count that a thread has in another's object makes a word for it, and frees those that
 * are done with. */
START_TEST(test_a_visitor_retains_what_nobody_shared)
{
    void *made[2];
    molt_release(molt_new(&node_type));
    unit_in_thread(make_large_and_node, made);
    molt_retain(made[0]);
    molt_release(made[0]);
    molt_release(made[0]);
    ck_assert(!molt_is_object(made[0]));
    ck_assert_uint_eq(molt_gc_objects(-1, retain_visited, NULL), 1);
    ck_assert_uint_eq(molt_refcount(made[1]), 2);
}
END_TEST

/* ---- Graph ---- */

START_TEST(test_graph)
{
    static const char head[] = "digraph molt {\n  node [shape=box];\n";
    struct node *a = molt_new(&node_type), *b = molt_new(&node_type);
    struct leaf *leaf = molt_new(&leaf_type);
    void *p = a, *q = b, *r = leaf;
    a->next = b;
    a->other = leaf;
    b->next = molt_retain(a);
    b->other = molt_retain(leaf);
    molt_immortalize(leaf);
    graph_depth = 0;
    expect(graph, a, 0, "%s  \"%p\" [label=\"struct node\\n%p\\ncount 2\"];\n}\n", head, p, p);
    graph_depth = 1;
    expect(graph, a, 0,
           "%s  \"%p\" [label=\"struct node\\n%p\\ncount 2\"];\n"
           "  \"%p\" -> \"%p\" [label=\"+8\"];\n"
           "  \"%p\" -> \"%p\" [label=\"+24\"];\n"
           "  \"%p\" [label=\"struct node\\n%p\\ncount 1\"];\n"
           "  \"%p\" [label=\"struct leaf\\n%p\\nimmortal\"];\n}\n",
           head, p, p, p, q, p, r, q, q, r, r);
    graph_depth = UINT32_MAX;
    expect(graph, a, 0,
           "%s  \"%p\" [label=\"struct node\\n%p\\ncount 2\"];\n"
           "  \"%p\" -> \"%p\" [label=\"+8\"];\n"
           "  \"%p\" -> \"%p\" [label=\"+24\"];\n"
           "  \"%p\" [label=\"struct node\\n%p\\ncount 1\"];\n"
           "  \"%p\" -> \"%p\" [label=\"+8\"];\n"
           "  \"%p\" -> \"%p\" [label=\"+24\"];\n"
           "  \"%p\" [label=\"struct leaf\\n%p\\nimmortal\"];\n}\n",
           head, p, p, p, q, p, r, q, q, q, p, q, r, r, r);
    expect_errors(graph, a);
    ck_assert_int_eq(molt_gc_graph(NULL, 1, STDERR_FILENO), -1);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

static molt_type odd_type = {.name = "a \"b\\c\"", .size = sizeof(struct leaf)};

START_TEST(test_graph_of_all_kinds)
{
    struct chain c;
    make_chain(&c);
    void *odd = molt_new(&odd_type), *wild = (void *)0x1238;
    c.items[0] = wild;
    c.items[2] = odd;
    graph_depth = 2;
    expect(graph, c.array, 0,
           "digraph molt {\n  node [shape=box];\n"
           "  \"%p\" [label=\"struct array\\n%p\\ncount 1\"];\n"
           "  \"%p\" -> \"%p\" [label=\"[0]\", style=dashed];\n"
           "  \"%p\" -> \"%p\" [label=\"[2]\"];\n"
           "  \"%p\" -> \"%p\" [label=\"[3]\"];\n"
           "  \"%p\" [label=\"a \\\"b\\\\c\\\"\\n%p\\ncount 1\"];\n"
           "  \"%p\" [label=\"struct told\\n%p\\ncount 1\"];\n"
           "  \"%p\" -> \"%p\" [label=\"traverse\"];\n"
           "  \"%p\" [label=\"struct bare\\n%p\\ncount 1\"];\n}\n",
           (void *)c.array, (void *)c.array, (void *)c.array, wild, (void *)c.array, odd,
           (void *)c.array, (void *)c.told, odd, odd, (void *)c.told, (void *)c.told,
           (void *)c.told, (void *)c.table, (void *)c.table, (void *)c.table);
    c.items[0] = NULL;
}
END_TEST

/* ---- Audit ---- */

START_TEST(test_audit_finds_nothing)
{
    struct chain c;
    expect(audit, NULL, 0, "%s", "");
    make_chain(&c);
    expect(audit, NULL, 0, "%s", "");
    /* What was there does not count. */
    molt_release(c.root);
    expect(audit, NULL, 0, "%s", "");
}
END_TEST

START_TEST(test_audit_undeclared)
{
    struct node *nodes[4];
    struct leaf *leaf = molt_new(&leaf_type);
    for (unsigned i = 0; i < 4; i++)
        nodes[i] = molt_new(&node_type);
    for (unsigned i = 1; i < 4; i++)
        nodes[i]->parent = nodes[0];
    leaf->words[0] = (uintptr_t)nodes[1];
    leaf->words[1] = (uintptr_t)nodes[1] + 8; /* nothing starts there */
    leaf->words[2] = (uintptr_t)leaf;
    struct leaf *another = molt_new(&leaf_type);
    another->words[0] = (uintptr_t)leaf;
    const struct node *first = nodes[1];
    for (unsigned i = 2; i < 4; i++)
        first = nodes[i] < first ? nodes[i] : first;
    expect(audit, NULL, 4,
           "struct leaf +8: undeclared reference to struct leaf (1 object, e.g. %p)\n"
           "struct leaf +8: undeclared reference to struct node (1 object, e.g. %p)\n"
           "struct leaf +24: undeclared reference to struct leaf (1 object, e.g. %p)\n"
           "struct node +16: undeclared reference to struct node (3 objects, e.g. %p)\n",
           (void *)another, (void *)leaf, (void *)leaf, (const void *)first);
    expect_errors(audit, NULL);
}
END_TEST

START_TEST(test_audit_traverse_and_extra)
{
    struct told *told = molt_new(&told_type);
    void **extra = molt_new_extra(&bytes_type, 4 * 8), **table = molt_new_extra(&table_type, LARGE);
    void *leaf = molt_new(&leaf_type), *node = molt_new(&node_type);
    told->first = leaf;
    told->second = leaf; /* the value is told: that is all that can be known */
    extra[2] = extra[4] = leaf;
    table[LARGE / 8] = node;
    table[5] = (void *)0x77;
    expect(audit, NULL, 2,
           "struct bare extra words: undeclared reference to struct leaf (1 object, e.g. %p)\n"
           "struct bare extra words: wrong reference to no known memory (1 object, e.g. %p has "
           "0x77)\n",
           (void *)extra, (void *)table);
    extra[2] = extra[4] = table[5] = NULL;
    told->second = node;
    expect(audit, NULL, 1,
           "struct told +16: undeclared reference to struct node (1 object, e.g. %p)\n",
           (void *)told);
    told->second = NULL;
    struct leaf *before = molt_new_extra(&leaf_table_type, 16);
    before->words[2] = (uintptr_t)node;
    ((void **)before)[5] = molt_retain(node);
    expect(audit, NULL, 1,
           "struct leaf +24: undeclared reference to struct node (1 object, e.g. %p)\n",
           (void *)before);
    before->words[2] = 0;
    told->first = (void *)0x18;
    expect(audit, NULL, 1,
           "struct told traverse: wrong reference to no known memory (1 object, e.g. %p has "
           "0x18)\n",
           (void *)told);
    told->first = NULL;
}
END_TEST

static void expect_wrong(struct node *node, const void *value, const char *words)
{
    node->other = (void *)(uintptr_t)value;
    expect(audit, NULL, 1, "struct node +24: wrong reference %s (1 object, e.g. %p has %p)\n",
           words, (void *)node, value);
}

START_TEST(test_audit_wrong)
{
    struct node *node = molt_new(&node_type), *dead = molt_new(&node_type);
    char *large = molt_new_extra(&table_type, LARGE);
    struct leaf *lonely = molt_new(&leaf_type);
    char *small = molt_malloc(40), *run_block = molt_malloc(100000), *huge = molt_malloc(8 << 20);
    char *unmapped = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    molt_release(dead);
    molt_release(lonely);
    expect_wrong(node, dead, "to a dead struct node");
    expect_wrong(node, (char *)dead + 1, "to a dead struct node");
    expect_wrong(node, lonely, "to a dead object");
    expect_wrong(node, (char *)node + 8, "into the middle of struct node");
    node->parent = (void *)(uintptr_t)node->molt_base.molt_header; /* a word like a header */
    expect_wrong(node, (char *)node + 16, "into the middle of struct node");
    expect_wrong(node, large + LARGE - 3, "into the middle of struct bare");
    expect_wrong(node, large - 8, "into memory of malloc");
    expect_wrong(node, small, "into memory of malloc");
    expect_wrong(node, small + 3, "into memory of malloc");
    expect_wrong(node, run_block + 99999, "into memory of malloc");
    expect_wrong(node, huge + (7 << 20), "into memory of malloc");
    expect_wrong(node, unmapped, "to no known memory");
    expect_wrong(node, &node, "to no known memory");
    expect_wrong(node, (void *)8, "to no known memory");
    expect_wrong(node, (void *)UINTPTR_MAX, "to no known memory");
    expect_wrong(node, (void *)0x8000000000000000, "to no known memory");
    molt_free(run_block);
    expect_wrong(node, run_block, "to no known memory");
    molt_trim(0);
    expect_wrong(node, run_block, "to no known memory");
    run(molt_gc_why, node);
    node->other = large;
    expect(audit, NULL, 0, "%s", "");
}
END_TEST

START_TEST(test_audit_array)
{
    struct array *array = molt_new(&array_type);
    void *leaf = molt_new(&leaf_type);
    size_t page = os_page_bytes();
    void **items = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect((char *)items + page, page, PROT_NONE);
    items[0] = leaf;
    items[1] = items[2] = (void *)3;
    array->items = items;
    array->count = (uint32_t)(page / 8);
    expect(audit, NULL, 1,
           "struct array array: wrong reference to no known memory (1 object, e.g. %p has 0x3)\n",
           (void *)array);
    array->count++;
    for (unsigned round = 0; round <= 4; round++) {
        expect(audit, NULL, 1,
               "struct array array: an array that cannot be read (1 object, e.g. "
               "%p)\n",
               (void *)array);
        graph_depth = 5;
        ck_assert_int_eq(run(graph, array), 0);
        expect(molt_gc_why, array, 0, "%p struct array: 1 reference from outside\n", (void *)array);
        if (round < 4)
            array->items = (void **)((uintptr_t[]){0x10, 0x8000000000000000, UINTPTR_MAX - 7,
                                                   (uintptr_t)items + 4}[round]);
        array->count = round == 3 ? 1 : UINT32_MAX;
    }
    array->items = NULL; /* the collection at exit would believe it */
}
END_TEST

struct long_array {
    MOLT_OBJECT;
    void **items;
    uint64_t count;
};

MOLT_TYPE(long_type, struct long_array, MOLT_REF_ARRAY(struct long_array, items, count));

START_TEST(test_audit_length_that_overflows)
{
    struct long_array *array = molt_new(&long_type);
    array->items = (void **)&array;
    array->count = (UINT64_MAX >> 3) + 2;
    expect(audit, NULL, 1,
           "struct long_array array: an array that cannot be read (1 object, e.g. %p)\n",
           (void *)array);
    array->count = 0;
}
END_TEST

struct behind {
    MOLT_OBJECT;
    size_t words[3];
    void **items; /* where the header of a leaf's neighbour is */
    uint32_t count;
};

MOLT_TYPE(behind_type, struct behind, MOLT_REF_ARRAY(struct behind, items, count));

/* What lies behind an object is not its own, whatever type its header tells. */
START_TEST(test_audit_header_of_a_larger_type)
{
    struct leaf *leaves[2] = {molt_new(&leaf_type), molt_new(&leaf_type)};
    struct behind *behind = molt_new(&behind_type);
    ck_assert_ptr_eq(leaves[1], leaves[0] + 1);
    leaves[1]->words[0] = 5;
    uint16_t *type = (uint16_t *)leaves[0]; /* the lowest bits of the header */
    uint16_t leaf = *type;
    *type = *(uint16_t *)behind;
    expect(audit, NULL, 0, "%s", "");
    *type = leaf;
    molt_release(behind);
}
END_TEST

/* Each leads to the next, in no order of their addresses. */
START_TEST(test_many_large)
{
    enum { LARGES = 12 };
    void **objects[LARGES];
    for (unsigned i = 0; i < LARGES; i++)
        objects[i] = molt_new_extra(&table_type, LARGE / 4);
    for (unsigned i = 0; i < LARGES; i += 3) {
        molt_release(objects[i]);
        objects[i] = molt_new_extra(&table_type, LARGE / 4);
    }
    for (unsigned i = 1; i < LARGES; i++)
        objects[i - 1][7] = objects[i];
    expect(audit, NULL, 0, "%s", "");
    ck_assert_int_eq(run(molt_gc_why, objects[LARGES - 1]), 0);
    const char *at = said;
    for (unsigned i = 0; i < LARGES; i++) {
        char word[32];
        snprintf(word, sizeof word, "%p struct bare", (void *)objects[i]);
        at = strstr(at, word);
        ck_assert_ptr_nonnull(at);
    }
}
END_TEST

enum { WORDS = 4000 };

struct wide {
    MOLT_OBJECT;
    void *words[WORDS];
};

MOLT_TYPE(wide_type, struct wide, .flags = MOLT_LEAF);

START_TEST(test_audit_has_too_many_findings)
{
    static const char end[] = "… and more than there is room for\n";
    struct wide *wide = molt_new(&wide_type);
    for (unsigned i = 0; i < WORDS; i++)
        wide->words[i] = wide;
    int findings = run(audit, NULL);
    ck_assert_int_gt(findings, 3000);
    ck_assert_int_lt(findings, WORDS);
    ck_assert_str_eq(said + strlen(said) - strlen(end), end);
}
END_TEST

/* Any word anywhere in declared fields: nothing is said of it here but that nobody dies. */
START_TEST(test_wild_fields)
{
    enum { NODES = 200 };
    static struct node *nodes[NODES];
    uint64_t random = 11;
    for (unsigned i = 0; i < NODES; i++)
        nodes[i] = molt_new(&node_type);
    for (unsigned round = 0; round < 30; round++) {
        for (unsigned i = 0; i < NODES; i++) {
            uintptr_t near = (uintptr_t)nodes[unit_random(&random) % NODES];
            uintptr_t bits = (uintptr_t)unit_random(&random) << 32 | unit_random(&random);
            nodes[i]->other = (void *)(near ^ (bits >> unit_random(&random) % 64));
            nodes[i]->next = (void *)(bits >> unit_random(&random) % 64);
        }
        graph_depth = 10;
        ck_assert_int_ge(run(audit, NULL), 1);
        ck_assert_int_eq(run(graph, nodes[0]), 0);
        ck_assert_int_eq(run(molt_gc_why, nodes[0]), 0);
        ck_assert_int_eq(run(report, NULL), 0);
    }
    for (unsigned i = 0; i < NODES; i++)
        nodes[i]->next = nodes[i]->other = NULL;
}
END_TEST

Suite *suite_inspect(void)
{
    Suite *suite = suite_create("inspect");
    TCase *tests = tcase_create("all");
    tcase_set_timeout(tests, 20);
    tcase_add_test(tests, test_report);
    tcase_add_test(tests, test_report_leaves_out_who_dies);
    tcase_add_test(tests, test_report_of_all_threads);
    tcase_add_test(tests, test_report_errors);
    tcase_add_test(tests, test_report_at_exit);
    tcase_add_test(tests, test_no_report_in_another_file);
    tcase_add_test(tests, test_why_path);
    tcase_add_test(tests, test_large_untracked);
    tcase_add_test(tests, test_why_immortal_and_acyclic);
    tcase_add_test(tests, test_why_circle);
    tcase_add_test(tests, test_why_the_shortest);
    tcase_add_test(tests, test_why_long);
    tcase_add_test(tests, test_why_counts_other_threads);
    tcase_add_test(tests, test_why_errors);
    tcase_add_test(tests, test_inside_callbacks);
    tcase_add_test(tests, test_where_objects_must_not_be_used);
    tcase_add_test(tests, test_a_thread_that_does_not_stop);
    tcase_add_test(tests, test_a_visitor_retains_large);
    tcase_add_test(tests, test_a_visitor_retains_what_nobody_shared);
    tcase_add_test(tests, test_graph);
    tcase_add_test(tests, test_graph_of_all_kinds);
    tcase_add_test(tests, test_audit_finds_nothing);
    tcase_add_test(tests, test_audit_undeclared);
    tcase_add_test(tests, test_audit_traverse_and_extra);
    tcase_add_test(tests, test_audit_wrong);
    tcase_add_test(tests, test_audit_array);
    tcase_add_test(tests, test_audit_length_that_overflows);
    tcase_add_test(tests, test_audit_header_of_a_larger_type);
    tcase_add_test(tests, test_many_large);
    tcase_add_test(tests, test_audit_has_too_many_findings);
    tcase_add_test(tests, test_wild_fields);
    suite_add_tcase(suite, tests);
    return suite;
}
