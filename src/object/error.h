/* error.h: the lines that stop a program which misuses objects. */
#ifndef OBJECT_ERROR_H
#define OBJECT_ERROR_H

#include "molt_object.h"

#include "base/attributes.h"

/* Finds out what p is, says so in one line and aborts:
 *
 *   molt: error: release of 0x…: the object (node) is dead; 0x… (list) +8 refers to it
 *   molt: error: retain of 0x…: 24 bytes inside an object (node) at 0x…
 *
 * Returns if p is a live object after all. */
COLD void error_if_no_object(const char *operation, const void *p);

/* Says why the operation cannot be done on a live object, and aborts. */
COLD _Noreturn void error_report(const char *operation, const void *object, const char *why);

/* Says what is wrong with p, and which fields refer to it, in one line, and aborts. */
COLD _Noreturn void error_fatal(const void *p, const char *format, ...) PRINTF_LIKE(2, 3);

/* An error if the calling thread's use of objects is suspended (owner.h). The reason is
 * `in_traverse`, or that the thread is in a blocking region. */
COLD void error_if_suspended(const char *operation, const void *object, const char *in_traverse);

/* A molt_new, or a molt_weak_get, of a thread whose use of objects is suspended. */
COLD _Noreturn void error_new(const molt_type *type);
COLD _Noreturn void error_weak_get(void);

/* The name of an object's type, for messages, or "?". */
const char *error_type_name(const void *object);

#endif
