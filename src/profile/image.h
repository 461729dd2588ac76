/* image.h: the programs and libraries in memory, and the entries of their unwind tables.
 *
 * The tables (.eh_frame, in the format of the Linux Standard Base) are there for exceptions of C++
 * and are part of nearly all programs and libraries, whatever language they are written in. They
 * have an index (.eh_frame_hdr) that is sorted by address. */
#ifndef PROFILE_IMAGE_H
#define PROFILE_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

struct link_map;

struct image {
    uintptr_t start, end; /* where it is in memory */
    const void *index;
    uint64_t identity;          /* differs from that of an image that was there before */
    const struct link_map *map; /* the loader's; NULL: not known */
};

/* Finds out how images are found; not inside malloc. Returns whether those that are loaded later
 * are found, too. */
bool image_prepare(void);

/* Finds the image that has the address. Takes no lock, neither of molt's nor of the loader's. */
bool image_find(uintptr_t address, struct image *image);

/* Says where the image is that has the address, and which, and reads nothing of it: so it may be
 * unloaded meanwhile. False also where the loader cannot be asked. */
bool image_locate(uintptr_t address, struct image *image);

/* Whether the code is molt's. Between a function that has called malloc and an unwinder stand at
 * most OWN_FRAMES_MAX functions of it. */
bool image_is_own(uintptr_t address);

enum { OWN_FRAMES_MAX = 24 };

/* A library may have been unloaded, just now. Any thread. */
void image_unloaded(void);

/* How often that was so. */
uint64_t image_unloads(void);

/* Returns the path of the program or library that has the address, "" for the program, and sets the
 * base that addresses in its file count from; NULL: none is found. As image_find; the path is valid
 * until the library is unloaded. */
const char *image_path(uintptr_t address, uintptr_t *base);

/* Returns the entry that may be the address's function's; NULL if there is none. */
const uint8_t *image_entry(const struct image *image, uintptr_t address);

#endif
