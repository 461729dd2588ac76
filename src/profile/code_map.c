/* code_map.c: writing lines, and keeping the ranges. */
#include "code_map.h"

#include "lines.h" // lines_append_mapping

#include "base/attributes.h"
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

static void write_line(struct writer *writer, const struct mapping *mapping)
{
    struct report_line head = {.length = 0};
    size_t name_length = strlen(mapping->name);
    const char access[] = {mapping->is_readable ? 'r' : '-', mapping->is_writable ? 'w' : '-', 'x',
                           '\0'};
    lines_append_mapping(&head, mapping->start, mapping->end, access, mapping->offset);
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
    static struct mappings_reader reader; /* the stack may be small */
    struct writer writer = {.text = text, .room = room};
    range_count = 0;
    mappings_read(&reader, visit, &writer);
    return writer.length;
}

bool code_map_has(uintptr_t address)
{
    for (unsigned i = 0; i < range_count; i++)
        if (address >= ranges[i].start && address < ranges[i].end)
            return true;
    return false;
}
