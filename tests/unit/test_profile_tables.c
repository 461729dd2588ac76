/* test_profile_tables.c: rules that are read from unwind tables: written by hand, where the answer
 * is known, and at random, where only the end of it is. */
#include "suites.h"
#include "unit.h"

#include "profile/frame_rule.h"
#include "profile/image.h"

#include <string.h>

#if defined(__x86_64__)
enum { FP = 6, SP = 7, RETURN = 16, RETURN_WORDS = -1 };
#else
enum { FP = 29, SP = 31, RETURN = 30, RETURN_WORDS = 0 };
#endif

enum { FUNCTION = 0x1000, BYTES = 0x100, BX = 3 /* neither of them */ };

/* A CIE and an FDE behind it. */
struct table {
    uint8_t bytes[512];
    size_t length;
    size_t entry; /* where the FDE is */
};

static void put(struct table *table, const void *bytes, size_t count)
{
    memcpy(table->bytes + table->length, bytes, count);
    table->length += count;
}

static void put_8(struct table *table, uint8_t value)
{
    put(table, &value, sizeof value);
}

static void put_32(struct table *table, uint32_t value)
{
    put(table, &value, sizeof value);
}

/* Ends the record that begins at `start`: its first word is its length. */
static void end_record(struct table *table, size_t start)
{
    while (table->length % 8 != 0)
        put_8(table, 0);
    uint32_t length = (uint32_t)(table->length - start - sizeof length);
    memcpy(table->bytes + start, &length, sizeof length);
}

/* The usual CIE: on x86-64, a call has pushed the return address. */
static void put_common(struct table *table, const char *letters)
{
    put_32(table, 0); /* the length */
    put_32(table, 0); /* a CIE */
    put_8(table, 1);
    put(table, letters, strlen(letters) + 1);
    put_8(table, 1);    /* code unit */
    put_8(table, 0x78); /* data unit: -8 */
    put_8(table, RETURN);
    put_8(table, 1); /* bytes of the augmentation: */
    put_8(table, 0); /* absolute addresses */
    const uint8_t called[] = {0x0c, SP, 8, 0x80 | RETURN, 1};
    const uint8_t branched[] = {0x0c, SP, 0};
    put(table, RETURN_WORDS != 0 ? called : branched,
        RETURN_WORDS != 0 ? sizeof called : sizeof branched);
    end_record(table, 0);
}

static void make_table(struct table *table, const char *letters, const uint8_t *code, size_t count)
{
    uint64_t start = FUNCTION, bytes = BYTES;
    *table = (struct table){.length = 0};
    put_common(table, letters);
    table->entry = table->length;
    put_32(table, 0);
    put_32(table, (uint32_t)(table->length)); /* back to the CIE, from here */
    put(table, &start, sizeof start);
    put(table, &bytes, sizeof bytes);
    put_8(table, 0); /* bytes of the augmentation */
    put(table, code, count);
    end_record(table, table->entry);
}

static struct frame_rule read_at(const struct table *table, uintptr_t offset)
{
    return frame_rule_read(table->bytes + table->entry, FUNCTION + offset);
}

struct expected {
    enum frame_rule_kind kind;
    int cfa, fp;
};

/* The rule at the offset, after these instructions. */
#define EXPECT(offset, kind, cfa, fp, ...)                                   \
    do {                                                                     \
        static const uint8_t code[] = {__VA_ARGS__};                         \
        expect(code, sizeof code, offset, (struct expected){kind, cfa, fp}); \
    } while (0)

static void expect(const uint8_t *code, size_t count, uintptr_t offset, struct expected expected)
{
    struct table table;
    make_table(&table, "zR", code, count);
    struct frame_rule rule = read_at(&table, offset);
    ck_assert_int_eq(rule.kind, expected.kind);
    if (expected.kind == FRAME_UNKNOWN || expected.kind == FRAME_LAST)
        return;
    ck_assert_int_eq(rule.cfa, expected.cfa);
    ck_assert_int_eq(rule.fp, expected.fp);
    ck_assert_int_eq(rule.return_address, RETURN_WORDS);
}

enum {
    ADVANCE = 0x40,
    OFFSET = 0x80,
    RESTORE = 0xc0,
};

/* What compilers make: push of the frame pointer, a frame by it, and back. */
#define PROLOGUE ADVANCE | 1, 0x0e, 16, OFFSET | FP, 2, ADVANCE | 3, 0x0d, FP
#define EPILOGUE ADVANCE | 16, 0x0a, 0x0c, SP, 8, RESTORE | FP, ADVANCE | 1, 0x0b

START_TEST(test_usual)
{
    EXPECT(0, FRAME_BY_SP, RETURN_WORDS != 0 ? 8 : 0, FP_SAME, PROLOGUE, EPILOGUE);
    EXPECT(1, FRAME_BY_SP, 16, -2, PROLOGUE, EPILOGUE);
    EXPECT(3, FRAME_BY_SP, 16, -2, PROLOGUE, EPILOGUE);
    EXPECT(4, FRAME_BY_FP, 16, -2, PROLOGUE, EPILOGUE);
    EXPECT(19, FRAME_BY_FP, 16, -2, PROLOGUE, EPILOGUE);
    EXPECT(20, FRAME_BY_SP, 8, FP_SAME, PROLOGUE, EPILOGUE);
    EXPECT(21, FRAME_BY_FP, 16, -2, PROLOGUE, EPILOGUE);
    EXPECT(BYTES - 1, FRAME_BY_FP, 16, -2, PROLOGUE, EPILOGUE);
    EXPECT(BYTES, FRAME_UNKNOWN, 0, 0, PROLOGUE, EPILOGUE);
    EXPECT((uintptr_t)-1, FRAME_UNKNOWN, 0, 0, PROLOGUE, EPILOGUE);
}
END_TEST

/* Each instruction of the language. */
START_TEST(test_instructions)
{
    EXPECT(9, FRAME_BY_SP, 24, FP_SAME, 0x02, 9, 0x0e, 24);
    EXPECT(9, FRAME_BY_SP, 24, FP_SAME, 0x03, 9, 0, 0x0e, 24);
    EXPECT(9, FRAME_BY_SP, 24, FP_SAME, 0x04, 9, 0, 0, 0, 0x0e, 24);
    EXPECT(0, FRAME_BY_SP, 0x4010, FP_SAME, 0x0e, 0x90, 0x80, 0x01);
    EXPECT(0, FRAME_BY_FP, 16, -3, 0x0c, FP, 16, 0x05, FP, 3);
    EXPECT(0, FRAME_BY_FP, 16, FP_SAME, 0x0c, FP, 16, 0x05, FP, 3, 0x06, FP);
    EXPECT(0, FRAME_BY_FP, 16, FP_SAME, 0x0c, FP, 16, 0x05, FP, 3, 0x08, FP);
    EXPECT(0, FRAME_BY_FP, 16, FP_LOST, 0x0c, FP, 16, 0x07, FP);
    EXPECT(0, FRAME_BY_FP, 16, FP_LOST, 0x0c, FP, 16, 0x09, FP, BX);
    EXPECT(0, FRAME_BY_FP, 16, FP_LOST, 0x0c, FP, 16, 0x14, FP, 1);
    EXPECT(0, FRAME_BY_FP, 16, FP_LOST, 0x0c, FP, 16, 0x16, FP, 1, 0x50);
    EXPECT(0, FRAME_BY_FP, 16, 2, 0x0c, FP, 16, 0x11, FP, 0x7e);
    EXPECT(0, FRAME_BY_SP, 16, FP_SAME, 0x12, SP, 0x7e);
    EXPECT(0, FRAME_BY_SP, 32, FP_SAME, 0x13, 0x7c);
    EXPECT(0, FRAME_BY_SP, 32, FP_SAME, 0x13, 0x7c, 0x2e, 0x90, 0x01, OFFSET | BX, 7, 0x00);
    EXPECT(0, FRAME_LAST, 0, 0, 0x07, RETURN);
}
END_TEST

/* Frames that are no rule, until they are one again. */
START_TEST(test_beyond)
{
    EXPECT(0, FRAME_UNKNOWN, 0, 0, 0x0c, BX, 16);
    EXPECT(5, FRAME_BY_SP, 16, FP_SAME, 0x0c, BX, 16, ADVANCE | 5, 0x0c, SP, 16);
    EXPECT(0, FRAME_UNKNOWN, 0, 0, 0x0f, 2, 0x70 + SP, 8);
    EXPECT(0, FRAME_UNKNOWN, 0, 0, 0x09, RETURN, BX);
    EXPECT(0, FRAME_BY_SP, 16, FP_LOST, 0x0c, SP, 16, 0x10, FP, 2, 0x70 + FP, 0);
    EXPECT(0, FRAME_UNKNOWN, 0, 0, 0x3f); /* no such instruction */
    EXPECT(0, FRAME_UNKNOWN, 0, 0, 0x0b); /* nothing was remembered */
    EXPECT(0, FRAME_UNKNOWN, 0, 0, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a);
    EXPECT(0, FRAME_UNKNOWN, 0, 0, 0x0e, 0xff, 0xff, 0xff, 0xff, 0x7f); /* no int32_t */
    EXPECT(1, FRAME_UNKNOWN, 0, 0, 0x3f);
    EXPECT(0, FRAME_BY_SP, 24, FP_SAME, 0x0e, 24, ADVANCE | 1, 0x3f); /* only later */
}
END_TEST

/* What a function does that aligns its stack (x86-64): CFA = *(fp - 8), the frame pointer at fp. */
START_TEST(test_aligned)
{
#if defined(__x86_64__)
    EXPECT(0, FRAME_ALIGNED, -8, 0, 0x0f, 3, 0x70 + FP, 0x78, 0x06, 0x10, FP, 2, 0x70 + FP, 0);
    EXPECT(0, FRAME_ALIGNED, -8, 3, 0x0f, 3, 0x70 + FP, 0x78, 0x06, 0x10, FP, 2, 0x70 + FP, 24);
#endif
    EXPECT(0, FRAME_UNKNOWN, 0, 0, 0x0f, 3, 0x70 + FP, 0x78,
           0x06); /* the frame pointer is not saved */
    EXPECT(0, FRAME_UNKNOWN, 0, 0, 0x0f, 4, 0x70 + FP, 0x78, 0x06, 0x06, 0x10, FP, 2, 0x70 + FP, 0);
}
END_TEST

/* The linker's jumps to other libraries: the first of a jump's instructions have pushed nothing. */
START_TEST(test_jumps)
{
#if defined(__x86_64__)
#define JUMPS 0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22
    EXPECT(0, FRAME_BY_SP, 8, FP_SAME, JUMPS);
    EXPECT(10, FRAME_BY_SP, 8, FP_SAME, JUMPS);
    EXPECT(11, FRAME_BY_SP, 16, FP_SAME, JUMPS);
    EXPECT(15, FRAME_BY_SP, 16, FP_SAME, JUMPS);
    EXPECT(16, FRAME_BY_SP, 8, FP_SAME, JUMPS);
    EXPECT(16, FRAME_UNKNOWN, 0, 0, JUMPS, 0x0f, 10, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33,
           0x24);
#endif
}
END_TEST

START_TEST(test_augmentation)
{
    static const uint8_t none[] = {0};
    struct table table;
    make_table(&table, "zRS", none, 0);
    ck_assert_int_eq(read_at(&table, 0).kind, FRAME_SIGNAL);
    make_table(&table, "zRB", none, 0);
    ck_assert_int_eq(read_at(&table, 0).kind, FRAME_BY_SP);
    make_table(&table, "zRX", none, 0);
    ck_assert_int_eq(read_at(&table, 0).kind, FRAME_UNKNOWN);
    make_table(&table, "eh", none, 0);
    ck_assert_int_eq(read_at(&table, 0).kind, FRAME_UNKNOWN);
}
END_TEST

/* Whatever the bytes are, reading ends, and goes no further than the records. */
START_TEST(test_random)
{
    static const uint8_t code[] = {PROLOGUE, EPILOGUE, PROLOGUE, EPILOGUE};
    uint64_t state = 1;
    for (int round = 0; round < 200000; round++) {
        struct table table;
        make_table(&table, round % 2 == 0 ? "zR" : "zPLR", code, sizeof code);
        for (uint32_t changes = 1 + unit_random(&state) % 6; changes > 0; changes--) {
            size_t at = unit_random(&state) % table.length;
            bool is_head = at < 8 || (at >= table.entry && at < table.entry + 8);
            if (!is_head) /* lengths, and the way to the CIE, are what the linker made of them */
                table.bytes[at] = (uint8_t)unit_random(&state);
        }
        struct frame_rule rule = read_at(&table, unit_random(&state) % BYTES);
        REQUIRE(rule.kind <= FRAME_LAST, "round %d", round);
    }
}
END_TEST

/* Of this program's functions the tables know all addresses, and none beside them. */
START_TEST(test_image)
{
    struct image image;
    int local;
    image_prepare();
    ck_assert(image_find((uintptr_t)suite_profile_tables, &image));
    ck_assert(image.start <= (uintptr_t)suite_profile_tables);
    ck_assert(image.end > (uintptr_t)suite_profile_tables);
    const uint8_t *entry = image_entry(&image, (uintptr_t)suite_profile_tables);
    ck_assert_ptr_nonnull(entry);
    ck_assert_int_ne(frame_rule_read(entry, (uintptr_t)suite_profile_tables).kind, FRAME_UNKNOWN);
    ck_assert(!image_find((uintptr_t)&local, &image));
    ck_assert(!image_find(0, &image));
    ck_assert(!image_find(UINTPTR_MAX, &image));
}
END_TEST

Suite *suite_profile_tables(void)
{
    Suite *suite = suite_create("profile_tables");
    TCase *tests = tcase_create("profile_tables");
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, test_usual);
    tcase_add_test(tests, test_instructions);
    tcase_add_test(tests, test_beyond);
    tcase_add_test(tests, test_aligned);
    tcase_add_test(tests, test_jumps);
    tcase_add_test(tests, test_augmentation);
    tcase_add_test(tests, test_random);
    tcase_add_test(tests, test_image);
    suite_add_tcase(suite, tests);
    return suite;
}
