/* hooks.h: the call by which src/gc reaches src/inspect, which defines it (inspect/inspect.c). */
#ifndef GC_HOOKS_H
#define GC_HOOKS_H

#include "base/attributes.h"

/* Writes a report on the live objects: called at the program's end with MOLT=objects. */
typedef int process_report_to(int fd);
extern HIDDEN process_report_to *const process_report AT_SECTION_START("molt_process_report");

#endif
