/* repr.c: values as text. */
#include "compare.h"

#include <stdio.h>
#include <string.h>

struct text {
    char *bytes;
    size_t length, room;
    int error; /* 0, or an error number: then nothing more is written */
};

/* A container that is being written, and those that it lies in. */
struct path {
    const void *container;
    const struct path *outer;
    unsigned depth;
};

static void write_value(struct text *text, const void *value, const struct path *path);

/* ---- Text ---- */

static bool text_make_room(struct text *text, size_t more)
{
    if (text->error != 0)
        return false;
    if (more <= text->room - text->length)
        return true;
    size_t room = molt_good_size((text->length + more) * 2);
    char *bytes = molt_realloc(text->bytes, room);
    if (bytes == NULL) {
        text->error = ENOMEM;
        return false;
    }
    text->bytes = bytes;
    text->room = room;
    return true;
}

static void text_put(struct text *text, const char *bytes, size_t length)
{
    if (length == 0 || !text_make_room(text, length))
        return;
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
}

static void text_put_string(struct text *text, const char *bytes)
{
    text_put(text, bytes, strlen(bytes));
}

/* ---- Leaves ---- */

static void write_int(struct text *text, const molt_int *number)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%lld", (long long)number->value);
    text_put_string(text, digits);
}

static void write_byte(struct text *text, unsigned char byte)
{
    static const char escaped[] = "\\'\n\r\t", names[] = "\\'nrt";
    const char *found = byte != 0 ? strchr(escaped, byte) : NULL;
    char form[8];
    if (found != NULL)
        snprintf(form, sizeof form, "\\%c", names[found - escaped]);
    else if (byte < ' ' || byte == 0x7f)
        snprintf(form, sizeof form, "\\x%02x", byte);
    else
        snprintf(form, sizeof form, "%c", byte);
    text_put_string(text, form);
}

static void write_str(struct text *text, const molt_str *string)
{
    text_put_string(text, "'");
    for (size_t i = 0; i < string->length && text->error == 0; i++)
        write_byte(text, (unsigned char)string->bytes[i]);
    text_put_string(text, "'");
}

static void write_other(struct text *text, const void *object)
{
    char address[40];
    snprintf(address, sizeof address, " at %p>", object);
    text_put_string(text, "<");
    text_put_string(text, molt_typeof(object)->name);
    text_put_string(text, address);
}

/* ---- Containers ---- */

static void write_items(struct text *text, void *const *items, size_t count,
                        const struct path *path)
{
    for (size_t i = 0; i < count && text->error == 0; i++) {
        if (i != 0)
            text_put_string(text, ", ");
        write_value(text, items[i], path);
    }
}

static void write_list(struct text *text, const molt_list *list, const struct path *path)
{
    text_put_string(text, "[");
    write_items(text, list->items, list->length, path);
    text_put_string(text, "]");
}

static void write_tuple(struct text *text, const molt_tuple *tuple, const struct path *path)
{
    text_put_string(text, "(");
    write_items(text, tuple->items, tuple->length, path);
    text_put_string(text, tuple->length == 1 ? ",)" : ")");
}

static void write_dict(struct text *text, const molt_dict *dict, const struct path *path)
{
    size_t position = 0, written = 0;
    text_put_string(text, "{");
    for (void *key, *value; text->error == 0 && molt_dict_next(dict, &position, &key, &value);) {
        if (written++ != 0)
            text_put_string(text, ", ");
        write_value(text, key, path);
        text_put_string(text, ": ");
        write_value(text, value, path);
    }
    text_put_string(text, "}");
}

static bool is_in(const struct path *path, const void *container)
{
    while (path != NULL && path->container != container)
        path = path->outer;
    return path != NULL;
}

static void write_container(struct text *text, const void *value, enum kind kind,
                            const struct path *outer)
{
    struct path path = {value, outer, outer != NULL ? outer->depth + 1 : 0};
    if (is_in(outer, value))
        text_put_string(text, kind == KIND_LIST ? "[...]" : kind == KIND_TUPLE ? "(...)" : "{...}");
    else if (!depth_fits(path.depth))
        text->error = ELOOP;
    else if (kind == KIND_LIST)
        write_list(text, value, &path);
    else if (kind == KIND_TUPLE)
        write_tuple(text, value, &path);
    else
        write_dict(text, value, &path);
}

static void write_value(struct text *text, const void *value, const struct path *path)
{
    enum kind kind = kind_of(value);
    if (kind == KIND_INT)
        write_int(text, value);
    else if (kind == KIND_STR)
        write_str(text, value);
    else if (kind == KIND_OTHER)
        write_other(text, value);
    else
        write_container(text, value, kind, path);
}

molt_str *molt_repr(const void *value)
{
    struct text text = {.length = 0};
    if (value == NULL) {
        errno = EINVAL;
        return NULL;
    }
    write_value(&text, value, NULL);
    molt_str *string = text.error == 0 ? molt_str_new(text.bytes, text.length) : NULL;
    molt_free(text.bytes);
    if (text.error != 0)
        errno = text.error;
    return string;
}
