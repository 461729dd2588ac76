/* page.h: the statistics page as it lies in memory; molt_page.h says what it means, and why readers
 * see whole states. */
#ifndef PROFILE_PAGE_H
#define PROFILE_PAGE_H

#include "alloc/account.h" // ACCOUNT_CLASSES

#include "molt_page.h"

struct page {
    struct molt_page_head head;
    struct molt_page_state state;
    struct molt_page_stats stats;
    struct molt_page_profile profile;
    struct molt_page_changes changes;
    struct molt_page_class classes[ACCOUNT_CLASSES];
};

/* Fills the head of a page that is all zero. */
void page_begin(struct page *page, const char *program, unsigned process);

/* Makes the draft's parts those of the page, as one state; classes only as far as they are filled.
 * One thread at a time, which must not be interrupted by a handler that forks. */
void page_write(struct page *page, const struct page *draft);

#endif
