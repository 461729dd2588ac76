/* lines.h: the lines that a profile consists of, whichever way it is written (dump.h, mirror.h). */
#ifndef PROFILE_LINES_H
#define PROFILE_LINES_H

#include "output.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct site;
struct stack;

/* Of a row, or of all. */
struct numbers {
    size_t count, bytes;         /* in use */
    size_t all_count, all_bytes; /* since profiling began */
};

/* Makes sense of a count and bytes that were read at slightly different moments: bytes of no
 * blocks, and blocks without bytes, readers refuse or divide by. Where every block is recorded
 * (`is_exact`) the latter are true: malloc(0) asks for none. */
size_t lines_likely_bytes(size_t count, size_t bytes, bool is_exact);

/* The first line; mean 1: every block is recorded. */
void lines_write_header(struct output *output, const struct numbers *sum, size_t mean);

/* Comments: which molt, when, and of which process. */
void lines_write_process(struct output *output, const char *program, unsigned process);

/* A comment: `kind`, and a text, which a program may have made of anything. NULL: none. */
void lines_write_comment(struct output *output, const char *kind, const char *text);

/* Comments before a site's row: its blocks' type and tag, and the name of their thread. */
void lines_write_names(struct output *output, const struct site *site);

/* A row's end: addresses of the stack's calls, and a new line. */
void lines_write_stack(struct output *output, const struct stack *stack);

/* Appends a mapping as /proc/self/maps has it, without the file's number and its path, which come
 * next. `access` is "r-x", say. */
void lines_append_mapping(struct report_line *line, uintptr_t start, uintptr_t end,
                          const char *access, uintptr_t offset);

#endif
