/* planted.c: a program that leaks what it is told to, or only seems to: planted KIND
 *
 * `planted --list` writes a line for each kind: its name, and the bytes and blocks of it that no
 * pointer leads to when the program ends. Each kind is planted by a thread that ends, or by main
 * itself with its stack wiped afterwards, so that no old copy of a pointer is left. */
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct node {
    struct node *next, *other;
    char rest[16];
};

#define ROOTS 8
static void *volatile roots[ROOTS]; /* what these lead to is reachable */
static __thread void *volatile in_tls;

/* The compiler must not see that a block is of no use. */
static void *make(size_t size)
{
    void *volatile block = malloc(size);
    if (block == NULL)
        abort();
    memset(block, 0, size);
    return block;
}

static struct node *make_node(struct node *next)
{
    struct node *node = make(sizeof *node);
    node->next = next;
    return node;
}

static void *map_page(void)
{
    void *page = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page != MAP_FAILED ? page : NULL;
}

/* ---- Leaks ---- */

static void one(void)
{
    make(100);
}

static void many(void)
{
    for (unsigned n = 0; n < 1000; n++)
        make(24);
}

static void of_all_sizes(void)
{
    for (size_t size = 1; size <= (size_t)4 << 20; size *= 2)
        make(size);
}

static void by_calloc(void)
{
    roots[0] = calloc(10, 30);
    roots[0] = NULL;
}

static void by_realloc(void)
{
    void *block = make(10);
    roots[0] = realloc(block, 5000);
    roots[0] = NULL;
}

static void by_aligned(void)
{
    roots[0] = aligned_alloc(4096, 8192);
    roots[0] = NULL;
}

static void by_strdup(void)
{
    roots[0] = strdup("a text of twenty-six bytes");
    roots[0] = NULL;
}

static void list(void)
{
    struct node *first = NULL;
    for (unsigned n = 0; n < 10; n++)
        first = make_node(first);
}

static void ring(void)
{
    struct node *first = make_node(NULL), *last = make_node(make_node(first));
    first->next = last;
}

static void ring_of_one(void)
{
    struct node *node = make_node(NULL);
    node->next = node;
}

static struct node *make_tree(unsigned depth)
{
    if (depth == 0)
        return NULL;
    struct node *node = make_node(make_tree(depth - 1));
    node->other = make_tree(depth - 1);
    return node;
}

static void tree(void)
{
    make_tree(5);
}

static void overwritten(void)
{
    roots[0] = make(50);
    roots[0] = make(60);
}

static void owner_freed(void)
{
    struct node *owner = make_node(make_node(NULL));
    free(owner);
}

static void only_in_mapped_memory(void)
{
    void **page = map_page();
    roots[0] = page;
    page[10] = make(70);
}

static void only_hidden(void)
{
    roots[0] = (void *)~(uintptr_t)make(80);
}

static void only_behind_its_end(void)
{
    char *block = make(64);
    roots[0] = block + 64;
}

static void *leak_and_end(void *unused)
{
    (void)unused;
    in_tls = make(90);
    return NULL;
}

static void in_tls_of_an_ended_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, leak_and_end, NULL) == 0)
        pthread_join(thread, NULL);
}

static void part_of_a_list(void)
{
    struct node *third = make_node(NULL);
    make_node(make_node(third)); /* the first two */
    roots[0] = third;
}

static void large(void)
{
    make((size_t)20 << 20);
}

static void of_a_fork(void)
{
    make(110);
    pid_t child = fork();
    if (child == 0)
        _exit(0);
}

/* ---- No leaks ---- */

static void in_data(void)
{
    roots[0] = make(100);
}

static void by_its_middle(void)
{
    roots[0] = (char *)make(1000) + 500;
}

static void tagged(void)
{
    roots[0] = (char *)make(100) + 3;
}

static void in_tls_of_main(void)
{
    in_tls = make(100);
}

static void in_specific_data(void)
{
    pthread_key_t key;
    if (pthread_key_create(&key, NULL) == 0)
        pthread_setspecific(key, make(100));
}

static void reachable_ring(void)
{
    struct node *first = make_node(NULL), *last = make_node(make_node(first));
    first->next = last;
    roots[0] = last;
}

static void *wait_with_pointers(void *ready)
{
    void *volatile on_stack = make(100);
    in_tls = make(100);
    sem_post(ready);
    for (;;)
        pause();
    return on_stack;
}

static void in_threads_that_still_run(void)
{
    static sem_t ready;
    sem_init(&ready, 0, 0);
    for (unsigned n = 0; n < 4; n++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, wait_with_pointers, &ready) == 0)
            sem_wait(&ready);
    }
}

/* The address is in one register and nowhere else. */
static void *turn_with_register(void *ready)
{
    static atomic_int begun;
    (void)ready;
#if defined(__x86_64__)
    uintptr_t hidden = ~(uintptr_t)make(100);
    __asm__ volatile("mov %1, %%r12\n\tnot %%r12\n\tmovl $1, %0\n1:\tpause\n\tjmp 1b"
                     : "=m"(begun)
                     : "r"(hidden)
                     : "r12", "memory");
#else
    roots[0] = make(100);
    atomic_store(&begun, 1);
    for (;;)
        pause();
#endif
    return NULL;
}

static void in_a_register(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, turn_with_register, NULL) == 0)
        usleep(300000);
}

struct kind {
    const char *name;
    void (*plant)(void);
    size_t bytes, blocks; /* that leak */
    int in_main;          /* planted by main itself */
};

static const struct kind kinds[] = {
    {"one", one, 100, 1, 0},
    {"many", many, 24000, 1000, 0},
    {"of_all_sizes", of_all_sizes, ((size_t)8 << 20) - 1, 23, 0},
    {"by_calloc", by_calloc, 300, 1, 0},
    {"by_realloc", by_realloc, 5000, 1, 0},
    {"by_aligned", by_aligned, 8192, 1, 0},
    {"by_strdup", by_strdup, 27, 1, 0},
    {"list", list, 320, 10, 0},
    {"ring", ring, 96, 3, 0},
    {"ring_of_one", ring_of_one, 32, 1, 0},
    {"tree", tree, 992, 31, 0},
    {"overwritten", overwritten, 50, 1, 0},
    {"owner_freed", owner_freed, 32, 1, 0},
    {"only_in_mapped_memory", only_in_mapped_memory, 70, 1, 0},
    {"only_hidden", only_hidden, 80, 1, 0},
    {"only_behind_its_end", only_behind_its_end, 64, 1, 0},
    {"in_tls_of_an_ended_thread", in_tls_of_an_ended_thread, 90, 1, 0},
    {"part_of_a_list", part_of_a_list, 64, 2, 0},
    {"large", large, (size_t)20 << 20, 1, 0},
    {"of_a_fork", of_a_fork, 110, 1, 0},
    {"in_data", in_data, 0, 0, 0},
    {"by_its_middle", by_its_middle, 0, 0, 0},
    {"tagged", tagged, 0, 0, 0},
    {"in_tls_of_main", in_tls_of_main, 0, 0, 1},
    {"in_specific_data", in_specific_data, 0, 0, 1},
    {"reachable_ring", reachable_ring, 0, 0, 0},
    {"in_threads_that_still_run", in_threads_that_still_run, 0, 0, 1},
    {"in_a_register", in_a_register, 0, 0, 1},
};

static void *plant(void *kind)
{
    ((const struct kind *)kind)->plant();
    return NULL;
}

int main(int argc, char **argv)
{
    for (size_t n = 0; n < sizeof kinds / sizeof *kinds; n++) {
        const struct kind *kind = &kinds[n];
        if (argc == 2 && strcmp(argv[1], "--list") == 0)
            printf("%s %zu %zu\n", kind->name, kind->bytes, kind->blocks);
        if (argc != 2 || strcmp(argv[1], kind->name) != 0)
            continue;
        pthread_t thread;
        if (kind->in_main)
            kind->plant();
        else if (pthread_create(&thread, NULL, plant, (void *)(uintptr_t)kind) == 0)
            pthread_join(thread, NULL);
    }
    return 0;
}
