/* listing.h: a report for people, written line by line to a file descriptor. */
#ifndef PROFILE_LISTING_H
#define PROFILE_LISTING_H

#include "base/report.h"

struct stack;

/* Lines are written many at a time: some programs leak from ten thousand places. */
struct listing {
    int fd;
    int error; /* errno of the first that could not be written; the others are not tried */
    size_t length;
    char text[4096]; /* that is to be written */
};

/* Adds the line, and empties it. */
void listing_write(struct listing *listing, struct report_line *line);

/* Ends the line by what comes before a stack, and adds both. A stack without frames is not known.
 */
void listing_write_stack(struct listing *listing, struct report_line *line,
                         const struct stack *stack);

/* Writes what there is. 0, or errno. */
int listing_end(struct listing *listing);

#endif
