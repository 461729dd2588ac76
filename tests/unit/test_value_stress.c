/* test_value_stress.c: values under random operations beside a model, without memory, and in
 * several threads. */
#include "requests.h"
#include "suites.h"
#include "value.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/wait.h>

/* ---- Random operations ---- */

/* A random int: few values, so that there are equal ones. */
static molt_int *random_int(uint64_t *random)
{
    return molt_int_new((int64_t)(unit_random(random) % 600));
}

struct list_model {
    int64_t items[2000];
    size_t length;
};

static void model_insert(struct list_model *model, size_t at, int64_t value)
{
    memmove(&model->items[at + 1], &model->items[at],
            (model->length++ - at) * sizeof model->items[0]);
    model->items[at] = value;
}

static void model_take_out(struct list_model *model, size_t at)
{
    memmove(&model->items[at], &model->items[at + 1],
            (--model->length - at) * sizeof model->items[0]);
}

static size_t model_find(const struct list_model *model, int64_t value)
{
    size_t at = 0;
    while (at < model->length && model->items[at] != value)
        at++;
    return at;
}

static void slice_and_extend(molt_list *list, struct list_model *model, uint64_t *random)
{
    size_t from = unit_random(random) % (model->length + 1);
    size_t to = from + unit_random(random) % (model->length + 1 - from);
    molt_list *slice = molt_list_slice(list, from, to);
    REQUIRE(slice != NULL && molt_list_length(slice) == to - from, "slice");
    if (model->length + to - from <= COUNT_OF(model->items)) {
        REQUIRE(molt_list_extend(list, slice) == 0, "extend");
        memcpy(&model->items[model->length], &model->items[from],
               (to - from) * sizeof model->items[0]);
        model->length += to - from;
    }
    molt_release(slice);
}

static void list_step(molt_list *list, struct list_model *model, uint64_t *random)
{
    molt_int *number = random_int(random);
    int64_t value = molt_int_value(number);
    size_t at = unit_random(random) % (model->length + 1), found;
    bool is_inside = at < model->length, is_full = model->length == COUNT_OF(model->items);
    switch (unit_random(random) % 40) {
    case 0:
        slice_and_extend(list, model, random);
        break;
    case 1:
        if (model->length > 1500)
            REQUIRE(molt_list_clear(list) == 0 && (model->length = 0) == 0, "clear");
        break;
    case 2 ... 9:
        found = model_find(model, value);
        REQUIRE((molt_list_remove(list, number) == 0) == (found < model->length), "remove");
        if (found < model->length)
            model_take_out(model, found);
        break;
    case 10 ... 15: {
        molt_int *popped = molt_list_pop(list, at);
        REQUIRE((popped != NULL) == is_inside, "pop");
        REQUIRE(!is_inside || molt_int_value(popped) == model->items[at], "pop");
        if (is_inside)
            model_take_out(model, at);
        molt_release(popped);
        break;
    }
    case 16 ... 20:
        REQUIRE((molt_list_set(list, at, number) == 0) == is_inside, "set");
        if (is_inside)
            model->items[at] = value;
        break;
    case 21 ... 30:
        if (!is_full) {
            REQUIRE(molt_list_insert(list, at, number) == 0, "insert");
            model_insert(model, at, value);
        }
        break;
    default:
        if (!is_full) {
            REQUIRE(molt_list_append(list, number) == 0, "append");
            model_insert(model, model->length, value);
        }
    }
    molt_release(number);
}

START_TEST(test_random_list)
{
    static struct list_model model;
    uint64_t random = 1;
    molt_list *list = molt_list_new();
    for (unsigned step = 0; step < 30000; step++) {
        list_step(list, &model, &random);
        REQUIRE(molt_list_length(list) == model.length, "length after step %u", step);
        for (size_t i = 0; step % 16 == 0 && i < model.length; i++)
            REQUIRE(number_at(list, i) == model.items[i], "item %zu after step %u", i, step);
    }
    molt_release(list);
}
END_TEST

/* The keys in their order, and their values. */
struct dict_model {
    struct list_model keys;
    int64_t values[600];
};

static void dict_step(molt_dict *dict, struct dict_model *model, uint64_t *random)
{
    molt_int *key = random_int(random), *value = random_int(random);
    int64_t number = molt_int_value(key);
    size_t at = model_find(&model->keys, number);
    bool has = at < model->keys.length;
    unsigned choice = unit_random(random) % 100;
    REQUIRE(molt_dict_contains(dict, key) == has, "contains");
    REQUIRE(!has || molt_int_value(molt_dict_get(dict, key)) == model->values[number], "get");
    if (choice == 0 && unit_random(random) % 20 == 0) {
        REQUIRE(molt_dict_clear(dict) == 0, "clear");
        model->keys.length = 0;
    } else if (choice < 45) {
        REQUIRE((molt_dict_delete(dict, key) == 0) == has, "delete");
        if (has)
            model_take_out(&model->keys, at);
    } else {
        REQUIRE(molt_dict_set(dict, key, value) == 0, "set");
        model->values[number] = molt_int_value(value);
        if (!has)
            model_insert(&model->keys, model->keys.length, number);
    }
    molt_release(key);
    molt_release(value);
}

static void compare_dict(const molt_dict *dict, const struct dict_model *model)
{
    size_t position = 0, i = 0;
    void *key, *value;
    for (; molt_dict_next(dict, &position, &key, &value); i++) {
        int64_t number = molt_int_value(key);
        REQUIRE(i < model->keys.length && number == model->keys.items[i], "key %zu", i);
        REQUIRE(molt_int_value(value) == model->values[number], "value %zu", i);
    }
    REQUIRE(i == model->keys.length, "%zu entries, not %zu", i, model->keys.length);
}

START_TEST(test_random_dict)
{
    static struct dict_model model;
    uint64_t random = 2;
    molt_dict *dict = molt_dict_new();
    for (unsigned step = 0; step < 60000; step++) {
        dict_step(dict, &model, &random);
        REQUIRE(molt_dict_length(dict) == model.keys.length, "length after step %u", step);
        if (step % 64 == 0)
            compare_dict(dict, &model);
    }
    molt_release(dict);
}
END_TEST

/* ---- Without memory ---- */

/* A result that says "failed" must come with ENOMEM. */
static bool done(bool is_done)
{
    REQUIRE(is_done || errno == ENOMEM, "errno is %d", errno);
    return is_done;
}

/* What the lists and dicts of the script hold, whatever has failed. */
static void expect_lengths(const molt_list *list, size_t length, const molt_dict *dict, size_t keys)
{
    REQUIRE(molt_list_length(list) == length, "%zu items, not %zu", molt_list_length(list), length);
    REQUIRE(molt_dict_length(dict) == keys, "%zu keys, not %zu", molt_dict_length(dict), keys);
    for (size_t i = 0; i < length; i++)
        REQUIRE(number_at(list, i) >= 1000, "item %zu", i);
    size_t position = 0;
    for (void *key, *value; molt_dict_next(dict, &position, &key, &value); keys--)
        REQUIRE(number_at(list, 0) == 1000 && molt_int_value(value) >= 1000, "value");
    REQUIRE(keys == 0, "%zu keys are missing", keys);
}

/* A string, interned and as a key; false: not done. */
static bool add_key(molt_dict *dict, int64_t i, void *value)
{
    char name[20];
    MOLT_AUTO molt_str *string = molt_str_new(name, (size_t)sprintf(name, "%d", (int)i));
    if (!done(string != NULL))
        return false;
    MOLT_AUTO molt_str *interned = molt_str_intern(string);
    return done(interned != NULL) && done(molt_dict_set(dict, interned, value) == 0);
}

static void fill(molt_list *list, molt_dict *dict)
{
    size_t length = 0, keys = 0;
    for (int64_t i = 0; i < 80; i++) {
        MOLT_AUTO molt_int *number = molt_int_new(1000 + i);
        if (!done(number != NULL))
            continue;
        bool at_end = i % 2 == 0 || length == 0;
        length += done(
            (at_end ? molt_list_append(list, number) : molt_list_insert(list, 1, number)) == 0);
        if (length != 0 && number_at(list, 0) == 1000)
            keys += add_key(dict, i, number);
        if (length != 0 && number_at(list, 0) == 1000)
            expect_lengths(list, length, dict, keys);
    }
}

static void copy(molt_list *list, molt_dict *dict)
{
    size_t length = molt_list_length(list), keys = molt_dict_length(dict);
    MOLT_AUTO molt_list *slice = molt_list_slice(list, length / 3, length);
    if (done(slice != NULL) && done(molt_list_extend(slice, list) == 0))
        REQUIRE(molt_list_length(slice) == length + length - length / 3, "extended");
    void *both[] = {list, dict};
    MOLT_AUTO molt_tuple *tuple = molt_tuple_new(both, 2);
    if (done(tuple != NULL)) {
        MOLT_AUTO molt_str *text = molt_repr(tuple);
        done(text != NULL);
    }
    if (length != 0 && number_at(list, 0) == 1000)
        expect_lengths(list, length, dict, keys);
    while (molt_list_length(list) > 1)
        molt_release(molt_list_pop(list, molt_list_length(list) - 1)); /* gives room back or not */
}

static void script(void)
{
    MOLT_AUTO molt_list *list = molt_list_new();
    if (!done(list != NULL))
        return;
    MOLT_AUTO molt_dict *dict = molt_dict_new();
    if (!done(dict != NULL))
        return;
    fill(list, dict);
    copy(list, dict);
}

START_TEST(test_each_request_fails)
{
    molt_gc_disable();
    script();
    size_t before = unit_live_blocks();
    unsigned long nth = 0;
    do {
        requests_fail(++nth);
        script();
        size_t after = unit_live_blocks();
        REQUIRE(after == before, "request %lu fails: %zu blocks, not %zu", nth, after, before);
    } while (requests_have_failed());
    ck_assert_uint_gt(nth, 300);
}
END_TEST

START_TEST(test_no_memory_for_small_ints)
{
    requests_fail(1);
    expect_errno(molt_int_new(77) == NULL, ENOMEM);
    ck_assert_int_eq(molt_int_value(molt_int_new(77)), 77);
    requests_fail(1);
    expect_errno(molt_int_value(molt_int_new(77)) == 77, 0);
}
END_TEST

/* That room cannot be given back is no error. */
START_TEST(test_no_memory_to_give_room_back)
{
    molt_list *list = LIST(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20);
    while (molt_list_length(list) > 1) {
        requests_fail(1);
        expect_errno(molt_list_pop(list, 0) != NULL, 0);
    }
    ck_assert(requests_have_failed());
    molt_release(list);
}
END_TEST

/* ---- Another one is faster ---- */

static void *made_meanwhile;

static void make_number(void)
{
    made_meanwhile = molt_int_new(77);
}

START_TEST(test_small_int_made_meanwhile)
{
    molt_release(molt_int_new(1000));
    size_t before = unit_live_blocks();
    requests_meanwhile(make_number);
    molt_int *number = molt_int_new(77);
    ck_assert_ptr_nonnull(number);
    ck_assert_ptr_eq(number, made_meanwhile);
    ck_assert_ptr_eq(number, molt_int_new(77));
    ck_assert_uint_eq(unit_live_blocks(), before + 1);
}
END_TEST

static void intern_name(void)
{
    molt_str *string = molt_str_from("name");
    made_meanwhile = molt_str_intern(string);
    molt_release(string);
}

/* The very string that is being interned. */
static void intern_same(void)
{
    molt_release(molt_str_intern(made_meanwhile));
}

START_TEST(test_interned_meanwhile)
{
    molt_str *other = molt_str_from("other"), *kept = molt_str_intern(other);
    molt_str *string = molt_str_from("name");
    size_t before = 0;
    for (unsigned round = 0; round < 3; round++) {
        requests_meanwhile(intern_name);
        molt_str *interned = molt_str_intern(string);
        ck_assert_ptr_eq(interned, made_meanwhile);
        ck_assert_ptr_ne(interned, string);
        molt_release(interned);
        molt_release(made_meanwhile);
        made_meanwhile = molt_str_from("name");
        requests_meanwhile(intern_same);
        interned = molt_str_intern(made_meanwhile);
        ck_assert_ptr_eq(interned, made_meanwhile);
        ck_assert_uint_eq(molt_weak_count(interned), 1);
        molt_release(interned);
        molt_release(made_meanwhile);
        if (round == 0)
            before = unit_live_blocks();
        ck_assert_uint_eq(unit_live_blocks(), before);
    }
    molt_release(other), molt_release(kept), molt_release(string);
}
END_TEST

/* ---- Threads ---- */

#define THREADS 4
#define NAMES 20

static pthread_barrier_t barrier;
static _Atomic(void *) met[THREADS];
static atomic_bool must_end;

static molt_str *intern_number(unsigned number)
{
    char name[20];
    molt_str *string = molt_str_new(name, (size_t)sprintf(name, "name %u", number));
    molt_str *interned = molt_str_intern(string);
    REQUIRE(interned != NULL, "no memory");
    REQUIRE(molt_equal(interned, string) == 1, "name %u has become another", number);
    molt_release(string);
    return interned;
}

/* All intern the same name, compare what they have got, and let go: so it dies and comes again. */
static void *intern_in_turns(void *argument)
{
    unsigned me = (unsigned)(uintptr_t)argument;
    for (unsigned round = 0; round < 2000; round++) {
        molt_str *string = intern_number(round % NAMES);
        atomic_store(&met[me], string);
        molt_gc_blocking_begin();
        pthread_barrier_wait(&barrier);
        molt_gc_blocking_end();
        void *other = atomic_load(&met[(me + 1) % THREADS]);
        REQUIRE(other == string, "two strings interned in round %u", round);
        molt_gc_blocking_begin();
        pthread_barrier_wait(&barrier);
        molt_gc_blocking_end();
        molt_release(string);
    }
    return NULL;
}

/* The same without a rest: deaths and look-ups meet. */
static void *intern_at_random(void *argument)
{
    uint64_t random = (uintptr_t)argument;
    molt_str *held[NAMES] = {NULL};
    for (unsigned i = 0; i < 30000; i++) {
        unsigned number = unit_random(&random) % NAMES;
        molt_str *string = intern_number(number);
        REQUIRE(held[number] == NULL || held[number] == string, "two strings interned");
        if (unit_random(&random) % 4 == 0)
            molt_set(&held[number], string);
        else
            molt_clear(&held[number]);
        molt_release(string);
    }
    for (unsigned i = 0; i < NAMES; i++)
        molt_clear(&held[i]);
    return NULL;
}

static void in_threads(void *(*function)(void *))
{
    pthread_t threads[THREADS];
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (uintptr_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, function, (void *)i), 0);
    molt_gc_blocking_begin();
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    molt_gc_blocking_end();
    molt_gc_collect(2); /* and settles what the threads have released */
}

START_TEST(test_threads_intern_in_turns)
{
    in_threads(intern_in_turns);
}
END_TEST

START_TEST(test_threads_intern_at_random)
{
    in_threads(intern_at_random);
}
END_TEST

/* Small ints are made once. */
static void *make_small_ints(void *argument)
{
    for (int64_t i = -5; i <= 256; i++) {
        void *number = molt_int_new(i), *other = NULL;
        if (!atomic_compare_exchange_strong(&((_Atomic(void *) *)argument)[i + 5], &other, number))
            REQUIRE(other == number, "two objects for %d", (int)i);
    }
    return NULL;
}

START_TEST(test_threads_make_small_ints)
{
    static _Atomic(void *) seen[262];
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, make_small_ints, seen);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}
END_TEST

/* Hashes that are remembered, in one value that all read. */
static void *read_value(void *value)
{
    uint64_t hash;
    for (unsigned i = 0; i < 300; i++) {
        molt_str *text = molt_repr(value);
        REQUIRE(molt_hash(molt_list_get(value, 0), &hash) == 0, "no hash");
        REQUIRE(molt_dict_contains(molt_list_get(value, 1), molt_list_get(value, 0)) == 1, "key");
        REQUIRE(molt_equal(value, value) == 1 && text != NULL, "not equal");
        molt_release(text);
    }
    return NULL;
}

START_TEST(test_threads_read_one_value)
{
    molt_str *string = molt_str_from("a string whose hash nobody knows");
    void *items[] = {string, string};
    molt_tuple *tuple = molt_tuple_new(items, 2);
    molt_dict *dict = molt_dict_new();
    molt_list *list = molt_list_new();
    molt_dict_set(dict, tuple, string);
    molt_list_append(list, tuple);
    molt_list_append(list, dict);
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, read_value, list);
    molt_gc_blocking_begin();
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    molt_gc_blocking_end();
    molt_release(string), molt_release(tuple), molt_release(dict), molt_release(list);
}
END_TEST

/* ---- Fork ---- */

static void *intern_until_told(void *argument)
{
    for (unsigned i = 0; !atomic_load(&must_end); i++)
        molt_release(intern_number(i % 200));
    return argument;
}

/* The child may have been forked while the thread held the lock of the table. */
START_TEST(test_fork_while_others_intern)
{
    pthread_t thread;
    molt_str *kept = intern_number(1000);
    pthread_create(&thread, NULL, intern_until_told, NULL);
    for (unsigned i = 0; i < 100; i++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(patience(20));
            molt_str *same = intern_number(1000);
            molt_release(intern_number(1));
            _exit(same == kept ? 0 : 1);
        }
        int status;
        waitpid(child, &status, 0);
        REQUIRE(status == 0, "child %u: status %#x", i, (unsigned)status);
    }
    atomic_store(&must_end, true);
    pthread_join(thread, NULL);
}
END_TEST

Suite *suite_value_stress(void)
{
    Suite *suite = suite_create("value_stress");
    TCase *tests = tcase_create("value_stress");
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, test_random_list);
    tcase_add_test(tests, test_random_dict);
    tcase_add_test(tests, test_each_request_fails);
    tcase_add_test(tests, test_no_memory_for_small_ints);
    tcase_add_test(tests, test_no_memory_to_give_room_back);
    tcase_add_test(tests, test_small_int_made_meanwhile);
    tcase_add_test(tests, test_interned_meanwhile);
    tcase_add_test(tests, test_threads_intern_in_turns);
    tcase_add_test(tests, test_threads_intern_at_random);
    tcase_add_test(tests, test_threads_make_small_ints);
    tcase_add_test(tests, test_threads_read_one_value);
    tcase_add_test(tests, test_fork_while_others_intern);
    suite_add_tcase(suite, tests);
    return suite;
}
