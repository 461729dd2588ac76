/* page.c: the head, and the writer's side of the sequence. */
#include "page.h"

#include "base/attributes.h"
#include "molt.h" // molt_version
#include "os/os.h"

#include <stddef.h>
#include <string.h>

_Static_assert(sizeof(struct page) % 8 == 0, "it is copied by words");
_Static_assert(ACCOUNT_CLASSES <= MOLT_PAGE_CLASSES_MAX, "readers take all classes");

#define PART(field, number)                                                                        \
    {                                                                                              \
        offsetof(struct page, field), sizeof(((struct page *)NULL)->field) / (number), (number), 0 \
    }

COLD void page_begin(struct page *page, const char *program, unsigned process)
{
    static const struct molt_page_part parts[MOLT_PAGE_PARTS] = {
        [MOLT_PAGE_STATE] = PART(state, 1),
        [MOLT_PAGE_STATS] = PART(stats, 1),
        [MOLT_PAGE_PROFILE] = PART(profile, 1),
        [MOLT_PAGE_CHANGES] = PART(changes, 1),
        [MOLT_PAGE_CLASSES] = PART(classes, ACCOUNT_CLASSES),
    };
    struct molt_page_head *head = &page->head;
    struct os_process self = {0};
    os_process_find(0, &self);
    head->magic = MOLT_PAGE_MAGIC;
    head->version = MOLT_PAGE_VERSION;
    head->bytes = sizeof *page;
    head->process = process;
    head->parts = MOLT_PAGE_PARTS;
    head->start_ticks = self.start_ticks;
    head->image = self.image;
    head->pid_namespace = os_pid_namespace();
    size_t length = strlen(program), room = sizeof head->program - 1;
    memcpy(head->program, program, length < room ? length : room);
    memcpy(head->library, molt_version(), strlen(molt_version()));
    memcpy(head->part, parts, sizeof parts);
}

void page_write(struct page *page, const struct page *draft)
{
    uint64_t *to = (uint64_t *)&page->state;
    const uint64_t *from = (const uint64_t *)&draft->state;
    const uint64_t *end = (const uint64_t *)&draft->classes[draft->state.classes];
    uint64_t *sequence = &page->head.sequence;
    uint64_t odd = __atomic_load_n(sequence, __ATOMIC_RELAXED) + 1;
    __atomic_store_n(sequence, odd, __ATOMIC_RELAXED);
    while (from < end)
        __atomic_store_n(to++, *from++, __ATOMIC_RELEASE);
    __atomic_store_n(sequence, odd + 1, __ATOMIC_RELEASE);
}
