/* dict.c: dicts: an index by hash into entries that lie in the order of insertion.
 *
 *   index     . 2 . . 1 . . 3         an entry's number, at the first free place of its hash's path
 *   entries   1: "b" → …   2: "a" → …   3: (deleted)
 *
 * A deleted entry keeps its number and its place in the index, and has no key: searches pass it.
 * When the array of entries is full, the live ones are copied to a new one, larger if need be.
 * Entries, hashes and index are one block, which begins with the entries (`items`): the only part
 * that the collector knows.
 *
 * The path of a hash is i = 5 i + 1 + perturb, modulo the index's size, where perturb begins as the
 * hash and loses 5 bits at each step. As soon as perturb is 0 the path comes to every place (Hull,
 * Dobell 1962); until then all bits of the hash have a say. Two thirds of the index are used at
 * most, so each search comes to a free place. */
#include "compare.h"

#include <string.h>

#define INDEX_MIN 8u
#define INDEX_MAX ((size_t)1 << 32)

enum { MISSING = -1, FAILED = -2 };

/* ---- The index ---- */

static size_t room_of(size_t index_size)
{
    return index_size / 3 * 2 + index_size % 3 / 2;
}

static unsigned width_for(size_t room)
{
    return room <= UINT8_MAX ? 1 : room <= UINT16_MAX ? 2 : 4;
}

/* Returns what a place holds: an entry's number + 1; 0: nothing. */
static size_t index_get(const molt_dict *dict, size_t at)
{
    switch (dict->index_width) {
    case 1:
        return ((const uint8_t *)dict->index)[at];
    case 2:
        return ((const uint16_t *)dict->index)[at];
    default:
        return ((const uint32_t *)dict->index)[at];
    }
}

static void index_set(molt_dict *dict, size_t at, size_t number)
{
    switch (dict->index_width) {
    case 1:
        ((uint8_t *)dict->index)[at] = (uint8_t)number;
        return;
    case 2:
        ((uint16_t *)dict->index)[at] = (uint16_t)number;
        return;
    default:
        ((uint32_t *)dict->index)[at] = (uint32_t)number;
    }
}

static size_t dict_next_place(const molt_dict *dict, size_t at, uint64_t *perturb)
{
    *perturb >>= 5;
    return (at * 5 + 1 + *perturb) & dict->index_mask;
}

/* Gives a new entry the first free place of its path. */
static void index_add(molt_dict *dict, uint64_t hash, size_t entry)
{
    uint64_t perturb = hash;
    size_t at = hash & dict->index_mask;
    while (index_get(dict, at) != 0)
        at = dict_next_place(dict, at, &perturb);
    index_set(dict, at, entry + 1);
}

/* Returns the number of the key's entry, MISSING, or FAILED and errno. */
static int64_t dict_find(const molt_dict *dict, const void *key, uint64_t hash, unsigned depth)
{
    if (dict->live == 0)
        return MISSING;
    uint64_t perturb = hash;
    size_t at = hash & dict->index_mask, number;
    for (; (number = index_get(dict, at)) != 0; at = dict_next_place(dict, at, &perturb)) {
        const void *other = dict->items[2 * (number - 1)];
        if (dict->hashes[number - 1] != hash || other == NULL)
            continue;
        int equal = compare_equal(other, key, depth);
        if (equal != 0)
            return equal > 0 ? (int64_t)number - 1 : FAILED;
    }
    return MISSING;
}

/* ---- Entries ---- */

static size_t entry_count(const molt_dict *dict)
{
    return dict->item_count / 2;
}

/* Adds an entry; the references to key and value become the dict's. There is room. */
static void dict_add_entry(molt_dict *dict, void *key, void *value, uint64_t hash)
{
    size_t entry = entry_count(dict);
    dict->items[2 * entry] = key;
    dict->items[2 * entry + 1] = value;
    dict->hashes[entry] = hash;
    atomic_signal_fence(memory_order_release);
    dict->item_count += 2;
    dict->live++;
    index_add(dict, hash, entry);
}

/* Sets up an empty table with room for `count` entries or more. False and ENOMEM; the dict stays as
 * it is then. */
static bool dict_make_table(molt_dict *dict, size_t count)
{
    size_t size = INDEX_MIN;
    while (size < INDEX_MAX && room_of(size) < count)
        size *= 2;
    size_t room = room_of(size);
    unsigned width = width_for(room);
    if (room < count) {
        errno = ENOMEM;
        return false;
    }
    void **items = molt_malloc(room * (2 * sizeof *items + sizeof(uint64_t)) + size * width);
    if (items == NULL)
        return false;
    uint64_t *hashes = (uint64_t *)(items + 2 * room);
    /* A forked child may begin here, and collect: it sees an empty dict. */
    dict->item_count = dict->live = 0;
    atomic_signal_fence(memory_order_seq_cst);
    dict->items = items;
    dict->room = room;
    dict->hashes = hashes;
    dict->index = memset(hashes + room, 0, size * width);
    dict->index_mask = size - 1;
    dict->index_width = width;
    return true;
}

/* Makes room for one more entry, by a table for twice the live ones. False and ENOMEM. */
static bool dict_make_room(molt_dict *dict)
{
    if (LIKELY(entry_count(dict) < dict->room))
        return true;
    molt_dict old = *dict;
    if (!dict_make_table(dict, old.live * 2 + 1))
        return false;
    for (size_t i = 0; i < entry_count(&old); i++)
        if (old.items[2 * i] != NULL)
            dict_add_entry(dict, old.items[2 * i], old.items[2 * i + 1], old.hashes[i]);
    molt_free(old.items);
    return true;
}

/* Leaves the dict as a new one is; its items are the caller's. */
static void forget_table(molt_dict *dict)
{
    dict->item_count = dict->live = dict->room = 0;
    dict->items = NULL;
    dict->index = dict->hashes = NULL;
}

/* ---- Making and asking ---- */

molt_dict *molt_dict_new(void)
{
    return molt_new(kind_types[KIND_DICT]);
}

size_t molt_dict_length(const molt_dict *dict)
{
    return kind_expect(dict, KIND_DICT) ? dict->live : 0;
}

/* Returns the number of the entry of any key; MISSING; or FAILED and errno: no dict, no key. */
static int64_t dict_search(const molt_dict *dict, const void *key, uint64_t *hash)
{
    if (!kind_expect(dict, KIND_DICT) || molt_hash(key, hash) != 0)
        return FAILED;
    return dict_find(dict, key, *hash, 0);
}

/* The same for callers to whom a missing key is an error. */
static int64_t search_existing(const molt_dict *dict, const void *key)
{
    uint64_t hash;
    int64_t entry = dict_search(dict, key, &hash);
    if (entry == MISSING)
        errno = ENOENT;
    return entry;
}

void *molt_dict_get(const molt_dict *dict, const void *key)
{
    int64_t entry = search_existing(dict, key);
    return entry >= 0 ? dict->items[2 * entry + 1] : NULL;
}

int molt_dict_contains(const molt_dict *dict, const void *key)
{
    uint64_t hash;
    int64_t entry = dict_search(dict, key, &hash);
    return entry == FAILED ? -1 : entry != MISSING;
}

bool molt_dict_next(const molt_dict *dict, size_t *position, void **key, void **value)
{
    if (!kind_expect(dict, KIND_DICT))
        return false;
    size_t i = *position;
    while (i < entry_count(dict) && dict->items[2 * i] == NULL)
        i++;
    *position = i + 1;
    if (i >= entry_count(dict))
        return false;
    if (key != NULL)
        *key = dict->items[2 * i];
    if (value != NULL)
        *value = dict->items[2 * i + 1];
    return true;
}

/* Whether each entry of `a` is in `b`, two dicts of one length. 1 or 0; -1 and errno. */
static int is_part(const molt_dict *a, const molt_dict *b, unsigned depth)
{
    for (size_t i = 0; i < entry_count(a); i++) {
        if (a->items[2 * i] == NULL)
            continue;
        int64_t entry = dict_find(b, a->items[2 * i], a->hashes[i], depth);
        if (entry < 0)
            return entry == FAILED ? -1 : 0;
        int equal = compare_equal(a->items[2 * i + 1], b->items[2 * entry + 1], depth);
        if (equal != 1)
            return equal;
    }
    return 1;
}

int dict_equal(const molt_dict *a, const molt_dict *b, unsigned depth)
{
    if (a->live != b->live)
        return 0;
    return depth_fits(depth) ? is_part(a, b, depth + 1) : -1;
}

/* ---- Changing ---- */

int molt_dict_set(molt_dict *dict, void *key, void *value)
{
    uint64_t hash;
    molt_begin_change(dict);
    int64_t entry = dict_search(dict, key, &hash);
    if (entry != FAILED && value == NULL) {
        errno = EINVAL;
        return -1;
    }
    if (entry == FAILED || (entry == MISSING && !dict_make_room(dict)))
        return -1;
    if (entry == MISSING)
        dict_add_entry(dict, molt_retain(key), molt_retain(value), hash);
    else
        molt_set(&dict->items[2 * entry + 1], value);
    return 0;
}

int molt_dict_delete(molt_dict *dict, const void *key)
{
    molt_begin_change(dict);
    int64_t entry = search_existing(dict, key);
    if (entry < 0)
        return -1;
    void *old_key = molt_take(&dict->items[2 * entry]);
    void *old_value = molt_take(&dict->items[2 * entry + 1]);
    dict->live--;
    molt_release(old_key);
    molt_release(old_value);
    return 0;
}

int molt_dict_clear(molt_dict *dict)
{
    if (!kind_expect_to_change(dict, KIND_DICT))
        return -1;
    void **items = dict->items;
    size_t count = dict->item_count;
    forget_table(dict);
    for (size_t i = 0; i < count; i++)
        molt_release(items[i]);
    molt_free(items);
    return 0;
}
