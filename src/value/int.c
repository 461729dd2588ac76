/* int.c: ints. There is one object for each small number; it is made at first use and stays. */
#include "guard.h"
#include "kind.h"

#define SMALL_MIN (-5)
#define SMALL_MAX 256

static _Atomic(molt_int *) small[SMALL_MAX - SMALL_MIN + 1];

static molt_int *int_make(int64_t value)
{
    molt_int *number = molt_new(kind_types[KIND_INT]);
    if (number != NULL)
        number->value = value;
    return number;
}

/* Several threads may make the same number at a time: the first one's object stays. */
static COLD molt_int *int_make_small(_Atomic(molt_int *) *place, int64_t value)
{
    molt_int *number = int_make(value);
    if (number == NULL)
        return NULL;
    guard_acquire();
    molt_int *first = atomic_load_explicit(place, memory_order_relaxed);
    if (first == NULL) {
        molt_immortalize(number);
        atomic_store_explicit(place, number, memory_order_release);
    }
    guard_release();
    if (first == NULL)
        return number;
    molt_release(number);
    return first;
}

molt_int *molt_int_new(int64_t value)
{
    if (value < SMALL_MIN || value > SMALL_MAX)
        return int_make(value);
    _Atomic(molt_int *) *place = &small[value - SMALL_MIN];
    molt_int *number = atomic_load_explicit(place, memory_order_acquire);
    return LIKELY(number != NULL) ? number : int_make_small(place, value);
}

int64_t molt_int_value(const molt_int *number)
{
    return kind_expect(number, KIND_INT) ? number->value : 0;
}
