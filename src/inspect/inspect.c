/* inspect.c: fills in the hooks by which the layers below call this one. */
#include "referrers.h"

#include "gc/process.h" // process_report
#include "object/hooks.h"

#include "molt_object.h"

__attribute__((constructor)) static void fill_hooks(void)
{
    object_hooks.append_referrers = referrers_append;
    process_report = molt_gc_report;
}
