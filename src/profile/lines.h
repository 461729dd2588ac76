/* lines.h: a report for people, written line by line to a file descriptor. */
#ifndef PROFILE_LINES_H
#define PROFILE_LINES_H

#include "base/report.h"

struct stack;

/* Lines are written many at a time: some programs leak from ten thousand places. */
struct lines {
    int fd;
    int error; /* errno of the first that could not be written; the others are not tried */
    size_t length;
    char text[4096]; /* that is to be written */
};

/* Adds the line, and empties it. */
void lines_write(struct lines *lines, struct report_line *line);

/* Ends the line by what comes before a stack, and adds both. `stack` NULL: it is not known. */
void lines_write_stack(struct lines *lines, struct report_line *line, const struct stack *stack);

/* Writes what there is. 0, or errno. */
int lines_end(struct lines *lines);

#endif
