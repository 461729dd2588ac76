/* table_reader.h: the numbers that unwind tables are made of.
 *
 * A reader never goes beyond its end: what lies there reads as zeroes. */
#ifndef PROFILE_TABLE_READER_H
#define PROFILE_TABLE_READER_H

#include <stdbool.h>
#include <stdint.h>

struct table_reader {
    const uint8_t *at;
    const uint8_t *end;
};

uint8_t read_8(struct table_reader *reader);
uint16_t read_16(struct table_reader *reader);
uint32_t read_32(struct table_reader *reader);

/* LEB128: seven bits a byte, the lowest first; the highest bit says that more follow. */
uint64_t read_unsigned(struct table_reader *reader);
int64_t read_signed(struct table_reader *reader);

/* Splits off the next `bytes`, or as many as there are. */
struct table_reader read_part(struct table_reader *reader, uint64_t bytes);

/* Encodings of addresses: a size, and whether the address counts from where it stands. */
enum { ENCODED_SIZE = 0x0f, ENCODED_FROM_HERE = 0x10 };

/* Whether the encoding is one of those that compilers use. */
bool encoding_is_known(uint8_t encoding);

uintptr_t read_encoded(struct table_reader *reader, uint8_t encoding);

#endif
