/* incremental.c: the phases of a cycle. incremental_slice(), at the end, is the whole. */
#include "incremental.h"

#include "generation.h"
#include "validate.h"

#include "object/count.h"
#include "object/type.h"
#include "os/os.h"

#include <stdatomic.h>
#include <string.h>

/* Work is counted in objects. After so many a slice looks at the clock. */
#define OBJECTS_A_LOOK 256u

/* Tables that GATHER or UNLINK takes at once, and the objects that gathering one counts for. */
#define TABLES_AT_ONCE 32u
#define OBJECTS_A_TABLE 100u

/* A piece of memory for shadows: for some dozens at the least. */
#define CHUNK_BYTES ((size_t)256 << 10)

/* The phases of a cycle, in their order. */
enum phase {
    IDLE,       /* no cycle: there are no shadows */
    GATHER,     /* tables get shadows: all tracked objects but frozen ones are white */
    SUBTRACT,   /* shadow by shadow: gc_refs = counts - references from white objects */
    FIND_ROOTS, /* shadow by shadow: a white object with gc_refs != 0 becomes gray */
    MARK,       /* a gray object becomes black, the white ones that it refers to gray */
    CHECK,      /* none is gray; white = suspects, which become black when they are checked */
    UNLINK,     /* tables lose their shadows */
    UNMAP,      /* the memory of the shadows is given back */
};

/* Shadows follow. */
struct chunk {
    struct chunk *next;
};

static struct {
    enum phase phase;
    struct link *next;    /* GATHER: the next table in gc_table_all */
    struct shadow *all;   /* all shadows, linked by `next` */
    struct shadow *at;    /* the next shadow of a phase that goes shadow by shadow */
    struct shadow *gray;  /* shadows with gray objects, linked by `gray` */
    size_t objects;       /* candidates */
    struct chunk *chunks; /* all chunks, the newest first */
    char *free;           /* the free rest of the newest chunk */
} cycle;

bool incremental_is_running(void)
{
    return cycle.phase != IDLE;
}

static bool phase_goes_by_shadow(enum phase phase)
{
    return phase == SUBTRACT || phase == FIND_ROOTS || phase == CHECK;
}

static bool shadow_has_white(const struct shadow *shadow)
{
    uint64_t any = 0;
    for (unsigned w = 0; w < shadow->words; w++)
        any |= shadow->whites[w];
    return any != 0;
}

static bool shadow_is_white(const struct shadow *shadow, unsigned block)
{
    return (shadow->whites[block / 64] >> (block % 64) & 1) != 0;
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

/* Zeroed memory for a shadow; NULL: there is none. */
static void *take_from_chunk(size_t bytes)
{
    if (cycle.free + bytes > (char *)cycle.chunks + CHUNK_BYTES && !add_chunk())
        return NULL;
    void *taken = cycle.free;
    cycle.free += bytes;
    return taken;
}

/* False: no memory. */
static bool add_shadow(struct gc_table *table)
{
    size_t words = gc_table_carved_words(table), blocks = words * 64;
    struct shadow *shadow =
        take_from_chunk(sizeof *shadow + 2 * words * sizeof(uint64_t) + blocks * sizeof(uint32_t));
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
    validate_tables(GENERATION_OLD);
    if (!add_chunk())
        return false;
    cycle.next = gc_table_all.next;
    cycle.phase = GATHER;
    return true;
}

/* Gives shadows to the next tables; new ones come to the ring's end. Returns how many; 0: no table,
 * or no memory, is left. */
static size_t gather_tables(void)
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

/* A chunk leaves the list first, so that no forked child unmaps it again. False: there is none. */
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
    memset(&cycle, 0, sizeof cycle); /* first: a forked child must find no cycle without memory */
    atomic_signal_fence(memory_order_release);
    while (unmap_chunk(&chunks))
        continue;
}

/* ---- Subtract ---- */

/* The shadow of a target's table, and the target's block; NULL: it is not in the cycle. */
static struct shadow *shadow_of(const void *target, unsigned *block)
{
    struct gc_table *table = gc_table_if_any(target);
    if (table == NULL)
        return NULL;
    *block = gc_table_index(table, target);
    return table->shadow != NULL && *block < table->shadow->blocks ? table->shadow : NULL;
}

static int subtract_target(void *target, void *unused)
{
    (void)unused;
    unsigned block;
    struct shadow *shadow = shadow_of(target, &block);
    if (shadow != NULL)
        shadow->gc_refs[block]--;
    return 0;
}

/* White blocks without a tracked object are no candidates. Returns the number of objects. */
static size_t subtract_shadow(struct shadow *shadow)
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
            type_visit(type_by_number(header_type(header)), object, subtract_target, NULL);
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

static int mark_target(void *target, void *unused)
{
    (void)unused;
    unsigned block;
    struct shadow *shadow = shadow_of(target, &block);
    if (shadow != NULL && shadow_is_white(shadow, block))
        make_gray(shadow, block);
    return 0;
}

/* Returns what the work counts for: a bit is less than an object. */
static size_t make_roots_gray(struct shadow *shadow)
{
    for (unsigned w = 0; w < shadow->words; w++)
        for (uint64_t left = shadow->whites[w]; left != 0; left &= left - 1) {
            unsigned block = w * 64 + (unsigned)__builtin_ctzll(left);
            if (shadow->gc_refs[block] != 0)
                make_gray(shadow, block);
        }
    return shadow->blocks / 8;
}

/* Makes a word's gray objects black and visits their references; some may be dead by now. */
static ALWAYS_INLINE size_t traverse_word(struct shadow *shadow, unsigned w, molt_visit *visit,
                                          void *context)
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
            type_visit(type_by_number(header_type(header)), object, visit, context);
    }
    return objects;
}

/* Traverses some gray objects of the first shadow in the list, which leaves the list if it has
 * none. A shadow that joins the list comes first. Returns what the work counts for. */
static ALWAYS_INLINE size_t traverse_some(molt_visit *visit, void *context)
{
    struct shadow *shadow = cycle.gray;
    if (shadow->table != NULL && shadow->gray_words != 0)
        return traverse_word(shadow, (unsigned)__builtin_ctzll(shadow->gray_words), visit, context);
    cycle.gray = shadow->gray;
    shadow->is_listed = false;
    return 1;
}

static size_t mark_some(void)
{
    return traverse_some(mark_target, NULL);
}

/* ---- Check ---- */

/* Suspects that are checked together: with an object also all white ones that it refers to. */
struct component {
    struct gc_table *tables; /* linked by `next`; their GC_WHITE objects are the component's */
    size_t objects;
};

/* The object becomes gray, to be traversed, and a candidate of collect_tables. */
static void component_add(struct component *component, struct shadow *shadow, unsigned block)
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

static int component_add_target(void *target, void *context)
{
    unsigned block;
    struct shadow *shadow = shadow_of(target, &block);
    if (shadow != NULL && shadow_is_white(shadow, block))
        component_add(context, shadow, block);
    return 0;
}

/* Adds the table's next white objects, with all white ones that they lead to, until there are
 * `objects`. */
static void take_suspects(struct shadow *shadow, size_t objects, struct component *component)
{
    for (unsigned w = 0; w < shadow->words; w++) {
        while (shadow->whites[w] != 0 && component->objects < objects) {
            component_add(component, shadow, w * 64 + (unsigned)__builtin_ctzll(shadow->whites[w]));
            while (cycle.gray != NULL)
                traverse_some(component_add_target, component);
        }
    }
}

/* ---- The slice ---- */

static size_t begin_phase(enum phase phase)
{
    cycle.phase = phase;
    cycle.at = cycle.all;
    return 0;
}

static size_t work_on_shadow(struct component *component, size_t objects)
{
    struct shadow *shadow = cycle.at;
    if (shadow == NULL)
        return begin_phase(cycle.phase + 1);
    if (shadow->table == NULL || (cycle.phase == CHECK && !shadow_has_white(shadow))) {
        cycle.at = shadow->next;
        return 1;
    }
    if (cycle.phase == CHECK) {
        take_suspects(shadow, objects, component);
        return component->objects;
    }
    cycle.at = shadow->next;
    return cycle.phase == SUBTRACT ? subtract_shadow(shadow) : make_roots_gray(shadow);
}

/* Does one piece of the phase's work, or begins the next phase. Returns what that counts for. */
static size_t work_on_phase(struct component *component, size_t objects)
{
    size_t tables = 0;
    if (phase_goes_by_shadow(cycle.phase))
        return work_on_shadow(component, objects);
    switch (cycle.phase) {
    case GATHER:
        tables = gather_tables();
        return tables != 0 ? tables * OBJECTS_A_TABLE : begin_phase(SUBTRACT);
    case MARK:
        return cycle.gray != NULL ? mark_some() : begin_phase(CHECK);
    case UNLINK:
        tables = unlink_tables();
        return tables != 0 ? tables * OBJECTS_A_TABLE / 4 : begin_phase(UNMAP);
    default: /* UNMAP */
        cycle.all = cycle.at = NULL;
        return unmap_chunk(&cycle.chunks) ? TABLES_AT_ONCE * OBJECTS_A_TABLE : begin_phase(IDLE);
    }
}

/* As long as tables lead to their shadows. */
static void check_cycle(void)
{
    if (cycle.phase < UNLINK)
        validate_shadows(cycle.all, cycle.gray);
}

struct gc_table *incremental_slice(size_t objects, uint64_t deadline_ns, size_t *candidates)
{
    struct component component = {.tables = NULL};
    size_t done = 0, look = 0; /* look at the clock when so many are done */
    while (cycle.phase != IDLE && done < objects && (done < look || os_now_ns() < deadline_ns)) {
        look = done < look ? look : done + OBJECTS_A_LOOK;
        done += work_on_phase(&component, objects - done);
    }
    for_each_table (table, component.tables)
        table->is_gathered = false;
    check_cycle();
    *candidates = cycle.objects;
    if (cycle.phase == IDLE)
        incremental_end();
    return component.tables;
}
