/* signals.h: handlers for signals that the program leaves free. */
#ifndef PROFILE_SIGNALS_H
#define PROFILE_SIGNALS_H

/* Has the signal handled by the function; 0: there is no signal. A handler that the program has, or
 * sets later, stays; of one that it has a warning tells, by the option's name. `what`: what there
 * will not be. */
void signals_take(int number, void (*handler)(int), const char *option, const char *what);

#endif
