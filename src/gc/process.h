/* process.h: what the collector does when the process begins to use objects, and when it ends. */
#ifndef GC_PROCESS_H
#define GC_PROCESS_H

#include "base/attributes.h"

/* Writes a report on the live objects: called at the program's end with MOLT=objects. src/inspect
 * sets it; NULL: nothing is written. */
extern HIDDEN int (*process_report)(int fd);

#endif
