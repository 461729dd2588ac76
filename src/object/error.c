/* error.c: telling what a wrong pointer points to. It reads no memory but blocks for objects that
 * the records of pools vouch for. Referrers are searched for after the line has been begun. */
#include "error.h"

#include "find.h" // object_block_around, object_dead_type
#include "hooks.h"
#include "owner.h"
#include "type.h"

#include "base/report.h"

static const char *name_of(unsigned number)
{
    const struct descriptor *type = type_by_number(number);
    return type != NULL ? type->type->name : "?";
}

const char *error_type_name(const void *object)
{
    return name_of(header_type(header_of(object)));
}

void error_report(const char *operation, const void *object, const char *why)
{
    report_fatal_about(object, NULL, "%s of %p (%s): %s", operation, object,
                       error_type_name(object), why);
}

/* Why the calling thread's use of objects is suspended. */
static const char *why_suspended(const char *in_traverse)
{
    return owner_suspension.traverses != 0 ? in_traverse
                                           : "the thread has said that it uses no object";
}

void error_if_suspended(const char *operation, const void *object, const char *in_traverse)
{
    if (owner_must_not_count())
        error_report(operation, object, why_suspended(in_traverse));
}

void error_new(const molt_type *type)
{
    const char *name = type != NULL && type->name != NULL ? type->name : "?";
    report_fatal("molt_new (%s): %s", name,
                 why_suspended("a traverse callback must not make objects"));
}

void error_weak_get(void)
{
    report_fatal("molt_weak_get: %s", why_suspended("a traverse callback must not count"));
}

void error_fatal(const void *p, const char *format, ...)
{
    struct report_line referrers = {.length = 0};
    va_list arguments;
    va_start(arguments, format);
    report_begin_fatal(format, arguments);
    va_end(arguments);
    object_append_referrers(&referrers, p);
    report_end_fatal(p, &referrers);
}

/* An error unless the block for an object that starts at p holds a live one. */
static void check_block(const char *operation, const void *p)
{
    uint64_t header = header_of(p);
    unsigned tag = header_tag(header);
    if (tag == BLOCK_MARK)
        error_fatal(p, "%s of %p: the object (%s) is dead", operation, p,
                    name_of(object_dead_type(p)));
    if (tag_is_dying(tag))
        error_fatal(p, "%s of %p: the object (%s) is dying", operation, p,
                    name_of(header_type(header)));
    if (tag == TAG_CONDEMNED)
        error_fatal(p, "%s of %p: the object (%s) is being freed by the collector", operation, p,
                    name_of(header_type(header)));
    if (!header_is_live(header))
        error_fatal(p, "%s of %p: its header has been overwritten", operation, p);
}

void error_if_no_object(const char *operation, const void *p)
{
    const void *start = object_block_around(p);
    if (start == NULL)
        error_fatal(p, "%s of %p: not an object", operation, p);
    if (start == p) {
        check_block(operation, p);
        return;
    }
    size_t inside = (size_t)((const char *)p - (const char *)start);
    uint64_t header = header_of(start);
    if (tag_is_live(header_tag(header)))
        error_fatal(p, "%s of %p: %zu bytes inside an object (%s) at %p", operation, p, inside,
                    name_of(header_type(header)), start);
    error_fatal(p, "%s of %p: %zu bytes inside a dead object at %p", operation, p, inside, start);
}
