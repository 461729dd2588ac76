/* requests.h: requests for memory that fail. The linker has all callers of the functions that
 * requests.c names come to it first: those with which programs ask for memory and objects, and
 * those with which the object layer asks the heap and the system. */
#ifndef UNIT_REQUESTS_H
#define UNIT_REQUESTS_H

#include <stdbool.h>

/* The nth request from now fails, that one alone; 0: none does. */
void requests_fail(unsigned long nth);

/* The nth and all after it fail. */
void requests_fail_from(unsigned long nth);

/* Whether one has failed since. */
bool requests_have_failed(void);

/* At the next request something else happens first, as if another thread had been faster. */
void requests_meanwhile(void (*function)(void));

#endif
