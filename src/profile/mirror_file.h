/* mirror_file.h: a profile's file in a shared mapping, which the kernel keeps when the process is
 * killed.
 *
 *     heap profile: …        the header
 *     …                      rows, with room for more behind them: new lines, which readers skip
 *     MAPPED_LIBRARIES:      one of two places for the mappings; the other one is empty
 *     …
 *
 * It is a profile that can be read as it is after every single instruction:
 *
 *   - A row appears from its start to its end, and hidden: each line of it begins with a #.
 *   - The mappings are written anew, to the other place, when a row has an address that is in none
 *     of them. Readers take all that is behind the first MAPPED_LIBRARIES for mappings. That line
 *     also appears and goes as a comment, and the old one goes when the new ones are there.
 *   - The file grows by written new lines, so that each byte of it has its space on the disk: if
 *     there is none that is an error of write, and never the signal that a mapping would raise.
 *     Behind them come two new places for the mappings; the old ones become room for rows.
 *
 * The file's descriptor is not kept, for programs close those that they do not know. To grow, it is
 * opened by its name, and only if it is the same file still.
 *
 * One thread at a time, with its signals blocked: a handler could fork. */
#ifndef PROFILE_MIRROR_FILE_H
#define PROFILE_MIRROR_FILE_H

#include <stdbool.h>
#include <stddef.h>

struct output;
struct stack;

/* Begins a file, in which nothing but what `head` has is written yet; `path` is absolute. False,
 * after a warning: it cannot be written. */
bool mirror_file_begin(const char *path, const struct output *head);

/* Leaves the file as it is. `unmap`: nobody uses it any more. */
void mirror_file_end(bool unmap);

/* In a forked child, where it is not mapped. */
void mirror_file_forget(void);

/* Returns where the file begins. */
char *mirror_file_text(void);

/* Returns room for so many bytes of rows, a multiple of 16, aligned to that; NULL, with a warning
 * the first time: the file cannot grow. */
char *mirror_file_room(size_t bytes);

/* Whether it cannot grow any more. Any thread. */
bool mirror_file_is_full(void);

/* Has the mappings written anew if the stack has an address in none of them; at once, unless that
 * has been done a moment ago. */
void mirror_file_follow(const struct stack *stack);

/* Whether that is still to be done; does it, if it is time. */
bool mirror_file_is_behind(void);
void mirror_file_catch_up(void);

/* Returns how many bytes of it have been used, nearly. Any thread. */
size_t mirror_file_bytes(void);

#endif
