/* kind.c: the types of the values. */
#include "kind.h"

static void list_dispose(void *list)
{
    molt_free(((molt_list *)list)->items);
}

/* The hashes and the index lie behind the items, in the same block (dict.c). */
static void dict_dispose(void *dict)
{
    molt_free(((molt_dict *)dict)->items);
}

MOLT_TYPE(int_type, molt_int, .flags = MOLT_LEAF);
MOLT_TYPE(str_type, molt_str, .flags = MOLT_LEAF);
MOLT_TYPE(list_type, molt_list, MOLT_REF_ARRAY(molt_list, items, length), .dispose = list_dispose);
MOLT_TYPE(tuple_type, molt_tuple, .flags = MOLT_TRAILING_REFS);
MOLT_TYPE(dict_type, molt_dict, MOLT_REF_ARRAY(molt_dict, items, item_count),
          .dispose = dict_dispose);

const molt_type *const kind_types[KINDS] = {
    [KIND_INT] = &int_type,     [KIND_STR] = &str_type,   [KIND_LIST] = &list_type,
    [KIND_TUPLE] = &tuple_type, [KIND_DICT] = &dict_type,
};

enum kind kind_of(const void *object)
{
    const molt_type *type = molt_typeof(object);
    for (enum kind kind = KIND_INT; kind < KINDS; kind++)
        if (type == kind_types[kind])
            return kind;
    return KIND_OTHER;
}

bool molt_int_is(const void *object)
{
    return kind_of(object) == KIND_INT;
}

bool molt_str_is(const void *object)
{
    return kind_of(object) == KIND_STR;
}

bool molt_list_is(const void *object)
{
    return kind_of(object) == KIND_LIST;
}

bool molt_tuple_is(const void *object)
{
    return kind_of(object) == KIND_TUPLE;
}

bool molt_dict_is(const void *object)
{
    return kind_of(object) == KIND_DICT;
}
