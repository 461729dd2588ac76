/* lines.h: lines that a profile consists of, whichever way it is written (dump.h, mirror.h). */
#ifndef PROFILE_LINES_H
#define PROFILE_LINES_H

#include "output.h"

#include <stddef.h>

struct site;
struct stack;

/* Of a row, or of all. */
struct numbers {
    size_t count, bytes;         /* in use */
    size_t all_count, all_bytes; /* since profiling began */
};

/* The first line; mean 1: every block is recorded. */
void lines_write_header(struct output *output, const struct numbers *sum, size_t mean);

/* Comments: which molt, when, and of which process. */
void lines_write_process(struct output *output, const char *program, unsigned process);

/* A comment: `kind`, and a text, which a program may have made of anything. NULL: none. */
void lines_write_comment(struct output *output, const char *kind, const char *text);

/* Comments before a site's row: the type and the tag of its blocks. */
void lines_write_names(struct output *output, const struct site *site);

/* A row's end: addresses of the stack's calls, and a new line. */
void lines_write_stack(struct output *output, const struct stack *stack);

#endif
