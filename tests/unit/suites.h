/* suites.h: the suites that main.c runs, one a module. */
#ifndef UNIT_SUITES_H
#define UNIT_SUITES_H

#include <check.h>

Suite *suite_bits(void);
Suite *suite_random(void);
Suite *suite_lock(void);
Suite *suite_bytes(void);
Suite *suite_report(void);
Suite *suite_options(void);
Suite *suite_size_class(void);
Suite *suite_block(void);
Suite *suite_pool(void);
Suite *suite_map(void);
Suite *suite_arena(void);
Suite *suite_purge(void);
Suite *suite_run(void);
Suite *suite_span(void);
Suite *suite_huge(void);
Suite *suite_peak(void);
Suite *suite_limit(void);
Suite *suite_hole(void);
Suite *suite_heap(void);
Suite *suite_probe(void);
Suite *suite_sample(void);
Suite *suite_remote(void);
Suite *suite_proof(void);
Suite *suite_registry(void);
Suite *suite_claim(void);
Suite *suite_start(void);
Suite *suite_malloc(void);
Suite *suite_misuse(void);
Suite *suite_stats(void);
Suite *suite_account(void);
Suite *suite_ctl(void);
Suite *suite_incremental(void);
Suite *suite_os(void);
Suite *suite_os_failures(void);
Suite *suite_object(void);
Suite *suite_object_misuse(void);
Suite *suite_object_memory(void);
Suite *suite_object_threads(void);
Suite *suite_weak(void);
Suite *suite_gc(void);
Suite *suite_straggler(void);
Suite *suite_deferral(void);
Suite *suite_deduce(void);
Suite *suite_validate(void);
Suite *suite_value(void);
Suite *suite_value_containers(void);
Suite *suite_value_stress(void);
Suite *suite_profile_decimal(void);
Suite *suite_profile_dump(void);
Suite *suite_profile_errors(void);
Suite *suite_profile_share(void);
Suite *suite_profile_format(void);
Suite *suite_holder(void);
Suite *suite_sort(void);
Suite *suite_inspect(void);
Suite *suite_safepoint(void);
Suite *suite_handler(void);
Suite *suite_profile_record(void);
Suite *suite_profile_tag(void);

Suite *suite_reach(void);
Suite *suite_roots(void);
Suite *suite_suppress(void);
Suite *suite_fork(void);
Suite *suite_profile_stack(void);
Suite *suite_profile_tables(void);
Suite *suite_profile_unwind(void);

/* The program run again as `unit --script`: see test_os_failures.c. */
int os_failures_script(void);

#endif
