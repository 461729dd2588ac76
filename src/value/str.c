/* str.c: strings; which of them are interned is intern.c's business. */
#include "kind.h"

#include <string.h>

molt_str *molt_str_new(const void *bytes, size_t length)
{
    if (bytes == NULL && length != 0) {
        errno = EINVAL;
        return NULL;
    }
    if (length > PTRDIFF_MAX / 2) {
        errno = ENOMEM;
        return NULL;
    }
    molt_str *string = molt_new_extra(kind_types[KIND_STR], length + 1);
    if (string == NULL)
        return NULL;
    string->length = length;
    if (length != 0)
        memcpy(string->bytes, bytes, length);
    return string;
}

molt_str *molt_str_from(const char *text)
{
    return molt_str_new(text, text != NULL ? strlen(text) : 1);
}

const char *molt_str_bytes(const molt_str *string)
{
    return kind_expect(string, KIND_STR) ? string->bytes : NULL;
}

size_t molt_str_length(const molt_str *string)
{
    return kind_expect(string, KIND_STR) ? string->length : 0;
}
