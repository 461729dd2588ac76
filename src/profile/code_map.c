/* code_map.c: writing lines, and keeping the ranges. */
#include "code_map.h"

#include "base/attributes.h"
#include "base/report.h" // struct report_line
#include "os/mappings.h"

#include <string.h>

enum { RANGES = 512 }; /* what lies in further ones counts as unknown */

static struct {
    uintptr_t start, end;
} ranges[RANGES];

static unsigned range_count;

struct writer {
    char *text;
    size_t room, length;
};

static void append_hex(struct report_line *line, uintptr_t number)
{
    unsigned digits = number == 0 ? 1 : (unsigned)(67 - __builtin_clzll(number)) / 4;
    while (digits-- > 0)
        line->text[line->length++] = "0123456789abcdef"[number >> 4 * digits & 0xf];
}

static void write_line(struct writer *writer, const struct mapping *mapping)
{
    struct report_line head = {.length = 0};
    size_t name_length = strlen(mapping->name);
    append_hex(&head, mapping->start);
    report_append(&head, "-");
    append_hex(&head, mapping->end);
    report_append(&head, " %s%sxp ", mapping->is_readable ? "r" : "-",
                  mapping->is_writable ? "w" : "-");
    append_hex(&head, mapping->offset);
    report_append(&head, " 00:00 0 ");
    char *at = writer->text + writer->length;
    writer->length += head.length + name_length + 1;
    if (writer->length > writer->room)
        return;
    memcpy(at, head.text, head.length);
    memcpy(at + head.length, mapping->name, name_length);
    at[head.length + name_length] = '\n';
}

static COLD bool visit(const struct mapping *mapping, void *writer)
{
    if (!mapping->is_executable)
        return true;
    if (range_count < RANGES) {
        ranges[range_count].start = mapping->start;
        ranges[range_count].end = mapping->end;
        range_count++;
    }
    write_line(writer, mapping);
    return true;
}

COLD size_t code_map_write(char *text, size_t room)
{
    struct writer writer = {.text = text, .room = room};
    range_count = 0;
    mappings_visit(visit, &writer);
    return writer.length;
}

bool code_map_has(uintptr_t address)
{
    for (unsigned i = 0; i < range_count; i++)
        if (address >= ranges[i].start && address < ranges[i].end)
            return true;
    return false;
}
