/* lines.c: the text of lines. */
#include "lines.h"

#include "site.h"
#include "stack.h"

#include "base/attributes.h"
#include "base/report.h"
#include "base/syscall.h"
#include "molt.h" // MOLT_VERSION_…

#include <time.h>

size_t lines_likely_bytes(size_t count, size_t bytes, bool is_exact)
{
    if (count == 0)
        return 0;
    return is_exact || bytes > count ? bytes : count;
}

COLD void lines_write_header(struct output *output, const struct numbers *sum, size_t mean)
{
    struct report_line line = {.length = 0};
    report_append(&line, "heap profile: %zu: %zu [0%zu: %zu] @ ", sum->count, sum->bytes,
                  sum->all_count, sum->all_bytes);
    if (mean <= 1)
        report_append(&line, "heapprofile\n");
    else
        report_append(&line, "heap_v2/%zu\n", mean);
    output_line(output, &line);
}

COLD void lines_write_comment(struct output *output, const char *kind, const char *text)
{
    struct report_line line = {.length = 0};
    if (text == NULL)
        return;
    report_append(&line, "# %s: %s", kind, text);
    for (size_t i = 0; i < line.length; i++)
        if ((unsigned char)line.text[i] < ' ')
            line.text[i] = ' ';
    output_line(output, &line);
    output_write(output, "\n", 1);
}

COLD void lines_write_process(struct output *output, const char *program, unsigned process)
{
    struct timespec now = {0};
    struct report_line line = {.length = 0};
    SYSCALL(clock_gettime, CLOCK_REALTIME, &now);
    report_append(&line, "# molt: %d.%d.%d\n# pid: %u\n# time: %zu\n", MOLT_VERSION_MAJOR,
                  MOLT_VERSION_MINOR, MOLT_VERSION_PATCH, process, (size_t)now.tv_sec);
    output_line(output, &line);
    lines_write_comment(output, "program", program);
}

COLD void lines_write_names(struct output *output, const struct site *site)
{
    lines_write_comment(output, "type", site->type);
    lines_write_comment(output, "tag", site->tag);
    lines_write_comment(output, "thread", site->thread);
}

COLD void lines_write_stack(struct output *output, const struct stack *stack)
{
    struct report_line line = {.length = 0};
    for (unsigned i = 0; i < stack->depth; i++) {
        report_append(&line, " %p", (void *)(stack->frames[i] - (i == 0)));
        output_line(output, &line);
    }
    if (stack->depth == 0)
        output_write(output, " 0x1", 4);
    output_write(output, "\n", 1);
}

COLD void lines_append_mapping(struct report_line *line, uintptr_t start, uintptr_t end,
                               const char *access, uintptr_t offset)
{
    report_append(line, "%zx-%zx %sp %zx 00:00 0 ", start, end, access, offset);
}
