/* block.h: what replay does with the blocks, the same under every allocator. Each 64 bytes of a
 * block are written once when they come, so that what is asked for is resident. The first and last
 * eight bytes are stamped with a number that no other live block has, and compared when the block
 * is resized or freed: allocators that give memory to two blocks at once do not get by. */
#ifndef BENCH_TRACE_BLOCK_H
#define BENCH_TRACE_BLOCK_H

#include "reader.h"
#include "slot.h"

/* Each carries out an event of the slot with this number. One line on standard error and exit
 * status 1 if the allocator gets it wrong. */
void block_allocate(struct slot *slot, uint32_t number, const struct event *event);
void block_resize(struct slot *slot, uint32_t number, size_t size);
void block_free(struct slot *slot, uint32_t number);

/* Compares a live block's stamps. */
void block_verify(const struct slot *slot, uint32_t number);

#endif
