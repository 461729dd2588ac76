/* test_block.c: the encoded link. */
#include "suites.h"
#include "unit.h"

#include "alloc/block.h"

#include <string.h>

START_TEST(test_key)
{
    ck_assert_uint_eq(block_key >> 48, BLOCK_MARK); /* set when the process started */
    ck_assert_uint_ne(block_key << 16, 0);
    ck_assert_uint_ne(block_encode(&block_end) << 16, 0);
    ck_assert_uint_eq(block_key_from(0), (uintptr_t)BLOCK_MARK << 48 | SAMPLED_CODES);
    ck_assert_uint_eq(block_key_from(~UINT64_C(0)) >> 48, BLOCK_MARK);
    ck_assert_uint_ne(block_key_from(0x123456789abcdef0), block_key_from(0x223456789abcdef0));
}
END_TEST

START_TEST(test_links)
{
    struct block blocks[3] = {{0}, {0}, {0}};
    block_set_next(&blocks[0], &blocks[2]);
    block_set_next(&blocks[2], &blocks[1]);
    block_set_next(&blocks[1], NULL);
    ck_assert_ptr_eq(block_next(&blocks[0]), &blocks[2]);
    ck_assert_ptr_eq(block_next(&blocks[2]), &blocks[1]);
    ck_assert_ptr_null(block_next(&blocks[1]));
    for (unsigned i = 0; i < 3; i++)
        ck_assert(block_is_marked(&blocks[i]));
}
END_TEST

/* A sampled block cannot be popped; else it is as any other. */
START_TEST(test_sampled)
{
    struct block *blocks = (struct block *)unit_map_aligned(POOL_BYTES, POOL_BYTES);
    struct block *last = &blocks[POOL_BYTES / sizeof(struct block) - 1];
    struct block_list list;
    blocks[0].link = block_link_sampled(last);
    last->link = block_link_sampled(&block_end);
    block_list_set(&list, &blocks[0]);
    ck_assert_ptr_null(block_list_pop(&list));
    ck_assert(block_is_sampled(&blocks[0]) && block_is_sampled(last));
    ck_assert_ptr_eq(block_next(&blocks[0]), last);
    ck_assert_ptr_null(block_next(last));
    ck_assert(block_is_last(last) && !block_is_last(&blocks[0]));
    block_change_next(&blocks[0], blocks); /* the code of the pool's start */
    ck_assert(block_is_sampled(&blocks[0]));
    ck_assert_ptr_eq(block_next(&blocks[0]), blocks);
    block_set_next(&blocks[0], last);
    ck_assert(!block_is_sampled(&blocks[0]));
    block_change_next(&blocks[0], NULL);
    ck_assert(!block_is_sampled(&blocks[0]) && block_is_last(&blocks[0]));
#if defined(__x86_64__)
    ck_assert(block_is_marked(last));
#endif
    const uintptr_t words[] = {0, 1, 0x5555555555555555, block_key - SAMPLED_CODES - 1, ~0ul};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        blocks[0].link = words[i];
        ck_assert(!block_is_sampled(&blocks[0]));
    }
}
END_TEST

START_TEST(test_link_hides_the_address)
{
    struct block block = {0}, next = {0};
    block_set_next(&block, &next);
    ck_assert_uint_ne(block.link & 0xffffffffffff, (uintptr_t)&next);
    block_set_next(&block, NULL);
    ck_assert_uint_ne(block.link & 0xffffffffffff, 0);
}
END_TEST

START_TEST(test_list)
{
    struct block blocks[2] = {{0}, {0}};
    struct block_list list;
    block_list_set(&list, NULL);
    ck_assert(block_list_is_empty(&list));
    ck_assert_ptr_null(block_list_first(&list));
    ck_assert_ptr_null(block_list_pop(&list));
    block_list_push(&list, &blocks[0]);
    ck_assert_ptr_null(block_next(&blocks[0]));
    block_list_push(&list, &blocks[1]);
    ck_assert_ptr_eq(block_next(&blocks[1]), &blocks[0]);
    ck_assert(!block_list_is_empty(&list));
    ck_assert_ptr_eq(block_list_first(&list), &blocks[1]);
    ck_assert_ptr_eq(block_list_pop(&list), &blocks[1]);
    ck_assert(block_is_marked(&blocks[1]));
    ck_assert_ptr_eq(block_list_pop(&list), &blocks[0]);
    ck_assert_ptr_null(block_list_pop(&list));
    ck_assert(block_list_is_empty(&list));
    block_list_set(&list, &blocks[1]); /* with what hangs there */
    ck_assert_ptr_eq(block_list_pop(&list), &blocks[1]);
    ck_assert_ptr_eq(block_list_pop(&list), &blocks[0]);
}
END_TEST

/* What programs write over the link of a free block is no link; nor is block_end's. */
START_TEST(test_no_links)
{
    double numbers[] = {0.0, 1.5, -1.5, 1e300, -1e300, __builtin_inf(), -__builtin_inf()};
    uint64_t words[64 + 256 + COUNT_OF(numbers) + 4];
    size_t count = 0;
    for (unsigned shift = 0; shift < 64; shift++)
        words[count++] = UINT64_C(1) << shift;
    for (unsigned byte = 0; byte < 256; byte++)
        words[count++] = byte * UINT64_C(0x0101010101010101);
    memcpy(&words[count], numbers, sizeof numbers);
    count += COUNT_OF(numbers);
    words[count++] = (uintptr_t)words;
    words[count++] = block_end.link;
    words[count++] = ~UINT64_C(0);
    memcpy(&words[count++], "a text ", 8);
    for (size_t i = 0; i < count; i++) {
        struct block block = {.link = words[i]}, *next;
        struct block_list list;
        block_list_set(&list, &block);
        REQUIRE(!block_decode(block.link, &next), "word %jx", (uintmax_t)words[i]);
        REQUIRE(block_list_pop(&list) == NULL, "word %jx", (uintmax_t)words[i]);
        REQUIRE(block_next(&block) == NULL, "word %jx", (uintmax_t)words[i]);
        REQUIRE(!block_is_last(&block), "word %jx", (uintmax_t)words[i]);
        ck_assert_ptr_eq(block_list_first(&list), &block);
    }
}
END_TEST

static bool word_is_marked(uint64_t word)
{
    return block_is_marked(&word);
}

START_TEST(test_live_data_has_no_mark)
{
    double numbers[] = {0.0, -1.0, 1e300, -1e-300, __builtin_nan(""), __builtin_inf()};
    ck_assert(!word_is_marked(0));
    ck_assert(!word_is_marked(~UINT64_C(0)));
    ck_assert(!word_is_marked((uintptr_t)&numbers));
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        ck_assert(!block_is_marked(&numbers[i]));
    for (unsigned shift = 0; shift < 64; shift++)
        REQUIRE(!word_is_marked(UINT64_C(1) << shift), "shift %u", shift);
    ck_assert(word_is_marked((uint64_t)BLOCK_MARK << 48));
    ck_assert(word_is_marked((uint64_t)BLOCK_MARK << 48 | 0x123456));
}
END_TEST

Suite *suite_block(void)
{
    Suite *suite = suite_create("block");
    TCase *tests = tcase_create("block");
    tcase_add_test(tests, test_key);
    tcase_add_test(tests, test_links);
    tcase_add_test(tests, test_list);
    tcase_add_test(tests, test_sampled);
    tcase_add_test(tests, test_link_hides_the_address);
    tcase_add_test(tests, test_no_links);
    tcase_add_test(tests, test_live_data_has_no_mark);
    suite_add_tcase(suite, tests);
    return suite;
}
