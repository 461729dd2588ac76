/* mapped.c: the kernel's lines, but for those in whose place another module was. */
#include "mapped.h"

#include "module.h"

#include "base/report.h"
#include "os/mappings.h"

#include <stdbool.h>
#include <string.h>

static void write_text(struct output *output, const char *text)
{
    output_write(output, text, strlen(text));
}

struct writer {
    struct output *output;
    bool has_lines;
};

static bool write_mapping(const struct mapping *mapping, void *context)
{
    struct writer *writer = context;
    writer->has_lines = true;
    if (module_was_at(mapping->start, mapping->end))
        return true;
    write_text(writer->output, mapping->line);
    write_text(writer->output, "\n");
    return true;
}

/* Without the 0x. */
static void write_hex(struct output *output, uintptr_t number)
{
    struct report_line line = {.length = 0};
    report_append(&line, "%p", (void *)number);
    output_write(output, line.text + 2, line.length - 2);
}

static void write_module(const struct module *module, void *context)
{
    struct output *output = context;
    write_hex(output, module->code_start);
    write_text(output, "-");
    write_hex(output, module->code_end);
    write_text(output, " r-xp ");
    write_hex(output, module->code_offset);
    write_text(output, " 00:00 0 ");
    write_text(output, module->path);
    write_text(output, "\n");
}

void mapped_write(struct output *output)
{
    static struct mappings_reader reader;
    struct writer writer = {.output = output};
    write_text(output, "\nMAPPED_LIBRARIES:\n");
    mappings_read(&reader, write_mapping, &writer);
    if (!writer.has_lines)
        write_text(output, "# not known: /proc does not tell\n");
    module_each_moved(write_module, output);
}
