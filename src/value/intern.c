/* intern.c: the table of interned strings, which does not keep them alive.
 *
 *     table ──► [ entry | NULL | GONE | entry … ]        by the strings' hashes, probed in a row
 *                  └──► the string, borrowed, and a weak reference to it
 *
 * A string that dies stays in memory until its death has been told (on_death), and that waits for
 * the guard. So under the guard the string of each entry is still in memory and may be compared.
 * Only the weak reference knows whether it still lives, and so may be given out. If an equal string
 * is interned while it is dying, that takes its place in the table, and on_death finds the entry
 * gone.
 *
 * All changes are single stores, of a place or of `table`: see guard.h. */
#include "compare.h"
#include "guard.h"

#define PLACES_MIN 64u

struct entry {
    const molt_str *string;
    uint64_t hash;
    molt_weak *weak;
};

struct table {
    size_t mask;  /* places - 1, a power of two less one */
    size_t taken; /* places that are not NULL: live <= taken <= 3/4 of all */
    size_t live;  /* places that hold an entry */
    struct entry *places[];
};

static struct table *table; /* NULL: nothing is interned */

static struct entry gone; /* what a place holds whose entry has been taken out */
#define GONE (&gone)

/* ---- Places ---- */

static struct table *intern_make_table(size_t places)
{
    struct table *made = molt_calloc(1, sizeof *made + places * sizeof(void *));
    if (made != NULL)
        made->mask = places - 1;
    return made;
}

/* Returns the first free place, from the hash's own on. */
static struct entry **intern_free_place(struct table *in, uint64_t hash)
{
    size_t at = hash & in->mask;
    while (in->places[at] != NULL && in->places[at] != GONE)
        at = (at + 1) & in->mask;
    return &in->places[at];
}

static void intern_put(struct table *in, struct entry *entry)
{
    struct entry **place = intern_free_place(in, entry->hash);
    in->taken += *place == NULL;
    in->live++;
    *place = entry;
}

/* Makes room for one more entry: the table is three quarters full at most. False and ENOMEM. */
static bool intern_make_room(void)
{
    if (table != NULL && table->taken < (table->mask + 1) / 4 * 3)
        return true;
    size_t places = PLACES_MIN;
    while (table != NULL && places / 2 <= table->live)
        places *= 2;
    struct table *made = intern_make_table(places);
    if (made == NULL)
        return false;
    struct table *old = table;
    for (size_t i = 0; old != NULL && i <= old->mask; i++)
        if (old->places[i] != NULL && old->places[i] != GONE)
            intern_put(made, old->places[i]);
    table = made;
    molt_free(old);
    return true;
}

static bool is_of(const struct entry *entry, const molt_str *string, uint64_t hash)
{
    return entry != GONE && entry->hash == hash && compare_strings(entry->string, string);
}

/* Returns where the entry of a string with that content is, be the string alive or dying; NULL:
 * nowhere. */
static struct entry **intern_find(const molt_str *string, uint64_t hash)
{
    if (table == NULL)
        return NULL;
    for (size_t at = hash & table->mask; table->places[at] != NULL; at = (at + 1) & table->mask)
        if (is_of(table->places[at], string, hash))
            return &table->places[at];
    return NULL;
}

static void intern_take_out(struct entry **place)
{
    *place = GONE;
    if (--table->live == 0) {
        struct table *old = table;
        table = NULL;
        molt_free(old);
    }
}

/* ---- Entries ---- */

static void free_entry(struct entry *entry)
{
    molt_weak_free(entry->weak);
    molt_free(entry);
}

static void on_death(molt_weak *weak, void *arg)
{
    struct entry *entry = arg;
    (void)weak;
    guard_acquire();
    struct entry **place = intern_find(entry->string, entry->hash);
    if (place != NULL && *place == entry)
        intern_take_out(place);
    guard_release();
    free_entry(entry);
}

static struct entry *make_entry(molt_str *string, uint64_t hash)
{
    struct entry *entry = molt_malloc(sizeof *entry);
    if (entry == NULL)
        return NULL;
    *entry = (struct entry){.string = string, .hash = hash};
    entry->weak = molt_weak_new(string, on_death, entry);
    if (entry->weak != NULL)
        return entry;
    molt_free(entry);
    return NULL;
}

/* ---- Interning ---- */

/* Returns a reference to the interned string of that content if one lives, else NULL. */
static molt_str *intern_get(const molt_str *string, uint64_t hash)
{
    struct entry **place = intern_find(string, hash);
    return place != NULL ? molt_weak_get((*place)->weak) : NULL;
}

/* Gives the entry a place: that of an equal string, which is dying, if there is one. False and
 * ENOMEM. */
static bool intern_add(struct entry *entry)
{
    struct entry **place = intern_find(entry->string, entry->hash);
    if (place != NULL)
        *place = entry;
    else if (intern_make_room())
        intern_put(table, entry);
    else
        return false;
    return true;
}

static molt_str *get_guarded(const molt_str *string, uint64_t hash)
{
    guard_acquire();
    molt_str *found = intern_get(string, hash);
    guard_release();
    return found;
}

/* Makes the string the interned one, unless another thread was faster. Returns a reference to the
 * interned one, or NULL and ENOMEM. */
static molt_str *get_or_add(molt_str *string, uint64_t hash)
{
    struct entry *entry = make_entry(string, hash);
    if (entry == NULL)
        return NULL;
    guard_acquire();
    molt_str *found = intern_get(string, hash);
    bool is_added = found == NULL && intern_add(entry);
    guard_release();
    if (is_added)
        return molt_retain(string);
    free_entry(entry);
    return found;
}

molt_str *molt_str_intern(molt_str *string)
{
    if (!kind_expect(string, KIND_STR))
        return NULL;
    uint64_t hash = hash_of_string(string);
    molt_str *found = get_guarded(string, hash);
    return found != NULL ? found : get_or_add(string, hash);
}
