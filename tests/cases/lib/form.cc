/* One definition of a form or function, the number OWN of forms.h, for replaced.cc. */
#define OWN_FORMS (1 << OWN_NUMBER)
#include "../own_forms.h"
