/* reached.c: what the leak finder asks of objects (profile/reach.h). */
#include "walk.h"

#include "base/fork.h" // fork_set_repair
#include "gc/repair.h"
#include "object/gc_table.h"
#include "object/type.h"
#include "profile/reach.h"

/* A forked child has to free the lock, also where the process has no objects. */
static bool lock_larges(void)
{
    if (gc_table_lock_is_mine())
        return false;
    fork_set_repair(FORK_OBJECT, repair_objects);
    gc_table_lock_acquire();
    return true;
}

static void each_large(void (*visit)(uintptr_t block, size_t front, void *context), void *context)
{
    for (struct link *link = gc_table_all.next; link != &gc_table_all; link = link->next) {
        const struct gc_table *table = LINK_OWNER(link, struct gc_table, all);
        if (table->pool != NULL)
            continue;
        uintptr_t block = (uintptr_t)large_of((void *)table->start)->block;
        visit(block, table->start - block, context);
    }
}

struct word_visit {
    void (*visit)(uintptr_t word, void *context);
    void *context;
};

static int visit_reference(void *target, struct place place, void *context)
{
    const struct word_visit *word_visit = context;
    (void)place;
    word_visit->visit((uintptr_t)target, word_visit->context);
    return 0;
}

static void each_reference(void *p, void (*visit)(uintptr_t word, void *context), void *context)
{
    struct word_visit word_visit = {visit, context};
    if (header_is_live(header_of(p)))
        walk_declared_references(p, visit_reference, &word_visit);
}

static const struct leak_hooks hooks IN_SECTION("molt_leak_hooks") = {
    .lock = lock_larges,
    .unlock = gc_table_lock_release,
    .each_large = each_large,
    .each_reference = each_reference,
};
