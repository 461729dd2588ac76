/* lisp.c: a small Lisp whose functions and environments refer to each other.
 *
 *     environment ──names──► { factorial: function }      A function knows the environment it was
 *          ▲                                │             made in, which knows the function by its
 *          └──────────environment───────────┘             name: (define f (lambda …)) is a circle.
 *
 * Programs are values: numbers are molt_int, symbols are interned molt_str and so compared by
 * address, forms are molt_list. Environments and functions are objects of this program's own types.
 * What a C function here returns is the caller's reference, or NULL after a message; MOLT_AUTO
 * releases what a block holds on every way out of it.
 *
 *     cc lisp.c $(pkg-config --cflags --libs molt) && ./a.out          (a.out demo: the demo) */
#include <molt_value.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 5000 /* calls inside one another */

struct environment {
    MOLT_OBJECT;
    molt_dict *names;
    struct environment *outer;
};
MOLT_TYPE(environment_type, struct environment, MOLT_REFS(struct environment, names, outer));

struct function {
    MOLT_OBJECT;
    molt_list *form; /* (lambda (parameter …) body …) */
    struct environment *environment;
};
MOLT_TYPE(function_type, struct function, MOLT_REFS(struct function, form, environment));

static molt_str *s_define, *s_if, *s_lambda, *s_quote, *s_set; /* held for ever */
static unsigned depth;

static void *eval(void *form, struct environment *environment);

/* ---- Small things ---- */

static void *fail(const char *what, const char *name)
{
    printf("error: %s %s\n", what, name);
    return NULL;
}

static molt_str *symbol(const char *name)
{
    MOLT_AUTO molt_str *string = molt_str_from(name);
    return molt_str_intern(string);
}

static void *item(const void *form, size_t index) /* borrowed; NULL: there is none */
{
    return molt_list_get(form, index);
}

static void print(const void *value)
{
    if (molt_int_is(value))
        printf("%lld", (long long)molt_int_value(value));
    else if (molt_str_is(value))
        printf("%s", molt_str_bytes(value));
    else if (!molt_list_is(value))
        printf("<%s>", molt_typeof(value)->name);
    else {
        putchar('(');
        for (size_t i = 0; i < molt_list_length(value); i++) {
            fputs(i == 0 ? "" : " ", stdout);
            print(item(value, i));
        }
        putchar(')');
    }
}

/* ---- Reading ---- */

static int next_char(FILE *in) /* not a blank; it stays unread */
{
    int c = getc(in);
    while (isspace(c))
        c = getc(in);
    return ungetc(c, in);
}

static void *read_atom(FILE *in)
{
    char text[100], *end;
    size_t length = 0;
    int c = getc(in);
    for (; c != EOF && !isspace(c) && c != '(' && c != ')'; c = getc(in))
        if (length < sizeof text - 1)
            text[length++] = (char)c;
    ungetc(c, in);
    text[length] = '\0';
    long long number = strtoll(text, &end, 10);
    return *end == '\0' ? (void *)molt_int_new(number) : symbol(text);
}

static void *read_form(FILE *in)
{
    int c = next_char(in);
    if (c == ')')
        getc(in);
    if (c == EOF || c == ')')
        return fail("unexpected", c == EOF ? "end" : ")");
    if (c != '(')
        return read_atom(in);
    MOLT_AUTO molt_list *list = molt_list_new();
    for (getc(in); next_char(in) != ')';) {
        MOLT_AUTO void *inner = read_form(in);
        if (inner == NULL || molt_list_append(list, inner) != 0)
            return NULL;
    }
    getc(in);
    return molt_retain(list);
}

/* ---- Environments ---- */

static struct environment *environment_new(struct environment *outer)
{
    struct environment *made = molt_new(&environment_type);
    if (made != NULL && (made->names = molt_dict_new()) == NULL)
        molt_clear(&made);
    if (made != NULL)
        molt_set(&made->outer, outer);
    return made;
}

/* The innermost environment that has the name, or NULL. */
static struct environment *find(molt_str *name, struct environment *environment)
{
    while (environment != NULL && molt_dict_contains(environment->names, name) == 0)
        environment = environment->outer;
    return environment;
}

/* ---- Evaluating ---- */

/* The items of `form` from `from` on, evaluated one after the other, in a list. */
static molt_list *eval_items(molt_list *form, size_t from, struct environment *environment)
{
    MOLT_AUTO molt_list *values = molt_list_new();
    for (size_t i = from; i < molt_list_length(form); i++) {
        MOLT_AUTO void *value = eval(item(form, i), environment);
        if (value == NULL || molt_list_append(values, value) != 0)
            return NULL;
    }
    return molt_retain(values);
}

static void *call(struct function *function, molt_list *arguments)
{
    molt_list *parameters = item(function->form, 1);
    if (molt_list_length(parameters) != molt_list_length(arguments))
        return fail("wrong number of", "arguments");
    if (depth == DEPTH_MAX)
        return fail("too many", "calls");
    MOLT_AUTO struct environment *inner = environment_new(function->environment);
    for (size_t i = 0; inner != NULL && i < molt_list_length(parameters); i++)
        if (molt_dict_set(inner->names, item(parameters, i), item(arguments, i)) != 0)
            return fail("no", "parameter");
    depth++;
    MOLT_AUTO molt_list *values = inner != NULL ? eval_items(function->form, 2, inner) : NULL;
    depth--;
    return values != NULL ? molt_list_pop(values, molt_list_length(values) - 1) : NULL;
}

/* (+ a b), and so on. */
static void *eval_operation(char sign, molt_list *form, struct environment *environment)
{
    MOLT_AUTO molt_list *values = eval_items(form, 1, environment);
    if (values == NULL)
        return NULL;
    void *left = item(values, 0), *right = item(values, 1);
    if (molt_list_length(values) != 2 || !molt_int_is(left) || !molt_int_is(right))
        return fail("two numbers", "are needed");
    int64_t a = molt_int_value(left), b = molt_int_value(right), result = a < b;
    if ((sign == '+' && __builtin_add_overflow(a, b, &result)) ||
        (sign == '-' && __builtin_sub_overflow(a, b, &result)) ||
        (sign == '*' && __builtin_mul_overflow(a, b, &result)))
        return fail("too large", "a number");
    return molt_int_new(result);
}

static void *eval_call(molt_list *form, struct environment *environment)
{
    MOLT_AUTO void *head = eval(item(form, 0), environment);
    MOLT_AUTO molt_list *arguments = head != NULL ? eval_items(form, 1, environment) : NULL;
    if (arguments == NULL)
        return NULL;
    if (molt_cast(head, &function_type) == NULL)
        return fail("no", "function");
    return call(head, arguments);
}

static void *make_function(molt_list *form, struct environment *environment)
{
    bool is_whole = molt_list_is(item(form, 1)) && molt_list_length(form) > 2;
    struct function *made = is_whole ? molt_new(&function_type) : NULL;
    if (made == NULL)
        return fail("bad", "lambda");
    molt_set(&made->form, form);
    molt_set(&made->environment, environment);
    return made;
}

/* (define name value) here; (set! name value) where the name is. */
static void *assign(molt_list *form, struct environment *environment, struct environment *where)
{
    if (!molt_str_is(item(form, 1)) || item(form, 2) == NULL || where == NULL)
        return fail("no such", "name");
    void *value = eval(item(form, 2), environment);
    if (value != NULL && molt_dict_set(where->names, item(form, 1), value) != 0)
        molt_clear(&value);
    return value;
}

static void *eval_if(molt_list *form, struct environment *environment)
{
    if (molt_list_length(form) != 4)
        return fail("bad", "if");
    MOLT_AUTO void *condition = eval(item(form, 1), environment);
    if (condition == NULL)
        return NULL;
    bool is_false = molt_int_is(condition) && molt_int_value(condition) == 0;
    return eval(item(form, is_false ? 3 : 2), environment);
}

static void *eval_list(molt_list *form, struct environment *environment)
{
    void *head = item(form, 0);
    if (head == s_quote)
        return molt_retain(item(form, 1));
    if (head == s_if)
        return eval_if(form, environment);
    if (head == s_lambda)
        return make_function(form, environment);
    if (head == s_define)
        return assign(form, environment, environment);
    if (head == s_set)
        return assign(form, environment, find(item(form, 1), environment));
    if (molt_str_is(head) && strlen(molt_str_bytes(head)) == 1 &&
        strchr("+-*<", *molt_str_bytes(head)))
        return eval_operation(*molt_str_bytes(head), form, environment);
    return eval_call(form, environment);
}

static void *eval(void *form, struct environment *environment)
{
    if (molt_list_is(form) && molt_list_length(form) != 0)
        return eval_list(form, environment);
    if (!molt_str_is(form))
        return molt_retain(form);
    struct environment *found = find(form, environment);
    return found != NULL ? molt_retain(molt_dict_get(found->names, form))
                         : fail("unknown:", molt_str_bytes(form));
}

/* ---- A session ---- */

/* Reads, evaluates and prints until the end, in an environment of its own. */
static void run(FILE *in)
{
    MOLT_AUTO struct environment *global = environment_new(NULL);
    if (global == NULL)
        exit(1);
    while (next_char(in) != EOF) {
        MOLT_AUTO void *form = read_form(in);
        MOLT_AUTO void *value = form != NULL ? eval(form, global) : NULL;
        if (value == NULL)
            continue;
        print(value);
        putchar('\n');
    }
}

static char demo[] = "(define factorial (lambda (n) (if (< n 2) 1 (* n (factorial (- n 1))))))"
                     "(factorial 20)"
                     "(define make-counter (lambda (n) (lambda () (set! n (+ n 1)))))"
                     "(define a (make-counter 0)) (define b (make-counter 100))"
                     "(a) (a) (b) (a)"
                     "(define even? (lambda (n) (if (< n 1) (quote yes) (odd? (- n 1)))))"
                     "(define odd? (lambda (n) (if (< n 1) (quote no) (even? (- n 1)))))"
                     "(even? 1000) (even? 7)";

/* Nothing is left of a session: its global environment is held by its functions alone. */
static void run_demo(void)
{
    FILE *in = fmemopen(demo, sizeof demo - 1, "r");
    if (in == NULL)
        exit(1);
    size_t before = molt_gc_objects(-1, NULL, NULL);
    run(in);
    fclose(in);
    size_t garbage = molt_gc_objects(-1, NULL, NULL) - before;
    molt_gc_collect(2);
    printf("%s, then %zu objects more than before\n", garbage > 0 ? "garbage" : "no garbage",
           molt_gc_objects(-1, NULL, NULL) - before);
}

int main(int argc, char **argv)
{
    s_define = symbol("define"), s_if = symbol("if"), s_lambda = symbol("lambda");
    s_quote = symbol("quote"), s_set = symbol("set!");
    if (argc > 1 && strcmp(argv[1], "demo") == 0)
        run_demo();
    else
        run(stdin);
}
