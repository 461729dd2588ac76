/* test_handler.c: a signal handler that comes after any instruction of malloc or free.
 *
 * It uses malloc, gives memory back to the OS, or makes the process grow beyond its peak, and it
 * frees what it took. The function that it interrupted, which may be in the middle of a list, and
 * all blocks must come out of that unharmed. */
#include "step.h"
#include "suites.h"
#include "unit.h"

#include "base/tunables.h"

#include "molt.h"

#include <limits.h>
#include <stddef.h>

enum { SIZE = 40, FREED = 12, LIVE_AFTER = 400 };

/* Instructions after which the handler comes: each of the first ones, and so many of all. */
enum { EACH = 40, OTHERS = 30 };

/* ---- What the handler does ---- */

static void use_malloc(void)
{
    static const size_t sizes[] = {SIZE, 1000, 5000, 40000, 3000000};
    void *blocks[COUNT_OF(sizes)];
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        blocks[i] = molt_malloc(sizes[i]);
        if (blocks[i] != NULL)
            unit_fill(blocks[i], SIZE, 7);
    }
    for (size_t i = COUNT_OF(sizes); i-- > 0;)
        molt_free(blocks[i]);
}

static void trim(void)
{
    molt_trim(0);
}

/* By runs, which enter the heap. Their memory is not touched, and they stay. */
static void grow(void)
{
    for (size_t grown = 0; grown <= PEAK_STEP_MIN; grown += 100000)
        (void)!molt_malloc(100000);
}

static void (*const handlers[])(void) = {use_malloc, trim, grow};

/* ---- What it interrupts ---- */

static void *block;

static void take(void)
{
    block = molt_malloc(SIZE);
}

static void take_zeroed(void)
{
    block = molt_calloc(1, SIZE);
}

static void take_large(void)
{
    block = molt_malloc(BLOCK_MAX - 100);
}

static void give(void)
{
    molt_free(block);
    block = NULL;
}

/* The thread's heap has a pool, of which no block is live, and some are in the list. */
static void use_pool(void)
{
    void *freed[FREED];
    unit_skip_starts();
    for (size_t i = 0; i < FREED; i++)
        freed[i] = molt_malloc(SIZE);
    for (size_t i = 0; i < FREED; i++)
        molt_free(freed[i]);
}

static void use_pool_and_take(void)
{
    use_pool();
    take();
}

static const struct scenario {
    const char *name;
    void (*prepare)(void);
    void (*act)(void);
} scenarios[] = {
    {"a thread's first malloc", NULL, take},
    {"a thread's first calloc", NULL, take_zeroed},
    {"a thread's first block above the table", NULL, take_large},
    {"malloc", use_pool, take},
    {"calloc", use_pool, take_zeroed},
    {"a block above the table", use_pool, take_large},
    {"free", use_pool_and_take, give},
};

/* ---- The trial ---- */

static struct {
    const struct scenario *scenario;
    void (*handler)(void);
    unsigned wanted, seen; /* the instruction after which the handler comes; how many there were */
} trial;

static void after_instruction(void)
{
    if (trial.seen++ != trial.wanted)
        return;
    step_end();
    trial.handler();
}

/* Fills many blocks, which no two may share. */
static void check_blocks(void)
{
    static unsigned char *blocks[LIVE_AFTER];
    for (unsigned i = 0; i < LIVE_AFTER; i++) {
        blocks[i] = molt_malloc(SIZE);
        REQUIRE(blocks[i] != NULL, "no memory");
        unit_fill(blocks[i], SIZE, i);
    }
    for (unsigned i = 0; i < LIVE_AFTER; i++) {
        REQUIRE(unit_is_filled(blocks[i], SIZE, i), "%s, instruction %u: block %u was overwritten",
                trial.scenario->name, trial.wanted, i);
        molt_free(blocks[i]);
    }
}

static void *run_trial(void *unused)
{
    block = NULL;
    if (trial.scenario->prepare != NULL)
        trial.scenario->prepare();
    trial.seen = 0;
    step_begin(after_instruction);
    trial.scenario->act();
    step_end();
    if (block != NULL)
        unit_fill(block, SIZE, 1);
    check_blocks();
    REQUIRE(block == NULL || unit_is_filled(block, SIZE, 1), "%s, instruction %u",
            trial.scenario->name, trial.wanted);
    molt_free(block);
    return unused;
}

START_TEST(test_after_any_instruction)
{
    trial.scenario = &scenarios[_i / (int)COUNT_OF(handlers)];
    trial.handler = handlers[_i % (int)COUNT_OF(handlers)];
    if (!step_is_possible(trial.scenario->name))
        return;
    trial.wanted = UINT_MAX;
    unit_in_thread(run_trial, NULL);
    unsigned instructions = trial.seen;
    ck_assert_uint_gt(instructions, 5);
    for (unsigned n = 0; n < instructions; n += n < EACH ? 1 : 1 + instructions / OTHERS) {
        trial.wanted = n;
        unit_in_thread(run_trial, NULL);
    }
}
END_TEST

Suite *suite_handler(void)
{
    Suite *suite = suite_create("handler");
    TCase *tests = tcase_create("handler");
    tcase_set_timeout(tests, 60);
    tcase_add_loop_test(tests, test_after_any_instruction, 0,
                        COUNT_OF(scenarios) * COUNT_OF(handlers));
    suite_add_tcase(suite, tests);
    return suite;
}
