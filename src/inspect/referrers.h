/* referrers.h: which fields refer to an address: for the line that stops a program. */
#ifndef INSPECT_REFERRERS_H
#define INSPECT_REFERRERS_H

#include "base/attributes.h"
#include "base/report.h"

/* Appends "; 0x… (list) +8 refers to it", or "… +8 and 2 more fields refer to it". Nothing if no
 * declared field of a live object does, if another thread collects, or if one does not come to
 * stand still in a tenth of a second; what traverse callbacks would tell is not asked for. */
COLD void referrers_append(struct report_line *line, const void *p);

#endif
