/* report.h: text without allocation. Lines are formatted on the stack and leave by write(2). */
#ifndef BASE_REPORT_H
#define BASE_REPORT_H

#include "attributes.h"

#include <stdarg.h>
#include <stddef.h>

/* One line of output; what does not fit is cut. */
struct report_line {
    char text[512];
    size_t length;
};

/* Appends. Understands %s %d %u %zu %p %%, nothing else. */
void report_append(struct report_line *line, const char *format, ...) PRINTF_LIKE(2, 3);

/* Ends the line, also one that was cut, and writes it: 0, or -1 and errno. */
int report_write_line(int fd, struct report_line *line);

/* Writes all bytes, or as many as the descriptor takes: 0, or -1 and errno. */
int report_write(int fd, const char *text, size_t length);

/* "molt: warning: …" on standard error. errno is kept. */
COLD void report_warning(const char *format, ...) PRINTF_LIKE(1, 2);

/* "molt: error: …" on standard error, then abort(). */
COLD _Noreturn void report_fatal(const char *format, ...) PRINTF_LIKE(1, 2);

/* The same in two steps, where the rest of the line is hard to find out: the first step writes
 * already. */
COLD void report_begin_fatal(const char *format, va_list arguments);
COLD _Noreturn void report_end_fatal(struct report_line *rest);

#endif
