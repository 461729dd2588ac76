/* thread_self.c: the calling thread's words. */
#include "thread_self.h"

THREAD_LOCAL struct thread thread_self;
uintptr_t thread_operators_open;
