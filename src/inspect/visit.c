/* visit.c: all objects, and what refers to what, told to the program. */
#include "walk.h"

#include "gc/gc.h"
#include "gc/generation.h"
#include "gc/pause.h"
#include "object/error.h"
#include "object/gc_table.h"
#include "object/type.h"

#include <errno.h>

/* What cannot be done says so by errno. */
static bool begin(struct pause *pause)
{
    int error = pause_begin_still(pause);
    if (error != 0)
        pause_fail(error);
    return error == 0;
}

static size_t visit_all(int generation, molt_visit *visit, void *arg)
{
    struct pause pause;
    if (!begin(&pause))
        return 0;
    size_t count = generation_visit(generation, visit, arg);
    pause_end(&pause);
    return count;
}

size_t molt_gc_objects(int generation, molt_visit *visit, void *arg)
{
    if (generation < -1 || generation > 2) {
        errno = EINVAL;
        return 0;
    }
    return visit_all(generation, visit, arg);
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
    const struct descriptor *type = type_of(object);
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
    struct pause pause;
    if (object == NULL)
        return 0;
    error_if_no_object("molt_gc_referents", object);
    if (!begin(&pause))
        return 0;
    const struct descriptor *type = type_of(object);
    type_visit(type, object, tell_target, &search);
    pause_end(&pause);
    return search.count;
}
