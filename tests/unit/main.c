/* main.c: runs all suites, or those named: unit [--list] [SUITE]… */
#include "suites.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef Suite *suite_function(void);

static const struct {
    const char *name;
    suite_function *make;
} suites[] = {
    {"bits", suite_bits},
    {"random", suite_random},
    {"lock", suite_lock},
    {"bytes", suite_bytes},
    {"report", suite_report},
    {"options", suite_options},
    {"size_class", suite_size_class},
    {"block", suite_block},
    {"pool", suite_pool},
    {"map", suite_map},
    {"arena", suite_arena},
    {"purge", suite_purge},
    {"run", suite_run},
    {"span", suite_span},
    {"huge", suite_huge},
    {"peak", suite_peak},
    {"limit", suite_limit},
    {"hole", suite_hole},
    {"heap", suite_heap},
    {"probe", suite_probe},
    {"sample", suite_sample},
    {"remote", suite_remote},
    {"proof", suite_proof},
    {"registry", suite_registry},
    {"claim", suite_claim},
    {"start", suite_start},
    {"malloc", suite_malloc},
    {"misuse", suite_misuse},
    {"stats", suite_stats},
    {"account", suite_account},
    {"ctl", suite_ctl},
    {"incremental", suite_incremental},
    {"os", suite_os},
    {"os_failures", suite_os_failures},
    {"object", suite_object},
    {"object_misuse", suite_object_misuse},
    {"object_memory", suite_object_memory},
    {"object_threads", suite_object_threads},
    {"weak", suite_weak},
    {"gc", suite_gc},
    {"straggler", suite_straggler},
    {"deferral", suite_deferral},
    {"deduce", suite_deduce},
    {"validate", suite_validate},
    {"value", suite_value},
    {"value_containers", suite_value_containers},
    {"value_stress", suite_value_stress},
    {"profile_decimal", suite_profile_decimal},
    {"profile_dump", suite_profile_dump},
    {"profile_errors", suite_profile_errors},
    {"profile_share", suite_profile_share},
    {"profile_format", suite_profile_format},
    {"holder", suite_holder},
    {"sort", suite_sort},
    {"inspect", suite_inspect},
    {"safepoint", suite_safepoint},
    {"handler", suite_handler},
    {"profile_record", suite_profile_record},
    {"profile_tag", suite_profile_tag},
    {"reach", suite_reach},
    {"roots", suite_roots},
    {"suppress", suite_suppress},
    {"fork", suite_fork},
    {"profile_stack", suite_profile_stack},
    {"profile_tables", suite_profile_tables},
    {"profile_unwind", suite_profile_unwind},
};

static int list_suites(void)
{
    for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++)
        puts(suites[i].name);
    return 0;
}

static int is_wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return 1;
    return argc <= 1;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--script") == 0)
        return os_failures_script();
    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return list_suites();
    char times[16];
    snprintf(times, sizeof times, "%u", patience(1));
    setenv("CK_TIMEOUT_MULTIPLIER", times, false); /* before the suites are made */
    SRunner *runner = srunner_create(NULL);
    for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++)
        if (is_wanted(suites[i].name, argc, argv))
            srunner_add_suite(runner, suites[i].make());
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    int run = srunner_ntests_run(runner);
    srunner_free(runner);
    return failed == 0 && run > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
