/* signals.c: asking what the program does with a signal. */
#include "signals.h"

#include "base/report.h"

#include <signal.h>
#include <stddef.h>

void signals_take(int number, void (*handler)(int), const char *option, const char *what)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART | SA_ONSTACK};
    struct sigaction present;
    if (number == 0 || sigaction(number, NULL, &present) != 0)
        return;
    if ((present.sa_flags & SA_SIGINFO) == 0 && present.sa_handler == SIG_DFL)
        sigaction(number, &action, NULL);
    else if (present.sa_handler != handler)
        report_warning("%s: signal %d is the program's already: no %s on it", option, number, what);
}
