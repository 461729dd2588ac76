/* What MOLT= says, and what it does when it is wrong.
 *
 * Each wrong setting gets one line with what may be meant, and the program runs; with strict=1 it
 * does not run. No value of the variable, however long or broken, may crash the program. The case
 * starts itself again with each value and looks at standard error.
 */
#include "case.h"

static const char *value;

static void start_again(void)
{
    if (value)
        setenv("MOLT", value, 1);
    setenv("CASE_OPTIONS_CHILD", "1", 1);
    char *arguments[] = {(char *)(uintptr_t) "options", NULL};
    execv("/proc/self/exe", arguments);
    _exit(5);
}

static struct child_end run_with(const char *options)
{
    struct child_end end;
    value = options;
    run_child(start_again, &end);
    return end;
}

static void check_silent(const char *options)
{
    struct child_end end = run_with(options);
    CHECK_MSG(ended_well(&end) && end.length == 0, "MOLT=%s: status 0x%x, stderr: %s",
              options ? options : "(unset)", (unsigned)end.status, end.error);
}

/* The program runs after one line about molt that names what was written and what may be meant. */
static void check_warning(const char *options, const char *written, const char *nearest)
{
    struct child_end end = run_with(options);
    CHECK_MSG(ended_well(&end) && lines_with(&end, "molt: ") == 1 &&
                  lines_with(&end, "molt: error") == 0 && strstr(end.error, written) &&
                  strstr(end.error, nearest),
              "MOLT=%s: status 0x%x, stderr: %s", options, (unsigned)end.status, end.error);
}

/* The program does not run; one line says which option is wrong. */
static void check_stopped(const char *options, const char *written)
{
    struct child_end end = run_with(options);
    CHECK_MSG(!ended_well(&end) && !ended_by(&end, SIGSEGV) && !ended_by(&end, SIGALRM) &&
                  lines_with(&end, "molt: error: ") == 1 && strstr(end.error, written),
              "MOLT=%s: status 0x%x, stderr: %s", options, (unsigned)end.status, end.error);
}

static void check_survived(const char *options)
{
    struct child_end end = run_with(options);
    CHECK_MSG(ended_well(&end), "MOLT=%.60s: status 0x%x, stderr: %s", options,
              (unsigned)end.status, end.error);
}

static void long_values(void)
{
    static char text[100000];
    memset(text, 'x', sizeof text - 1);
    check_survived(text);
    memset(text, ',', sizeof text - 1);
    check_survived(text);
    memset(text, '=', sizeof text - 1);
    check_survived(text);
    for (size_t i = 0; i + 1 < sizeof text; i++)
        text[i] = "a=1,"[i % 4];
    check_survived(text);
}

int main(void)
{
    if (getenv("CASE_OPTIONS_CHILD")) {
        free(malloc(100));
        return 0;
    }
    case_watchdog(60);
    case_needs_library();
    check_silent(NULL);
    check_silent("");
    check_silent("strict=1");
    check_silent("strict=0");
    check_warning("strct=1", "strct", "strict");
    check_warning("strict=0,stirct=1", "stirct", "strict");
    check_stopped("strict=1,bogus=1", "bogus");
    check_stopped("strict=1,strct=1", "strct");
    check_survived("=");
    check_survived(",,,");
    check_survived("strict");
    check_survived("strict=");
    check_survived("strict=perhaps");
    check_survived("\xff\xfe=\x01,%s%n=%n");
    long_values();
    return case_end();
}
