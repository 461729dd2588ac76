/* table_entry.c: the heads of the entries. */
#include "table_entry.h"

#include <string.h>

/* Sets the reader up for what follows the length. */
static bool open_record(struct table_reader *reader, const uint8_t *record)
{
    uint32_t length;
    memcpy(&length, record, sizeof length);
    *reader = (struct table_reader){record + sizeof length, record + sizeof length + length};
    return length != 0 && length < 0xfffffff0; /* what is longer has a length of 64 bits */
}

/* The augmentation says by letters what data the CIE has. */
static bool read_augmentation(struct table_reader *reader, const char *letters,
                              struct table_entry *entry)
{
    uint64_t length = read_unsigned(reader);
    struct table_reader data = read_part(reader, length);
    for (; *letters != '\0'; letters++) {
        uint8_t encoding =
            *letters == 'R' || *letters == 'P' || *letters == 'L' ? read_8(&data) : 0;
        if (*letters == 'R')
            entry->encoding = encoding;
        else if (*letters == 'P') /* a function for exceptions; it may be indirect (0x80) */
            read_encoded(&data, encoding & ENCODED_SIZE);
        else if (*letters == 'S')
            entry->is_signal = true;
        else if (*letters != 'L' && *letters != 'B')
            return false;
    }
    return encoding_is_known(entry->encoding);
}

static bool open_common(const uint8_t *record, struct table_entry *entry)
{
    struct table_reader *reader = &entry->common;
    if (!open_record(reader, record) || read_32(reader) != 0)
        return false;
    uint8_t version = read_8(reader);
    const char *letters = (const char *)reader->at;
    while (read_8(reader) != 0)
        continue;
    entry->code_unit = read_unsigned(reader);
    entry->data_unit = read_signed(reader);
    entry->return_register = version == 1 ? read_8(reader) : read_unsigned(reader);
    return (version == 1 || version == 3) && *letters == 'z' &&
           read_augmentation(reader, letters + 1, entry);
}

bool table_entry_open(struct table_entry *entry, const uint8_t *record, uintptr_t address)
{
    struct table_reader *reader = &entry->function;
    *entry = (struct table_entry){.code_unit = 0};
    if (!open_record(reader, record))
        return false;
    const uint8_t *here = reader->at;
    uint32_t back = read_32(reader); /* to the CIE */
    if (back == 0 || !open_common(here - back, entry))
        return false;
    entry->start = read_encoded(reader, entry->encoding);
    uint64_t bytes = read_encoded(reader, entry->encoding & ENCODED_SIZE);
    read_part(reader, read_unsigned(reader)); /* the augmentation's data */
    return address - entry->start < bytes;
}
