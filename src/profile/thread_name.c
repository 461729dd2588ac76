/* thread_name.c: asking the kernel now and then. */
#include "thread_name.h"

#include "name.h" // name_intern

#include "base/attributes.h"
#include "base/syscall.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>

#define FRESH_NS UINT64_C(100000000)

static _Atomic(const char *) names[THREAD_NAMES_MAX];

static THREAD_LOCAL struct {
    const char *name;
    uint64_t asked_ns; /* 0: not yet */
} self;

/* Returns the one copy of the name, if it is among the names or there is room for it. */
static const char *find(const char *text)
{
    for (unsigned i = 0; i < THREAD_NAMES_MAX; i++) {
        const char *found = atomic_load_explicit(&names[i], memory_order_acquire), *added;
        if (found == NULL && ((added = name_intern(text)) == NULL ||
                              atomic_compare_exchange_strong(&names[i], &found, added)))
            return added;
        if (strcmp(found, text) == 0)
            return found;
    }
    return NULL;
}

const char *thread_name(uint64_t now_ns)
{
    char text[16] = "";
    if (self.asked_ns != 0 && now_ns - self.asked_ns < FRESH_NS)
        return self.name;
    SYSCALL(prctl, PR_GET_NAME, text);
    self.name = *text == '\0' ? NULL : find(text);
    self.asked_ns = now_ns;
    return self.name;
}
