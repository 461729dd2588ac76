/* trim.h: giving back all that can be given back. */
#ifndef ALLOC_TRIM_H
#define ALLOC_TRIM_H

#include <stdbool.h>
#include <stddef.h>

/* Gives back what is free in the caller's heap, in parked heaps and in heaps whose threads sleep,
 * then returns free memory to the OS until at most `keep_bytes` of it are left. The bytes returned.
 */
size_t trim(size_t keep_bytes);

/* RLIMIT_AS is about to become `bytes`: gives up the reserved address space, which it would count.
 */
void trim_to_address_limit(size_t bytes);

/* Memory was refused: by the OS, perhaps because of a limit that counts all that is mapped, or by
 * the hard limit (limit.h), which counts free pages. Gives up all mappings that hold no block,
 * under a hard limit free pages, too. Whether there were any, so that it is worth trying again. */
bool trim_for_retry(void);

#endif
