/* probed.c: a program that tracers watch: probed PHASES.
 *
 * In each phase it first says "phase N" and waits for a line. Then it allocates and frees, and says
 * what: "a ADDRESS SIZE BYTES" (those of the block), "f ADDRESS". Nothing else in it uses memory.
 * A phase begins with enough small blocks for the thread to see who listens. It has a probe of its
 * own, as libraries that are linked beside molt may. */
#include "base/sdt.h"

#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { SLOTS = 50, SMALL_BLOCKS = 10000, BLOCKS = 4000 };

static void *slots[SLOTS];
static uint64_t state = 1;

static char text[1 << 16];
static size_t length;

static void write_out(void)
{
    for (size_t done = 0; done < length;) {
        ssize_t written = write(STDOUT_FILENO, text + done, length - done);
        if (written <= 0)
            _exit(1);
        done += (size_t)written;
    }
    length = 0;
}

static void say(const char *format, unsigned long a, size_t b, size_t c)
{
    if (sizeof text - length < 100)
        write_out();
    length += (size_t)snprintf(text + length, sizeof text - length, format, a, b, c);
}

static size_t random_below(size_t limit)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(state >> 33) % limit;
}

static size_t random_size(void)
{
    static const size_t limits[] = {100, 1000, 10000, 30000, 300000};
    return random_below(200) == 0 ? 3000000 + random_below(3000000)
                                  : random_below(limits[random_below(5)]);
}

static void release(size_t slot)
{
    if (slots[slot] != NULL)
        say("f %#lx\n", (unsigned long)slots[slot], 0, 0);
    free(slots[slot]);
    slots[slot] = NULL;
}

static void allocate(size_t slot, size_t size)
{
    release(slot);
    slots[slot] = size % 2 == 0 ? malloc(size) : calloc(1, size);
    if (slots[slot] == NULL)
        _exit(1);
    say("a %#lx %zu %zu\n", (unsigned long)slots[slot], size, malloc_usable_size(slots[slot]));
}

void begin_phase(size_t phase);
__attribute__((noinline)) void begin_phase(size_t phase)
{
    char line;
    say("phase %lu\n", phase, 0, 0);
    write_out();
    while (read(STDIN_FILENO, &line, 1) == 1 && line != '\n')
        ;
}

SDT_PROBE("probed", "begin_phase", "begin_phase", "0", SDT_ONE_WORD);

int main(int count, char **arguments)
{
    size_t phases = count > 1 ? strtoul(arguments[1], NULL, 10) : 1;
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    for (size_t phase = 0; phase < phases; phase++) {
        begin_phase(phase);
        for (size_t i = 0; i < SMALL_BLOCKS; i++)
            allocate(0, 24);
        for (size_t i = 0; i < BLOCKS; i++)
            allocate(random_below(SLOTS), random_size());
    }
    begin_phase(phases);
    for (size_t slot = 0; slot < SLOTS; slot++)
        release(slot);
    write_out();
    return 0;
}
