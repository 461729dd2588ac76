/* patience.h: limits of tests, in seconds.
 *
 * They end what hangs, so they are many times what the work takes: by what tests/patience said of
 * the machine's load when the runner asked it, or else by five. */
#ifndef TESTS_PATIENCE_H
#define TESTS_PATIENCE_H

#include <stdlib.h>

static inline unsigned patience(unsigned seconds)
{
    const char *text = getenv("PATIENCE");
    int times = text ? atoi(text) : 0;
    return seconds * (times > 0 ? (unsigned)times : 5);
}

#endif
