/* table_entry.h: the entries of unwind tables: an FDE, which is about one function, and the CIE
 * that it shares with others. */
#ifndef PROFILE_TABLE_ENTRY_H
#define PROFILE_TABLE_ENTRY_H

#include "table_reader.h"

#include <stdbool.h>
#include <stdint.h>

struct table_entry {
    struct table_reader common;   /* instructions of the CIE */
    struct table_reader function; /* of the FDE */
    uintptr_t start;              /* of the function */
    uint64_t code_unit;           /* bytes of code that instructions count in */
    int64_t data_unit;            /* the same of the stack */
    uint64_t return_register;     /* the number of the return address */
    uint8_t encoding;             /* of addresses */
    bool is_signal;               /* the function is where a signal handler returns to */
};

/* Opens the entry at `record`. False if it is not about the address, or is not understood. */
bool table_entry_open(struct table_entry *entry, const uint8_t *record, uintptr_t address);

#endif
