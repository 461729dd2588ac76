/* mapped.c: the kernel's lines, but for those in whose place another module was. */
#include "mapped.h"

#include "lines.h"
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

static void write_module(const struct module *module, void *context)
{
    struct output *output = context;
    struct report_line line = {.length = 0};
    lines_append_mapping(&line, module->code_start, module->code_end, "r-x", module->code_offset);
    output_line(output, &line);
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
