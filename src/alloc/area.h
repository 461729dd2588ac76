/* area.h: the stretch of address space that the spans of huge blocks lie in.
 *
 * The kernel puts nothing there by itself, so room for a block to grow is had by leaving addresses
 * free behind it. The area is not reserved, so it costs nothing that a limit counts. */
#ifndef ALLOC_AREA_H
#define ALLOC_AREA_H

#include <stdbool.h>
#include <stddef.h>

/* os_map_at, os_reserve_at; os_map, os_reserve. */
typedef void *area_map_at(void *address, size_t bytes, bool *taken);
typedef void *area_map_anywhere(size_t bytes);

/* Maps `bytes` at a multiple of `alignment` at the next place in the area that has `room` bytes of
 * address space; NULL if there is none. The caller holds huge_lock. */
void *area_map(area_map_at *map, size_t bytes, size_t room, size_t alignment);

/* The same at an address of the kernel's choice. */
void *area_map_outside(area_map_anywhere *map, size_t bytes, size_t alignment);

#endif
