/* inspect.c: looking at objects and what refers to what. */
#include "error.h"
#include "gc.h"
#include "generation.h"
#include "look.h"
#include "side.h"
#include "type.h"

#include <errno.h>

static int visit_none(void *object, void *arg)
{
    (void)object, (void)arg;
    return 0;
}

/* What cannot be done says so by errno. */
static bool begin(struct look *look)
{
    int error = look_begin_still(look);
    if (error != 0)
        look_fail(error);
    return error == 0;
}

static size_t visit_all(int generation, molt_visit *visit, void *arg)
{
    struct look look;
    if (!begin(&look))
        return 0;
    size_t count = generation_visit(generation, visit, arg);
    look_end(&look);
    return count;
}

size_t molt_gc_objects(int generation, molt_visit *visit, void *arg)
{
    if (generation < -1 || generation > 2) {
        errno = EINVAL;
        return 0;
    }
    return visit_all(generation, visit != NULL ? visit : visit_none, arg);
}

/* Reads headers alone, so the others need not stand still. */
size_t molt_gc_frozen_count(void)
{
    struct look look;
    int error = look_begin(&look);
    if (error != 0) {
        look_fail(error);
        return 0;
    }
    size_t count = generation_visit(GENERATION_FROZEN, visit_none, NULL);
    look_end(&look);
    return count;
}

void molt_gc_freeze(void)
{
    struct look look;
    if (!begin(&look))
        return;
    generation_freeze();
    gc_reset_counts(2);
    look_end(&look);
}

void molt_gc_unfreeze(void)
{
    struct look look;
    if (!begin(&look))
        return;
    generation_unfreeze();
    look_end(&look);
}

/* ---- References ---- */

struct search {
    void *wanted;
    molt_visit *visit;
    void *arg;
    size_t count;
    int result;
};

static int is_wanted(void *target, void *context)
{
    return target == ((struct search *)context)->wanted;
}

static int ask_object(void *object, void *context)
{
    struct search *search = context;
    const struct descriptor *type = type_by_number(header_type(header_of(object)));
    if (!type_visit(type, object, is_wanted, search))
        return 0;
    search->count++;
    if (search->visit != NULL && search->result == 0)
        search->result = search->visit(object, search->arg);
    return 0;
}

size_t molt_gc_referrers(void *object, molt_visit *visit, void *arg)
{
    struct search search = {.wanted = object, .visit = visit, .arg = arg};
    if (object != NULL)
        visit_all(GENERATION_ANY, ask_object, &search);
    return search.count;
}

static int tell_target(void *target, void *context)
{
    struct search *search = context;
    search->count++;
    if (search->visit != NULL && search->result == 0)
        search->result = search->visit(target, search->arg);
    return 0;
}

size_t molt_gc_referents(void *object, molt_visit *visit, void *arg)
{
    struct search search = {.visit = visit, .arg = arg};
    struct look look;
    if (object == NULL)
        return 0;
    error_if_no_object("molt_gc_referents", object);
    if (!begin(&look))
        return 0;
    const struct descriptor *type = type_by_number(header_type(header_of(object)));
    type_visit(type, object, tell_target, &search);
    look_end(&look);
    return search.count;
}

bool molt_gc_is_tracked(const void *object)
{
    if (object == NULL)
        return false;
    error_if_no_object("molt_gc_is_tracked", object);
    uint64_t header = header_of(object);
    return type_by_number(header_type(header))->tracked && (header & HEADER_UNTRACKED) == 0;
}

void molt_gc_untrack(void *object)
{
    if (object == NULL)
        return;
    error_if_no_object("molt_gc_untrack", object);
    header_set(object, header_of(object) | HEADER_UNTRACKED);
}

bool molt_gc_is_finalized(const void *object)
{
    if (object == NULL)
        return false;
    error_if_no_object("molt_gc_is_finalized", object);
    return (header_of(object) & HEADER_FINALIZED) != 0;
}
