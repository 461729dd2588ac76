/* list.c: lists. Items that leave a list are released when it is whole again. */
#include "compare.h"

#include <string.h>

/* ---- Room ---- */

/* Returns how many items to make room for: `length`, an eighth more, as CPython does, and what
 * their block has beyond that. */
static size_t list_room_for(size_t length)
{
    size_t room = length + length / 8 + 6;
    return molt_good_size(room * sizeof(void *)) / sizeof(void *);
}

/* Hides the items while they move. A forked child may begin in the middle, and collect: it sees an
 * empty list, and the items have counts that nobody holds. */
static size_t hide_items(molt_list *list)
{
    size_t length = list->length;
    list->length = 0;
    atomic_signal_fence(memory_order_seq_cst);
    return length;
}

static void show_items(molt_list *list, size_t length)
{
    atomic_signal_fence(memory_order_seq_cst);
    list->length = length;
}

static bool list_resize(molt_list *list, size_t room)
{
    size_t length = hide_items(list);
    void **items = molt_realloc(list->items, room * sizeof *items);
    if (items != NULL) {
        list->items = items;
        list->room = room;
    }
    show_items(list, length);
    return items != NULL;
}

/* Makes room for `more` further items. False and ENOMEM. */
static bool list_make_room(molt_list *list, size_t more)
{
    if (LIKELY(more <= list->room - list->length))
        return true;
    if (more > PTRDIFF_MAX / 16 - list->length) {
        errno = ENOMEM;
        return false;
    }
    return list_resize(list, list_room_for(list->length + more));
}

/* Gives room back if less than half of it is used; the list stays as it is if that fails. */
static void list_spare_room(molt_list *list)
{
    int saved = errno;
    if (list->length < list->room / 2 && list->room > list_room_for(0))
        list_resize(list, list_room_for(list->length));
    errno = saved;
}

/* ---- Making and asking ---- */

molt_list *molt_list_new(void)
{
    return molt_new(kind_types[KIND_LIST]);
}

size_t molt_list_length(const molt_list *list)
{
    return kind_expect(list, KIND_LIST) ? list->length : 0;
}

/* Whether it is a list with an item at `index`. False and errno. */
static bool list_has_index(const molt_list *list, size_t index)
{
    if (!kind_expect(list, KIND_LIST))
        return false;
    if (index < list->length)
        return true;
    errno = ERANGE;
    return false;
}

/* Whether it is a list, about to be changed, and there is something to put into it. False and
 * EINVAL. */
static bool list_takes(const molt_list *list, const void *item)
{
    if (kind_expect_to_change(list, KIND_LIST) && item != NULL)
        return true;
    errno = EINVAL;
    return false;
}

void *molt_list_get(const molt_list *list, size_t index)
{
    return list_has_index(list, index) ? list->items[index] : NULL;
}

/* ---- Changing ---- */

int molt_list_set(molt_list *list, size_t index, void *item)
{
    if (!list_takes(list, item) || !list_has_index(list, index))
        return -1;
    molt_set(&list->items[index], item);
    return 0;
}

/* Inserts an item, whose reference becomes the list's. There is room. */
static void list_insert(molt_list *list, size_t at, void *item)
{
    void **place = list->items + at;
    size_t length = hide_items(list);
    memmove(place + 1, place, (length - at) * sizeof *place);
    *place = item;
    show_items(list, length + 1);
}

/* Takes out an item, whose reference becomes the caller's, and closes the gap. */
static void *list_take_out(molt_list *list, size_t at)
{
    void **place = list->items + at, *item = *place;
    size_t length = hide_items(list);
    memmove(place, place + 1, (length - 1 - at) * sizeof *place);
    show_items(list, length - 1);
    return item;
}

/* Adds a reference to the item at the end. There is room. */
static void list_append(molt_list *list, void *item)
{
    list->items[list->length] = molt_retain(item);
    show_items(list, list->length + 1);
}

int molt_list_insert(molt_list *list, size_t index, void *item)
{
    if (!list_takes(list, item))
        return -1;
    if (index > list->length) {
        errno = ERANGE;
        return -1;
    }
    if (!list_make_room(list, 1))
        return -1;
    list_insert(list, index, molt_retain(item));
    return 0;
}

int molt_list_append(molt_list *list, void *item)
{
    if (!list_takes(list, item) || !list_make_room(list, 1))
        return -1;
    list_append(list, item);
    return 0;
}

/* Takes out an item, and room that is too much then. */
static void *list_take(molt_list *list, size_t index)
{
    void *item = list_take_out(list, index);
    list_spare_room(list);
    return item;
}

void *molt_list_pop(molt_list *list, size_t index)
{
    molt_begin_change(list);
    return list_has_index(list, index) ? list_take(list, index) : NULL;
}

int molt_list_remove(molt_list *list, const void *item)
{
    if (!list_takes(list, item))
        return -1;
    for (size_t i = 0; i < list->length; i++) {
        int equal = compare_equal(list->items[i], item, 0);
        if (equal == 0)
            continue;
        if (equal > 0)
            molt_release(list_take(list, i));
        return equal > 0 ? 0 : -1;
    }
    errno = ENOENT;
    return -1;
}

int molt_list_clear(molt_list *list)
{
    if (!kind_expect_to_change(list, KIND_LIST))
        return -1;
    void **items = list->items;
    size_t length = list->length;
    list->length = list->room = 0;
    list->items = NULL;
    for (size_t i = 0; i < length; i++)
        molt_release(items[i]);
    molt_free(items);
    return 0;
}

/* ---- Several items at once ---- */

static void list_append_all(molt_list *list, void *const *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        list_append(list, items[i]);
}

/* Making the new list may collect, and a finalizer may change the old one: so that is looked at
 * afterwards. */
molt_list *molt_list_slice(const molt_list *list, size_t from, size_t to)
{
    if (!kind_expect(list, KIND_LIST))
        return NULL;
    molt_list *slice = molt_list_new();
    if (slice == NULL)
        return NULL;
    if (from > to || to > list->length) {
        molt_clear(&slice);
        errno = ERANGE;
    } else if (!list_make_room(slice, to - from)) {
        molt_clear(&slice);
        errno = ENOMEM;
    } else if (from < to) {
        list_append_all(slice, list->items + from, to - from);
    }
    return slice;
}

int molt_list_extend(molt_list *list, const void *items)
{
    if (!list_takes(list, items))
        return -1;
    const molt_list *from = molt_list_is(items) ? items : NULL;
    const molt_tuple *tuple = from == NULL ? items : NULL;
    if (from == NULL && !kind_expect(tuple, KIND_TUPLE))
        return -1;
    size_t count = from != NULL ? from->length : tuple->length;
    if (!list_make_room(list, count))
        return -1;
    /* `from` may be `list`: only now its items are where they stay. */
    list_append_all(list, from != NULL ? from->items : tuple->items, count);
    return 0;
}
