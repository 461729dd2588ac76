/* chain.h: hash tables whose elements are never moved or freed, so that an element is known by its
 * address: names, tags, sites.
 *
 * A table is an array of chains. A new element becomes its chain's first by one compare-and-swap,
 * and its `next` never changes from then on. So finding and adding need no lock: any thread may do
 * so at any time, in a signal handler, too, and in a forked child. */
#ifndef PROFILE_CHAIN_H
#define PROFILE_CHAIN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The first member of every element. */
struct chain_link {
    struct chain_link *next; /* an older one */
};

typedef _Atomic(struct chain_link *) chain;

/* What a table holds; `key` is what the table's owner compares elements with. */
struct chain_kind {
    bool (*is_equal)(const struct chain_link *element, const void *key);
    struct chain_link *(*make)(const void *key); /* an element with that key; NULL: no memory */
};

/* Returns the one element of the chain that is equal to the key, a new one if there is none; NULL
 * if there is no memory for that. An element that was made while another thread added an equal one
 * is dropped. */
struct chain_link *chain_intern(chain *in, const struct chain_kind *kind, const void *key);

/* Returns a hash of `hash` and one more word of a key. Its upper half is the more random one. */
static inline uint64_t chain_hash(uint64_t hash, uint64_t word)
{
    return ((hash >> 32 ^ hash) + word + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

#endif
