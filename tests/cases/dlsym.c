/* dlsym, dlopen and dlerror allocate: in the loader, for the error text, in new threads.
 *
 * An allocator that calls dlsym on its way (to find the next malloc) recurses when dlsym calls
 * calloc. The text of dlerror belongs to the thread and is freed after its last destructor. A
 * failing dlsym must go on failing politely, first call of a thread or not, at constant RSS.
 */
#include "case.h"

/* Long, so that a text which is lost shows. */
static char long_name[2000];

static void fail_once(const char *name)
{
    CHECK(dlsym(RTLD_DEFAULT, name) == NULL);
    const char *error = dlerror();
    CHECK(error && strstr(error, name));
    CHECK(dlerror() == NULL);
}

static void *first_call_is_dlsym(void *argument)
{
    fail_once("no_such_symbol_anywhere");
    CHECK(dlsym(RTLD_NEXT, long_name) == NULL); /* its text stays with the thread */
    return argument;
}

static void *first_call_is_dlopen(void *argument)
{
    CHECK(dlopen("/no/such/file.so", RTLD_NOW) == NULL);
    return argument;
}

static void *both_at_once(void *argument)
{
    for (int i = 0; i < 2000; i++) {
        fail_once("no_such_symbol_anywhere");
        free(malloc((size_t)i));
    }
    return argument;
}

int main(void)
{
    case_watchdog(60);
    memset(long_name, 'n', sizeof long_name - 1);
    fail_once("before_anything_else");
    pthread_t a = thread_start(both_at_once, NULL), b = thread_start(both_at_once, NULL);
    thread_join(a);
    thread_join(b);
    size_t before = 0;
    for (int i = 0; i < 2500; i++) {
        if (i == 500)
            before = rss_bytes();
        in_thread(first_call_is_dlsym, NULL);
        in_thread(first_call_is_dlopen, NULL);
    }
    CHECK_MSG(growth(before, rss_bytes()) < 4 * MIB, "RSS went from %zu to %zu", before,
              rss_bytes());
    return case_end();
}
