/* listing.c: lines, and stacks of them. */
#include "listing.h"

#include "frame.h"
#include "stack.h"

#include <errno.h>
#include <string.h>

int listing_end(struct listing *listing)
{
    if (listing->error == 0 && report_write(listing->fd, listing->text, listing->length) != 0)
        listing->error = errno;
    listing->length = 0;
    return listing->error;
}

void listing_write(struct listing *listing, struct report_line *line)
{
    _Static_assert(sizeof listing->text > sizeof line->text, "a line fits");
    if (line->length + 1 > sizeof listing->text - listing->length)
        listing_end(listing);
    memcpy(listing->text + listing->length, line->text, line->length);
    listing->length += line->length;
    listing->text[listing->length++] = '\n';
    line->length = 0;
}

void listing_write_stack(struct listing *listing, struct report_line *line,
                         const struct stack *stack)
{
    report_append(line, stack->depth > 0 ? " at:" : " nobody knows where");
    listing_write(listing, line);
    for (uint32_t n = 0; n < stack->depth; n++) {
        report_append(line, "    ");
        frame_append(line, stack->frames[n]);
        listing_write(listing, line);
    }
}
