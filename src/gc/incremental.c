/* incremental.c: the cycle's phases. */
#include "incremental.h"

#include "generation.h"

#include "object/count.h"
#include "object/type.h"
#include "os/os.h"

#include <stdatomic.h>
#include <string.h>

#define OBJECTS_A_LOOK 256u

/* Tables that are gathered, or let go of, in one piece, and what one counts for. */
#define TABLES_AT_ONCE 32u
#define OBJECTS_A_TABLE 100u

/* Memory for shadows, some dozens at the least. */
#define CHUNK_BYTES ((size_t)256 << 10)

enum phase { IDLE, GATHER, SUBTRACT, FIND_ROOTS, MARK, CHECK, UNLINK, UNMAP };

struct chunk {
    struct chunk *next;
};

static struct {
    enum phase phase;
    struct link
        *next; /* of gc_table_all: what is gathered next; a table that goes is left behind */
    struct shadow *all;   /* linked by next */
    struct shadow *at;    /* the next one of the phase */
    struct shadow *gray;  /* linked by gray */
    size_t objects;       /* candidates */
    struct chunk *chunks; /* the last one first … */
    char *free;           /* … which is taken up to here */
} cycle;

bool incremental_is_running(void)
{
    return cycle.phase != IDLE;
}

/* ---- Begin and end ---- */

static bool add_chunk(void)
{
    struct chunk *chunk = os_map(CHUNK_BYTES);
    if (chunk == NULL)
        return false;
    chunk->next = cycle.chunks;
    atomic_signal_fence(memory_order_release);
    cycle.chunks = chunk;
    cycle.free = (char *)(chunk + 1);
    return true;
}

/* Zeroed memory for the table's shadow; NULL: there is none. */
static void *take_memory(size_t bytes)
{
    if (cycle.free + bytes > (char *)cycle.chunks + CHUNK_BYTES && !add_chunk())
        return NULL;
    void *taken = cycle.free;
    cycle.free += bytes;
    return taken;
}

static bool add_shadow(struct gc_table *table)
{
    size_t words = gc_table_carved_words(table), blocks = words * 64;
    struct shadow *shadow =
        take_memory(sizeof *shadow + 2 * words * sizeof(uint64_t) + blocks * sizeof(uint32_t));
    if (shadow == NULL)
        return false;
    *shadow = (struct shadow){.table = table,
                              .next = cycle.all,
                              .blocks = gc_table_carved(table),
                              .words = (unsigned)words,
                              .whites = (uint64_t *)(void *)(shadow + 1)};
    shadow->grays = shadow->whites + words;
    shadow->gc_refs = (uint32_t *)(void *)(shadow->grays + words);
    for (unsigned w = 0; w < words; w++)
        shadow->whites[w] = generation_bits(table, w, GENERATION_ANY) &
                            ~generation_bits(table, w, GENERATION_FROZEN);
    atomic_signal_fence(memory_order_release);
    table->shadow = shadow;
    cycle.all = shadow;
    return true;
}

bool incremental_begin(void)
{
    if (!add_chunk())
        return false;
    cycle.next = gc_table_all.next;
    cycle.phase = GATHER;
    return true;
}

/* Shadows for the next tables. New tables go to the ring's end, and those that there is no memory
 * for are not in the cycle. How many tables it was; 0: that is all. */
static size_t gather(void)
{
    size_t tables = 0;
    generation_refresh();
    for (; cycle.next != &gc_table_all && tables < TABLES_AT_ONCE; tables++) {
        struct gc_table *table = LINK_OWNER(cycle.next, struct gc_table, all);
        if (table->words != 0 && !add_shadow(table))
            return 0;
        cycle.next = cycle.next->next;
    }
    return tables;
}

void incremental_table_gone(struct gc_table *table)
{
    if (cycle.next == &table->all)
        cycle.next = table->all.next;
    if (table->shadow != NULL)
        table->shadow->table = NULL;
}

/* The table of the present shadow is the cycle's no longer. */
static void unlink_table(const struct shadow *shadow)
{
    if (shadow->table != NULL)
        shadow->table->shadow = NULL;
}

static size_t unlink_tables(void)
{
    size_t tables = 0;
    for (; cycle.at != NULL && tables < TABLES_AT_ONCE; tables++) {
        unlink_table(cycle.at);
        cycle.at = cycle.at->next;
    }
    return tables;
}

/* A mapping is forgotten before it goes, so that a forked child unmaps none twice. */
static bool unmap_chunk(struct chunk **chunks)
{
    struct chunk *chunk = *chunks;
    if (chunk == NULL)
        return false;
    *chunks = chunk->next;
    atomic_signal_fence(memory_order_release);
    os_unmap(chunk, CHUNK_BYTES);
    return true;
}

void incremental_end(void)
{
    for (const struct shadow *shadow = cycle.all; shadow != NULL; shadow = shadow->next)
        unlink_table(shadow);
    struct chunk *chunks = cycle.chunks;
    memset(&cycle, 0, sizeof cycle); /* first, so that a forked child has no cycle without memory */
    atomic_signal_fence(memory_order_release);
    while (unmap_chunk(&chunks))
        continue;
}

/* ---- Targets ---- */

/* The shadow for a reference's target, and its block; NULL: not in the cycle. */
static struct shadow *find(const void *target, unsigned *block)
{
    struct gc_table *table = gc_table_if_any(target);
    if (table == NULL)
        return NULL;
    *block = gc_table_index(table, target);
    return table->shadow != NULL && *block < table->shadow->blocks ? table->shadow : NULL;
}

/* ---- Subtract ---- */

static int subtract_one(void *target, void *context)
{
    (void)context;
    unsigned block;
    struct shadow *shadow = find(target, &block);
    if (shadow != NULL)
        shadow->gc_refs[block]--;
    return 0;
}

static size_t subtract(struct shadow *shadow)
{
    size_t objects = 0;
    for (unsigned w = 0; w < shadow->words; w++) {
        for (uint64_t left = shadow->whites[w]; left != 0; left &= left - 1) {
            unsigned block = w * 64 + (unsigned)__builtin_ctzll(left);
            void *object = gc_table_object(shadow->table, block);
            uint64_t header = header_of(object);
            if (!header_is_tracked(header)) {
                shadow->whites[w] &= ~(left & -left);
                continue;
            }
            objects++;
            cycle.objects++;
            shadow->gc_refs[block] += count_for_deduction(object, header, 0);
            type_visit(type_by_number(header_type(header)), object, subtract_one, NULL);
        }
    }
    return objects;
}

/* ---- Mark ---- */

static void make_gray(struct shadow *shadow, unsigned block)
{
    unsigned w = block / 64;
    shadow->whites[w] &= ~(UINT64_C(1) << (block % 64));
    shadow->grays[w] |= UINT64_C(1) << (block % 64);
    shadow->gray_words |= UINT64_C(1) << w;
    if (shadow->is_listed)
        return;
    shadow->is_listed = true;
    shadow->gray = cycle.gray;
    cycle.gray = shadow;
}

/* The first of those with gray bits leaves their list. */
static void unlist(struct shadow *shadow)
{
    cycle.gray = shadow->gray;
    shadow->is_listed = false;
}

static int reach_one(void *target, void *context)
{
    (void)context;
    unsigned block;
    struct shadow *shadow = find(target, &block);
    if (shadow != NULL && (shadow->whites[block / 64] >> (block % 64) & 1) != 0)
        make_gray(shadow, block);
    return 0;
}

static size_t find_roots(struct shadow *shadow)
{
    for (unsigned w = 0; w < shadow->words; w++)
        for (uint64_t left = shadow->whites[w]; left != 0; left &= left - 1) {
            unsigned block = w * 64 + (unsigned)__builtin_ctzll(left);
            if (shadow->gc_refs[block] != 0)
                make_gray(shadow, block);
        }
    return shadow->blocks / 8; /* it is light work */
}

/* Looks into one word's gray objects; some may have died meanwhile. */
static size_t mark_word(struct shadow *shadow, unsigned w)
{
    size_t objects = 0;
    uint64_t bits = shadow->grays[w];
    shadow->grays[w] = 0;
    shadow->gray_words &= ~(UINT64_C(1) << w);
    for (; bits != 0; bits &= bits - 1) {
        void *object = gc_table_object(shadow->table, w * 64 + (unsigned)__builtin_ctzll(bits));
        uint64_t header = header_of(object);
        objects++;
        if (header_is_tracked(header))
            type_visit(type_by_number(header_type(header)), object, reach_one, NULL);
    }
    return objects;
}

/* What becomes gray elsewhere goes before the present table, which stays until it has none left. */
static size_t mark(void)
{
    struct shadow *shadow = cycle.gray;
    if (shadow->table != NULL && shadow->gray_words != 0)
        return mark_word(shadow, (unsigned)__builtin_ctzll(shadow->gray_words));
    unlist(shadow);
    return 1;
}

/* ---- Check ---- */

struct component {
    struct gc_table *tables;
    size_t objects;
};

/* White in the cycle becomes white for collect_tables. The object's references are looked at later.
 */
static void join(struct component *component, struct shadow *shadow, unsigned block)
{
    struct gc_table *table = shadow->table;
    make_gray(shadow, block);
    if (!table->is_gathered) {
        memset(table->white, 0, table->words * sizeof *table->white);
        table->is_gathered = true;
        table->next = component->tables;
        component->tables = table;
    }
    gc_table_set(table, GC_WHITE, block);
    component->objects++;
}

static int join_one(void *target, void *context)
{
    unsigned block;
    struct shadow *shadow = find(target, &block);
    if (shadow != NULL && (shadow->whites[block / 64] >> (block % 64) & 1) != 0)
        join(context, shadow, block);
    return 0;
}

/* All that the gray objects lead to, in white. */
static void join_reachable(struct component *component)
{
    while (cycle.gray != NULL) {
        struct shadow *shadow = cycle.gray;
        unlist(shadow);
        while (shadow->gray_words != 0) {
            unsigned w = (unsigned)__builtin_ctzll(shadow->gray_words);
            uint64_t bits = shadow->grays[w];
            shadow->grays[w] = 0;
            shadow->gray_words &= ~(UINT64_C(1) << w);
            for (; bits != 0; bits &= bits - 1) {
                void *object =
                    gc_table_object(shadow->table, w * 64 + (unsigned)__builtin_ctzll(bits));
                uint64_t header = header_of(object);
                if (header_is_tracked(header))
                    type_visit(type_by_number(header_type(header)), object, join_one, component);
            }
        }
    }
}

/* The next white objects of a table, with all that they lead to, until there are `objects`. */
static void take_component(struct shadow *shadow, size_t objects, struct component *component)
{
    for (unsigned w = 0; w < shadow->words; w++) {
        while (shadow->whites[w] != 0 && component->objects < objects) {
            join(component, shadow, w * 64 + (unsigned)__builtin_ctzll(shadow->whites[w]));
            join_reachable(component);
        }
    }
}

static bool has_white(const struct shadow *shadow)
{
    uint64_t any = 0;
    for (unsigned w = 0; w < shadow->words; w++)
        any |= shadow->whites[w];
    return any != 0;
}

/* ---- The slice ---- */

/* A phase is done; the next one looks at all shadows again. */
static size_t begin_phase(enum phase phase)
{
    cycle.phase = phase;
    cycle.at = cycle.all;
    return 0;
}

/* One piece of the work of a phase that goes from shadow to shadow. */
static size_t work_on_shadow(struct component *component, size_t objects)
{
    struct shadow *shadow = cycle.at;
    if (shadow == NULL)
        return begin_phase(cycle.phase + 1);
    if (shadow->table == NULL || (cycle.phase == CHECK && !has_white(shadow))) {
        cycle.at = shadow->next;
        return 1;
    }
    if (cycle.phase == CHECK) {
        take_component(shadow, objects, component);
        return component->objects;
    }
    cycle.at = shadow->next;
    return cycle.phase == SUBTRACT ? subtract(shadow) : find_roots(shadow);
}

/* One piece of a phase's work; how many objects it was, or what counts for as many. */
static size_t work(struct component *component, size_t objects)
{
    size_t tables = 0;
    switch (cycle.phase) {
    case GATHER:
        tables = gather();
        return tables != 0 ? tables * OBJECTS_A_TABLE : begin_phase(SUBTRACT);
    case MARK:
        return cycle.gray != NULL ? mark() : begin_phase(CHECK);
    case UNLINK:
        tables = unlink_tables();
        return tables != 0 ? tables * OBJECTS_A_TABLE / 4 : begin_phase(UNMAP);
    case UNMAP:
        cycle.all = cycle.at = NULL;
        return unmap_chunk(&cycle.chunks) ? TABLES_AT_ONCE * OBJECTS_A_TABLE : begin_phase(IDLE);
    default:
        return work_on_shadow(component, objects);
    }
}

struct gc_table *incremental_slice(size_t objects, uint64_t deadline_ns, size_t *candidates)
{
    struct component component = {.tables = NULL};
    size_t done = 0, look = 0; /* at the clock, every so many objects */
    while (cycle.phase != IDLE && done < objects && (done < look || os_now_ns() < deadline_ns)) {
        look = done < look ? look : done + OBJECTS_A_LOOK;
        done += work(&component, objects - done);
    }
    for_each_table (table, component.tables)
        table->is_gathered = false;
    *candidates = cycle.objects;
    if (cycle.phase == IDLE)
        incremental_end();
    return component.tables;
}
