/* trim.h: giving back all that can be given back. */
#ifndef ALLOC_TRIM_H
#define ALLOC_TRIM_H

#include <stdbool.h>
#include <stddef.h>

/* Empties the caller's heap and the parked ones as far as possible, then returns free memory to the
 * OS until at most `keep_bytes` of it are left. The bytes returned. */
size_t trim(size_t keep_bytes);

/* RLIMIT_AS is about to become `bytes`: reserved address space would count. */
void trim_to_address_limit(size_t bytes);

/* The OS has refused memory: gives up all mappings that hold nothing, for limits count mappings.
 * Whether it is worth trying again. */
bool trim_mappings(void);

#endif
