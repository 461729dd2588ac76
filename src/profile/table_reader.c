/* table_reader.c: reads little-endian numbers at any address. */
#include "table_reader.h"

#include <stddef.h>
#include <string.h>

static void read_bytes(struct table_reader *reader, void *value, size_t bytes)
{
    size_t left = (size_t)(reader->end - reader->at);
    memset(value, 0, bytes);
    if (bytes <= left)
        memcpy(value, reader->at, bytes);
    reader->at += bytes <= left ? bytes : left;
}

uint8_t read_8(struct table_reader *reader)
{
    uint8_t value;
    read_bytes(reader, &value, sizeof value);
    return value;
}

uint16_t read_16(struct table_reader *reader)
{
    uint16_t value;
    read_bytes(reader, &value, sizeof value);
    return value;
}

uint32_t read_32(struct table_reader *reader)
{
    uint32_t value;
    read_bytes(reader, &value, sizeof value);
    return value;
}

static uint64_t read_leb(struct table_reader *reader, bool is_signed)
{
    uint64_t value = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = read_8(reader);
        value |= shift < 64 ? (uint64_t)(byte & 0x7f) << shift : 0;
        shift += 7;
    } while (byte & 0x80);
    if (is_signed && (byte & 0x40) && shift < 64)
        value |= ~UINT64_C(0) << shift;
    return value;
}

uint64_t read_unsigned(struct table_reader *reader)
{
    return read_leb(reader, false);
}

int64_t read_signed(struct table_reader *reader)
{
    return (int64_t)read_leb(reader, true);
}

struct table_reader read_part(struct table_reader *reader, uint64_t bytes)
{
    uint64_t left = (uint64_t)(reader->end - reader->at);
    struct table_reader part = {reader->at, reader->at + (bytes < left ? bytes : left)};
    reader->at = part.end;
    return part;
}

enum { SIZE_WORD = 0x00, SIZE_U4 = 0x03, SIZE_S4 = 0x0b, SIZE_S8 = 0x0c };

bool encoding_is_known(uint8_t encoding)
{
    uint8_t size = encoding & ENCODED_SIZE;
    return (encoding & ~(ENCODED_SIZE | ENCODED_FROM_HERE)) == 0 &&
           (size == SIZE_WORD || size == SIZE_U4 || size == SIZE_S4 || size == SIZE_S8);
}

uintptr_t read_encoded(struct table_reader *reader, uint8_t encoding)
{
    uintptr_t here = encoding & ENCODED_FROM_HERE ? (uintptr_t)reader->at : 0;
    uint64_t value;
    switch (encoding & ENCODED_SIZE) {
    case SIZE_U4:
        return here + read_32(reader);
    case SIZE_S4:
        return here + (uintptr_t)(int32_t)read_32(reader);
    default:
        read_bytes(reader, &value, sizeof value);
        return here + value;
    }
}
