/* signals.h: handlers for signals that the program leaves free. */
#ifndef PROFILE_SIGNALS_H
#define PROFILE_SIGNALS_H

/* Has the function handle the signal; 0: none. A signal that the program handles or ignores already
 * is left to it, with a warning that names the option and `what` there will not be on the signal. A
 * handler that the program sets later takes this one's place. */
void signals_take(int number, void (*handler)(int), const char *option, const char *what);

#endif
