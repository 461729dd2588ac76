/* perturb.c: the value, and where it comes from. */
#include "perturb.h"

#include "os/os.h" // os_environment

#include <string.h>

#define TUNABLE "glibc.malloc.perturb="
#define VALUE_MAX 255u /* a larger one in the environment is ignored */

static int fill_value;

void perturb_set(int value)
{
    __atomic_store_n(&fill_value, value, __ATOMIC_RELAXED);
    watch_set(WATCH_FILL, value != 0);
}

static unsigned digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    c |= 'a' ^ 'A';
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

/* Sets the value to a number as in C: decimal, octal or hexadecimal, whatever stands behind it. One
 * that is too large is ignored. */
static void take_number(const char *text)
{
    unsigned base = 10, number = 0;
    text += strspn(text, " \t");
    if (text[0] == '0' && (text[1] | ('a' ^ 'A')) == 'x') {
        base = 16;
        text += 2;
    } else if (text[0] == '0') {
        base = 8;
    }
    for (; digit_of(*text) < base && number <= VALUE_MAX; text++)
        number = number * base + digit_of(*text);
    if (number <= VALUE_MAX)
        perturb_set((int)number);
}

/* Sets the value from a list of tunables, which colons separate; false if none is molt's. */
static bool take_tunable(const char *list)
{
    while (*list != '\0') {
        if (strncmp(list, TUNABLE, strlen(TUNABLE)) == 0) {
            take_number(list + strlen(TUNABLE));
            return true;
        }
        list += strcspn(list, ":");
        list += *list == ':';
    }
    return false;
}

void perturb_init(void)
{
    char text[4096];
    long length = os_environment("GLIBC_TUNABLES", text, sizeof text);
    if (length > 0 && length < (long)sizeof text && take_tunable(text))
        return;
    length = os_environment("MALLOC_PERTURB_", text, sizeof text);
    if (length > 0 && length < (long)sizeof text)
        take_number(text);
}

void perturb_new(void *block, size_t bytes)
{
    memset(block, fill_value ^ 0xff, bytes);
}

void perturb_freed(void *block, size_t bytes)
{
    memset(block, fill_value, bytes);
}
