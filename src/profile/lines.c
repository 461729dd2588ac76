/* lines.c: lines, and stacks of them. */
#include "lines.h"

#include "frame.h"
#include "stack.h"

#include <errno.h>
#include <string.h>

int lines_end(struct lines *lines)
{
    if (lines->error == 0 && report_write(lines->fd, lines->text, lines->length) != 0)
        lines->error = errno;
    lines->length = 0;
    return lines->error;
}

void lines_write(struct lines *lines, struct report_line *line)
{
    _Static_assert(sizeof lines->text > sizeof line->text, "a line fits");
    if (line->length + 1 > sizeof lines->text - lines->length)
        lines_end(lines);
    memcpy(lines->text + lines->length, line->text, line->length);
    lines->length += line->length;
    lines->text[lines->length++] = '\n';
    line->length = 0;
}

void lines_write_stack(struct lines *lines, struct report_line *line, const struct stack *stack)
{
    uint32_t depth = stack == NULL ? 0 : stack->depth;
    report_append(line, depth > 0 ? " at:" : " nobody knows where");
    lines_write(lines, line);
    for (uint32_t n = 0; n < depth; n++) {
        report_append(line, "    ");
        frame_append(line, stack->frames[n]);
        lines_write(lines, line);
    }
}
