/* listener.h: what tracers hear by the probes (probe.h): the samples that are taken while one
 * listens, and the frees of these, and of no other block. They are kept apart from the profile's
 * records: a profile that the program takes or has taken is the same whoever listens. */
#ifndef PROFILE_LISTENER_H
#define PROFILE_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

/* An allocation of `size` bytes in a block of `bytes` was sampled, one in `mean` bytes. Returns
 * whether it was told: not if nobody listens, or if there is no memory to note it. Any thread, at
 * any time. */
bool listener_allocated(void *block, size_t size, size_t bytes, size_t mean);

/* The block is about to be freed; it may be one that was not told. */
void listener_freed(void *block);

#endif
