/* declaration.c: one check after the other; the first that fails gives the reason. */
#include "declaration.h"

#include <stdint.h>
#include <string.h>

#define NAME_MAX 120 /* letters of a name that are shown */

/* ---- Saying why ---- */

static void append_letters(struct report_line *why, const char *text, size_t count)
{
    for (size_t i = 0; i < count && i < NAME_MAX; i++) {
        char letter[] = {text[i], '\0'};
        report_append(why, "%s", letter);
    }
}

static bool refuse_type(struct report_line *why, const molt_type *type, const char *reason)
{
    append_letters(why, type->name, strlen(type->name));
    report_append(why, ": %s", reason);
    return false;
}

/* Finds the nth of some names with commas between them. Returns its length; 0: there is none. */
static size_t find_name(const char *names, size_t n, const char **name)
{
    while (names != NULL && n > 0) {
        names = strchr(names, ',');
        names = names != NULL ? names + 1 : NULL;
        n--;
    }
    if (names == NULL)
        return 0;
    *name = names + strspn(names, " \t\n");
    return strcspn(*name, ",");
}

#define NOT_LISTED SIZE_MAX

/* Refuses a type for a reference field: the nth of the list, told by its name if the list has
 * names; or one of the bitmap (NOT_LISTED). */
static bool refuse_field(struct report_line *why, const molt_type *type, size_t offset, size_t n,
                         const char *reason)
{
    const char *name = NULL;
    size_t length = n != NOT_LISTED ? find_name(type->ref_names, n, &name) : 0;
    append_letters(why, type->name, strlen(type->name));
    report_append(why, ": the reference field ");
    append_letters(why, name, length);
    report_append(why, length != 0 ? " (+%zu) %s" : "+%zu %s", offset, reason);
    return false;
}

/* ---- One field ---- */

/* Why there can be no reference at that offset of the struct; NULL: there can. */
static const char *fault_of_place(const molt_type *type, size_t offset)
{
    if (offset < sizeof(molt_object))
        return "lies in the header: the struct begins with MOLT_OBJECT";
    if (offset % sizeof(void *) != 0)
        return "is not aligned: its offset is no multiple of 8";
    if (offset + sizeof(void *) > type->size)
        return "does not lie inside the struct";
    return NULL;
}

/* Whether a word at that offset overlaps the array's pointer or length. */
static bool overlaps_array(const molt_type *type, size_t offset)
{
    unsigned bytes = type->array_length_bytes;
    return bytes != 0 && (offset == type->array || (offset < (size_t)type->array_length + bytes &&
                                                    type->array_length < offset + sizeof(void *)));
}

static bool is_listed_before(const molt_type *type, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (type->refs[i] == type->refs[n])
            return true;
    return false;
}

static bool is_in_bitmap(const molt_type *type, size_t offset)
{
    return offset / 8 < type->ref_bitmap_words * 64 && declaration_has_word(type, offset / 8);
}

static const char *fault_of_listed(const molt_type *type, size_t n)
{
    size_t offset = type->refs[n];
    const char *fault = fault_of_place(type, offset);
    if (fault == NULL && is_listed_before(type, n))
        fault = "is declared twice";
    if (fault == NULL && is_in_bitmap(type, offset))
        fault = "is declared twice, in the list and in the bitmap";
    if (fault == NULL && overlaps_array(type, offset))
        fault = "is the array's pointer or length, too";
    return fault;
}

static const char *fault_of_word(const molt_type *type, size_t offset)
{
    const char *fault = fault_of_place(type, offset);
    return fault == NULL && overlaps_array(type, offset) ? "is the array's pointer or length, too"
                                                         : fault;
}

/* ---- The whole ---- */

static bool numbers_are_valid(const molt_type *type, struct report_line *why)
{
    unsigned alignment = type->alignment;
    if (type->size < sizeof(molt_object))
        return refuse_type(why, type, "the size has no room for the header");
    if (type->size > UINT16_MAX * (size_t)8)
        return refuse_type(why, type,
                           "the struct is larger than 524,280 bytes; see molt_new_extra");
    if ((type->flags & MOLT_TRAILING_REFS) != 0 && type->size % sizeof(void *) != 0)
        return refuse_type(why, type,
                           "references follow the struct, but its size is no multiple of 8");
    if ((alignment & (alignment - 1)) != 0 || alignment > 4096)
        return refuse_type(why, type, "the alignment is no power of two up to 4096");
    if (type->ref_count != 0 && type->refs == NULL)
        return refuse_type(why, type, "there is a ref_count, but refs is NULL");
    if (type->ref_bitmap_words != 0 && type->ref_bitmap == NULL)
        return refuse_type(why, type, "there are ref_bitmap_words, but ref_bitmap is NULL");
    if (type->traverse != NULL && type->clear == NULL)
        return refuse_type(why, type, "there is a traverse callback, but no clear");
    if (type->clear != NULL && type->traverse == NULL)
        return refuse_type(why, type, "there is a clear callback, but no traverse");
    return true;
}

static bool array_is_valid(const molt_type *type, struct report_line *why)
{
    unsigned bytes = type->array_length_bytes;
    if (bytes == 0)
        return true;
    if (bytes > 8 || (bytes & (bytes - 1)) != 0)
        return refuse_type(why, type, "the array's length is no integer of 1, 2, 4 or 8 bytes");
    if (fault_of_place(type, type->array) != NULL)
        return refuse_type(
            why, type,
            "the array's pointer is not aligned, or not in the struct behind the header");
    if (type->array_length < sizeof(molt_object) || type->array_length % bytes != 0 ||
        (size_t)type->array_length + bytes > type->size)
        return refuse_type(
            why, type, "the array's length is not aligned, or not in the struct behind the header");
    if (type->array_length / sizeof(void *) == type->array / sizeof(void *))
        return refuse_type(why, type, "the array's length lies in its pointer");
    return true;
}

static bool fields_are_valid(const molt_type *type, struct report_line *why)
{
    for (size_t n = 0; n < type->ref_count; n++) {
        const char *fault = fault_of_listed(type, n);
        if (fault != NULL)
            return refuse_field(why, type, type->refs[n], n, fault);
    }
    for (size_t word = 0; word < type->ref_bitmap_words * 64; word++) {
        const char *fault = declaration_has_word(type, word) ? fault_of_word(type, word * 8) : NULL;
        if (fault != NULL)
            return refuse_field(why, type, word * 8, NOT_LISTED, fault);
    }
    return true;
}

bool declaration_is_valid(const molt_type *type, struct report_line *why)
{
    if (type == NULL)
        report_append(why, "the type is NULL");
    else if (type->name == NULL)
        report_append(why, "the type has no name");
    else
        return numbers_are_valid(type, why) && array_is_valid(type, why) &&
               fields_are_valid(type, why);
    return false;
}
