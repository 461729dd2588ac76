/* name.c: the table of names. */
#include "name.h"

#include "chain.h"
#include "memory.h" // profile_memory_take

#include <stddef.h>
#include <string.h>

enum { CHAINS = 256 };

struct name {
    struct chain_link link;
    size_t length;
    char text[]; /* NUL-terminated */
};

/* What a name is looked for by: bytes, with no NUL behind them where they were cut. */
struct bytes {
    const char *start;
    size_t length;
};

static chain table[CHAINS];

static bool is_equal(const struct chain_link *element, const void *key)
{
    const struct name *name = (const struct name *)element;
    const struct bytes *bytes = key;
    return name->length == bytes->length && memcmp(name->text, bytes->start, bytes->length) == 0;
}

static struct chain_link *make(const void *key)
{
    const struct bytes *bytes = key;
    struct name *name = profile_memory_take(sizeof *name + bytes->length + 1);
    if (name == NULL)
        return NULL;
    name->length = bytes->length;
    memcpy(name->text, bytes->start, bytes->length);
    return &name->link;
}

const char *name_intern(const char *text)
{
    static const struct chain_kind names = {is_equal, make};
    struct bytes bytes = {.start = text};
    uint64_t hash = 0;
    while (bytes.length < NAME_BYTES_MAX && text[bytes.length] != '\0')
        hash = chain_hash(hash, (unsigned char)text[bytes.length++]);
    struct name *name = (struct name *)chain_intern(&table[(hash >> 32) % CHAINS], &names, &bytes);
    return name == NULL ? NULL : name->text;
}
