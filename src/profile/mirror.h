/* mirror.h: the profile's counts as a text in a mapped file (prof_file), so that they can be read
 * when the process has been killed, or meanwhile. What it says is right but for what threads were
 * just about to count.
 *
 * A site has two rows, of which readers add what they find (dump.h):
 *
 *     # temporary:    00000000000001, peak:           00000000000003: 00000000000288
 *     00000000000002: 00000000000192 [0: 0] @ 0x55d5c8a3b1c7 0x55d5c8a3b2f0          in use
 *              0: 0 [00000000000004: 00000000000384] @ 0x55d5c8a3b1c7 0x55d5c8a3b2f0    all
 *
 * Their numbers are cells (decimal.h), one of which changes at a time. Readers refuse, or divide
 * by, a count without bytes and bytes without a count. So a row has a # in front while its count
 * is 0, and a block's bytes are added before it is counted, and taken off after.
 *
 * Whoever changes a site's counts does so between mirror_enter, which sees to it that the site has
 * rows, and mirror_leave. In between the thread's signals are blocked: a handler could fork, and
 * the child would go on with its parent's rows, which it has not got (os_map_file_unforked). So a
 * thread that forks has either not begun to count, or is done with it.
 *
 * No site is counted without rows while it is to have some. So when it gets them, its numbers do
 * not change meanwhile, and are what the rows begin with: in a forked child, whose file begins with
 * the first block that it counts, all that it has inherited. */
#ifndef PROFILE_MIRROR_H
#define PROFILE_MIRROR_H

#include "base/attributes.h"
#include "base/mask.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct site;

/* A profile with that mean begins, and with it a file, if the option prof_file says so. Nobody
 * counts at the moment; `unmap`: and that is certain. */
void mirror_begin(size_t mean, bool unmap);

/* ---- Counting ---- */

enum mirror_state {
    MIRROR_OFF,
    MIRROR_WANTED, /* a file begins with the next block that is counted */
    MIRROR_ON,
};

extern HIDDEN _Atomic(enum mirror_state) mirror_state;

COLD void mirror_enter_slow(struct mask *signals, struct site *site);

/* `site` NULL: that is not known. */
static inline void mirror_enter(struct mask *signals, struct site *site)
{
    signals->is_replaced = false;
    if (UNLIKELY(atomic_load_explicit(&mirror_state, memory_order_relaxed) != MIRROR_OFF))
        mirror_enter_slow(signals, site);
}

static inline void mirror_leave(const struct mask *signals)
{
    if (UNLIKELY(signals->is_replaced))
        mask_restore(signals);
}

/* What site.h's functions are told; between the two. */
void mirror_add(struct site *site, size_t size, size_t block_bytes);
void mirror_remove(struct site *site, size_t size, size_t block_bytes);
void mirror_resize(struct site *site, size_t old_size, size_t size);
void mirror_note_temporary(struct site *site);
void mirror_keep_peak(struct site *site);

/* A sample is missed. Between the two. */
void mirror_miss(void);

/* Returns how much memory the mirror takes, nearly. Any thread. */
size_t mirror_bytes(void);

/* ---- Fork ---- */

/* In a forked child: its own file is to begin. */
void mirror_repair(void);

#endif
