/* report.h: text without allocation. Lines are formatted on the stack and written by the system
 * call.
 *
 * What the program has not asked for at that moment (statistics at exit, warnings) goes to standard
 * error only while descriptor 2 is the file that it was when the process started: a daemon may have
 * closed it, and a database may have got the number since. The line that says why the program is
 * stopped matters more. It also goes to a pipe, a terminal or a log (a file opened to be appended
 * to) that has come in that file's place, never to any other file or a socket: then the controlling
 * terminal gets it. */
#ifndef BASE_REPORT_H
#define BASE_REPORT_H

#include "attributes.h"

#include <stdarg.h>
#include <stddef.h>

/* One line of output, not NUL-terminated; text that does not fit is cut. */
struct report_line {
    char text[512];
    size_t length;
};

/* Appends formatted text: %s %d %u %zu %zx %p %%, nothing else. */
void report_append(struct report_line *line, const char *format, ...) PRINTF_LIKE(2, 3);

/* Ends the line, even one that was cut, and writes it. 0, or -1 and errno. */
int report_write_line(int fd, struct report_line *line);

/* Writes all bytes, or as many as the descriptor takes. 0, or -1 and errno. */
int report_write(int fd, const char *text, size_t length);

/* Remembers which file standard error is. */
void report_init(void);

/* Returns standard error's descriptor if it is still that file; else -1, to which nothing is
 * written. */
int report_stderr(void);

/* Writes "molt: warning: …" to standard error. errno is kept. */
COLD void report_warning(const char *format, ...) PRINTF_LIKE(1, 2);

/* Writes "molt: error: …", then stops the process by SIGABRT, as abort() does. */
COLD _Noreturn void report_fatal(const char *format, ...) PRINTF_LIKE(1, 2);

/* The same of an error that is about a block, or may be, and perhaps about the one before it in
 * memory (else NULL): report_hooks tells more of these. */
COLD _Noreturn void report_fatal_about(const void *block, const void *before, const char *format,
                                       ...) PRINTF_LIKE(3, 4);

/* The same in two steps, for a line whose end is found out by risky steps: its beginning is written
 * first. */
COLD void report_begin_fatal(const char *format, va_list arguments);
COLD _Noreturn void report_end_fatal(const void *block, struct report_line *rest);

/* What src/profile does. */
struct report_hooks {
    /* The line of an error has been written to that descriptor, and the process is about to end:
     * writes what else is known. Any thread, in a signal handler, too, with any locks held; blocks
     * may be any addresses, or NULL. */
    void (*after_error)(int fd, const void *block, const void *before);
};

extern HIDDEN const struct report_hooks report_hooks AT_SECTION_START("molt_report_hooks");

#endif
