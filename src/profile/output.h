/* output.h: a file that is written whole or not at all, by system calls alone.
 *
 * Nothing here allocates, waits for a lock or needs much stack, so a signal handler may write a
 * file. It is written under a temporary name in its directory, mode 0600, and gets its own name
 * when all of it is there; a file of that name is replaced. Anything else of that name (a link, a
 * device, a FIFO, a directory) is left alone. What goes wrong is remembered, and told at the end.
 */
#ifndef PROFILE_OUTPUT_H
#define PROFILE_OUTPUT_H

#include "base/report.h" // struct report_line

#include <stddef.h>
#include <stdint.h>

#define OUTPUT_PATH_SIZE 4096

/* Large, so rather static than on the stack. */
struct output {
    char path[OUTPUT_PATH_SIZE]; /* the directory, a NUL, and the file's name in it */
    const char *name;            /* where that begins */
    char temporary[48];          /* what the file is called at first */
    char buffer[16384];
    size_t length;    /* bytes in the buffer */
    uint64_t written; /* bytes in the file */
    uint64_t limit;   /* bytes that a file of this process may have */
    int directory;    /* descriptors */
    int file;
    unsigned process; /* that began the file; a child that is forked meanwhile is another one */
    int error;        /* errno of what went wrong first; 0: nothing has */
};

/* Begins a file. */
void output_open(struct output *output, const char *path);

void output_write(struct output *output, const char *text, size_t length);

/* Writes the line, and empties it. */
void output_line(struct output *output, struct report_line *line);

/* Maps the file, which gets the space of `bytes` (os_map_file_unforked). Nothing is written from
 * then on but through the mapping. NULL: something went wrong, now or before. */
char *output_map(struct output *output, size_t bytes);

/* Gives the file its name, or removes it where anything has gone wrong. 0, or errno: EEXIST:
 * something else than a file has the name; EFBIG: files may not become so large; else what the
 * kernel said. */
int output_close(struct output *output);

/* Warns that something has gone wrong with a file: `what`: why: its path. */
void output_warn(const char *what, int error, const char *path);

#endif
