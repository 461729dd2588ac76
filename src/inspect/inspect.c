/* inspect.c: defines the hooks by which the layers below call this one. */
#include "referrers.h"

#include "gc/hooks.h"
#include "object/hooks.h"

#include "molt_object.h"

static append_referrers *const append IN_SECTION("molt_append_referrers") = referrers_append;
static process_report_to *const report IN_SECTION("molt_process_report") = molt_gc_report;
