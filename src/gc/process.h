/* process.h: what is done when the program ends. */
#ifndef GC_PROCESS_H
#define GC_PROCESS_H

#include "base/attributes.h"

/* Writes the report on live objects that MOLT=objects asks for at the program's end: filled in by
 * src/inspect. */
extern HIDDEN int (*process_report)(int fd);

#endif
