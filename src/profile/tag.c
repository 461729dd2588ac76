/* tag.c: the tree of tags, and where in it each thread is. */
#include "tag.h"

#include "chain.h"
#include "memory.h" // profile_memory_take
#include "name.h"

#include "alloc/init.h" // init_done
#include "base/attributes.h"
#include "molt.h"

#include <stddef.h>
#include <stdint.h>

enum { CHAINS = 256 };

struct tag {
    struct chain_link link;
    const struct tag *parent; /* NULL: the first that was pushed */
    const char *name;         /* interned; NULL: of blocks without a tag */
    unsigned depth;           /* tags on the path, this one included */
};

static chain table[CHAINS];

static THREAD_LOCAL struct {
    const struct tag *top; /* NULL: none is pushed */
    unsigned left_out;     /* pushes upon it that found no memory, or were too deep */
} self;

static bool is_equal(const struct chain_link *element, const void *key)
{
    const struct tag *tag = (const struct tag *)element, *wanted = key;
    return tag->parent == wanted->parent && tag->name == wanted->name;
}

static struct chain_link *make(const void *key)
{
    struct tag *tag = profile_memory_take(sizeof *tag);
    if (tag == NULL)
        return NULL;
    *tag = *(const struct tag *)key;
    return &tag->link;
}

/* Returns the branch from `parent` to that name; NULL if it is new and there is no memory. */
static const struct tag *branch(const struct tag *parent, const char *name)
{
    static const struct chain_kind tags = {is_equal, make};
    struct tag key = {.parent = parent, .name = name, .depth = parent ? parent->depth + 1 : 1};
    uint64_t hash = chain_hash(chain_hash(0, (uintptr_t)parent), (uintptr_t)name);
    return (const struct tag *)chain_intern(&table[(hash >> 32) % CHAINS], &tags, &key);
}

/* Returns where a push leads to; NULL: it is left out. */
static const struct tag *pushed(const char *text)
{
    bool is_full = self.left_out > 0 || (self.top != NULL && self.top->depth >= TAG_DEPTH_MAX);
    if (is_full || !init_done())
        return NULL;
    const char *name = text == NULL ? NULL : name_intern(text);
    return text != NULL && name == NULL ? NULL : branch(self.top, name);
}

void molt_tag_push(const char *name)
{
    const struct tag *tag = pushed(name);
    if (tag != NULL)
        self.top = tag;
    else
        self.left_out++;
}

void molt_tag_pop(void)
{
    if (self.left_out > 0)
        self.left_out--;
    else if (self.top != NULL)
        self.top = self.top->parent;
}

const char *tag_current(void)
{
    return self.top == NULL ? NULL : self.top->name;
}
