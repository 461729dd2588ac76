/* walk.c: walking over references, and writing of places and types. */
#include "walk.h"

#include "object/type.h"
#include "os/os.h" // os_is_readable

#define NAME_SHOWN_MAX 120 /* letters of a type's name in a line */

/* ---- References ---- */

static bool array_is_readable(const struct slots *slots)
{
    return (uintptr_t)slots->array % sizeof(void *) == 0 &&
           slots->array_count <= PTRDIFF_MAX / sizeof(void *) &&
           os_is_readable(slots->array, slots->array_count * sizeof(void *));
}

/* The object's slots; none, if its header has been overwritten with the type of larger objects. */
static struct slots slots_inside(void *object)
{
    const struct descriptor *type = type_of(object);
    size_t bytes = object_bytes(object);
    if (bytes < type->size)
        return (struct slots){.object = object};
    return type_slots(type, object, bytes);
}

bool walk_array_is_wild(void *object)
{
    struct slots slots = slots_inside(object);
    return slots.array_count != 0 && !array_is_readable(&slots);
}

static struct place place_of(const struct slots *slots, size_t number)
{
    const molt_slot *slot = slots_at(slots, number);
    if (number >= slots->field_count && number - slots->field_count < slots->array_count)
        return (struct place){PLACE_ARRAY, number - slots->field_count};
    return (struct place){PLACE_WORD, (size_t)((const char *)slot - slots->object)};
}

int walk_declared_references(void *object, place_visit *visit, void *context)
{
    struct slots slots = slots_inside(object);
    if (slots.array_count != 0 && !array_is_readable(&slots))
        slots.array_count = 0;
    for (size_t i = 0; i < slots_count(&slots); i++) {
        void *target = *slots_at(&slots, i);
        int result = target == NULL ? 0 : visit(target, place_of(&slots, i), context);
        if (result != 0)
            return result;
    }
    return 0;
}

struct placed_visit {
    place_visit *visit;
    void *context;
};

static int visit_told(void *target, void *context)
{
    const struct placed_visit *placed_visit = context;
    struct place place = {PLACE_TRAVERSE, 0};
    return placed_visit->visit(target, place, placed_visit->context);
}

int walk_references(void *object, place_visit *visit, void *context)
{
    const struct descriptor *type = type_of(object);
    int result = walk_declared_references(object, visit, context);
    struct placed_visit placed_visit = {visit, context};
    return result == 0 && type->has_traverse
               ? type_traverse(type, object, visit_told, &placed_visit)
               : result;
}

bool walk_declares(const void *object, size_t offset)
{
    const struct descriptor *type = type_of(object);
    for (uint32_t n = 0; n < type->field_count; n++)
        if ((size_t)type->fields[n] * 8 == offset)
            return true;
    const molt_type *declared = type->type;
    return type->has_more && (declared->flags & MOLT_TRAILING_REFS) != 0 &&
           offset >= declared->size;
}

/* ---- Lines ---- */

void walk_append_place(struct report_line *line, struct place place)
{
    switch (place.kind) {
    case PLACE_WORD:
        report_append(line, "+%zu", place.at);
        break;
    case PLACE_ARRAY:
        report_append(line, "[%zu]", place.at);
        break;
    default:
        report_append(line, "traverse");
        break;
    }
}

void walk_append_type(struct report_line *line, unsigned type_number, bool for_dot)
{
    const struct descriptor *type = type_by_number(type_number);
    const char *name = type != NULL ? type->type->name : "?";
    for (size_t i = 0; name[i] != '\0' && i < NAME_SHOWN_MAX; i++) {
        char letter[] = {name[i], '\0'};
        bool is_escaped = for_dot && (name[i] == '"' || name[i] == '\\');
        report_append(line, "%s%s", is_escaped ? "\\" : "", letter);
    }
}
