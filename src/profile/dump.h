/* dump.h: a heap profile as text, as gperftools writes it and `go tool pprof`, google-pprof and
 * others read it.
 *
 *   heap profile: 3: 4096 [05: 8192] @ heap_v2/524288
 *   # pid: 4711
 *   # class: 48 bytes, blocks: pools 1 live_blocks 320 …                  exact numbers (account.h)
 *   # type: struct node                                                   of the next row
 *   # requested: 93 [186], temporary: 0, lifetimes: 0 0 0 1 1             the same
 *   2: 96 [4: 192] @ 0x55d5c8a3b1c8 0x55d5c8a3b2f0 0x7f5d2a1d6d0a
 *   …
 *
 *   MAPPED_LIBRARIES:
 *   55d5c8a3a000-55d5c8a3b000 r-xp 00001000 08:01 4242 /usr/bin/program
 *   …                                    all mappings, and the code of libraries that are gone
 *
 * A row: blocks in use and their bytes, [all blocks since profiling began and their bytes], and the
 * stack of the calls that allocated them. What is behind # readers skip: doc/profile-format.md
 * describes it.
 *
 *   - Counts are those of the samples, and bytes are counts times the bytes of a block. A reader
 *     multiplies each row by 1 / (1 - e^(-S/R)), where S is the row's mean of bytes and R stands
 *     behind heap_v2/. All blocks of a row are of one size, so that is what one sample stands for.
 *   - Where all blocks are recorded (R is 1), the header ends in "heapprofile": nothing is to be
 *     multiplied, and bytes are those that were asked for.
 *   - Readers leave the columns in brackets away if the header has the same numbers there as before
 *     them, or 0. They compare text: so the count there begins with a 0.
 *   - Frames are return addresses, which readers lessen by 1, so that they are inside of the call;
 *     but google-pprof leaves the first one as it is. So that is lessened here, too: a
 *     call has two bytes or more.
 *   - Readers skip rows without a frame: they get the frame 0x1. */
#ifndef PROFILE_DUMP_H
#define PROFILE_DUMP_H

#include "output.h"

/* What a profile tells as being in use: what is in use now, or what was when most was. */
enum dump_view { DUMP_NOW, DUMP_PEAK };

struct dump_facts {
    enum dump_view view;
    const char *why;     /* it is written */
    const char *program; /* name and number of the process */
    unsigned process;
};

/* Writes the present profile (record.h). It may change meanwhile. */
void dump_write(struct output *output, const struct dump_facts *facts);

#endif
