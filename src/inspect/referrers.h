/* referrers.h: the fields that refer to an address, for the line that stops a program. */
#ifndef INSPECT_REFERRERS_H
#define INSPECT_REFERRERS_H

#include "base/attributes.h"
#include "base/report.h"

/* Appends "; 0x… (list) +8 refers to it", or "… +8 and 2 more fields refer to it". Appends nothing
 * if no declared field of a live object refers to p, if another thread collects, or if one does not
 * stand still within a tenth of a second. Traverse callbacks are not called. */
COLD void referrers_append(struct report_line *line, const void *p);

#endif
