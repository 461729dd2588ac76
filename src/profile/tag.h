/* tag.h: the tags of the calling thread (molt_tag_push, molt_tag_pop).
 *
 * The tags that a thread has pushed, one upon the other, are a path in a tree that all threads
 * share, and the thread has a pointer to its end: a push is a step to a branch, a pop a step back.
 *
 *     (none) --+-- "cache" ---- "index"      a thread here has pushed "cache", then "index"
 *              +-- "index"
 *
 * The tree only grows: by one element for each path that is new. */
#ifndef PROFILE_TAG_H
#define PROFILE_TAG_H

/* Tags beyond this depth are counted, so that pops meet their pushes, and otherwise left out. */
enum { TAG_DEPTH_MAX = 64 };

/* Returns the name that the calling thread has pushed last (name.h); NULL: none. */
const char *tag_current(void);

#endif
