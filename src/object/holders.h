/* holders.h: which fields refer to an address: for the line that stops a program. */
#ifndef OBJECT_HOLDERS_H
#define OBJECT_HOLDERS_H

#include "base/attributes.h"
#include "base/report.h"

/* Appends "; 0x… (struct list) +8 refers to it", or "… +8 and 2 more fields refer to it". Nothing
 * if no declared field of a live object does, or if the others do not soon come to stand still;
 * what traverse callbacks would tell is not asked for. Waits for nobody who may be waiting for the
 * calling thread. */
COLD void holders_append(struct report_line *line, const void *p);

#endif
