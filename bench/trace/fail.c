/* fail.c: see fail.h. */
#include "fail.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

void fail(int status, const char *format, ...)
{
    static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER; /* never unlocked */
    char text[1024];
    va_list arguments;

    pthread_mutex_lock(&first);
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "replay: %s\n", text);
    _exit(status);
}
