/* visit.c: telling the program of all objects, and of which refers to which. */
#include "walk.h"

#include "gc/exclusive.h"
#include "gc/generation.h"
#include "object/error.h"
#include "object/gc_table.h"
#include "object/type.h"

#include <errno.h>

/* False: the world cannot be stopped; errno tells why. */
static bool begin_visit(struct exclusive *exclusive)
{
    int error = exclusive_begin_still(exclusive);
    if (error != 0)
        exclusive_fail(error);
    return error == 0;
}

static size_t visit_all(int generation, molt_visit *visit, void *arg)
{
    struct exclusive exclusive;
    if (!begin_visit(&exclusive))
        return 0;
    size_t count = generation_visit(generation, visit, arg);
    exclusive_end(&exclusive);
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

struct visitor {
    void *wanted;      /* the object whose referrers are told */
    molt_visit *visit; /* the program's; not called any more when `result` is not 0 */
    void *arg;
    size_t count;
    int result;
};

static int is_wanted_target(void *target, void *context)
{
    return target == ((struct visitor *)context)->wanted;
}

static int tell_visitor(void *object, void *context)
{
    struct visitor *visitor = context;
    visitor->count++;
    if (visitor->visit != NULL && visitor->result == 0)
        visitor->result = visitor->visit(object, visitor->arg);
    return 0;
}

static int tell_if_referrer(void *object, void *context)
{
    return type_visit(type_of(object), object, is_wanted_target, context) != 0
               ? tell_visitor(object, context)
               : 0;
}

size_t molt_gc_referrers(void *object, molt_visit *visit, void *arg)
{
    struct visitor visitor = {.wanted = object, .visit = visit, .arg = arg};
    if (object != NULL)
        visit_all(GENERATION_ANY, tell_if_referrer, &visitor);
    return visitor.count;
}

size_t molt_gc_referents(void *object, molt_visit *visit, void *arg)
{
    struct visitor visitor = {.visit = visit, .arg = arg};
    struct exclusive exclusive;
    if (object == NULL)
        return 0;
    error_if_no_object("molt_gc_referents", object);
    if (!begin_visit(&exclusive))
        return 0;
    type_visit(type_of(object), object, tell_visitor, &visitor);
    exclusive_end(&exclusive);
    return visitor.count;
}
