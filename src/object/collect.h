/* collect.h: one collection: trial deletion over the sides' bitmaps.
 *
 *   gather          the objects of the generation and of younger ones are candidates: white
 *   subtract        edges[object] = its count less the references that candidates hold
 *   find_roots      what has any left is referred to from outside: gray
 *   mark            what is gray is reachable, and so is what it refers to; no longer white, it is
 *                   promoted to the next generation
 *
 * What is still white is garbage. (Lins 1992; the phases as in CPython's collector.) Nothing is
 * written to an object but the flag that it has survived once; edges[] is scratch memory, so a
 * collection that cannot have it has done nothing.
 *
 * Garbage with finalizers or weak callbacks is kept by a reference each while those run; then the
 * question is asked again of the white objects alone, and what has been revived is promoted, too.
 * The rest is condemned: its references are dropped, then its blocks are freed.
 *
 * The world stands still, and side_lock is held, but where code of the program runs. */
#ifndef OBJECT_COLLECT_H
#define OBJECT_COLLECT_H

#include <stdbool.h>
#include <stddef.h>

struct collection {
    int generation;
    bool saves_all;        /* garbage is kept: collect_garbage */
    bool says_collectable; /* each garbage object in a line */
    unsigned stop_ms;      /* how long to wait for other threads */
    size_t candidates;     /* objects looked at */
    size_t survivors;      /* … that were reachable */
    size_t unreachable;    /* found, and not revived */
    size_t revived;        /* by finalizers */
};

/* 0, or an error number: nothing has been freed. The caller is the only one who collects. */
int collect(struct collection *collection);

/* Whether the calling thread is dropping the references of condemned objects. */
bool collect_is_deleting(void);

/* Objects that were kept as garbage: the next one after `object`, or the first. */
size_t collect_garbage(void **out, size_t max);
void collect_clear_garbage(void);

/* ---- Generations (for gc.h); under side_lock in a world that stands still ---- */

enum { COLLECT_ANY = -1, COLLECT_FROZEN = 3 };

/* Calls visit for each tracked live object of a generation: how many; *result: the visitor's when
 * it was not 0. */
size_t collect_visit(int generation, int (*visit)(void *object, void *arg), void *arg);

void collect_freeze(void);
void collect_unfreeze(void);

#endif
