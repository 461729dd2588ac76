/* options.c: the option table and its text forms. */
#include "options.h"

#include "edits.h"
#include "report.h" // report_warning, report_fatal

#include <signal.h> // SIG…
#include <string.h>

struct options options = {
#define X(name, type, preset, fixed, description) .name = (preset),
    OPTION_TABLE(X)
#undef X
};

struct option {
    const char *name;
    void *value; /* in `options` */
    enum option_type type;
    bool fixed; /* cannot change once memory has been allocated */
};

static const struct option table[] = {
#define X(name, type, preset, fixed, description) {#name, &options.name, type, fixed},
    OPTION_TABLE(X)
#undef X
};

#define TABLE_END (table + sizeof table / sizeof table[0])

/* A unit behind a number, or a word and the number that it stands for; NULL ends a list. */
struct unit {
    const char *text;
    uint64_t factor;
};

static const struct unit byte_units[] = {
    {"", 1},
    {"K", UINT64_C(1) << 10},
    {"M", UINT64_C(1) << 20},
    {"G", UINT64_C(1) << 30},
    {"T", UINT64_C(1) << 40},
    {NULL, 0},
};
static const struct unit time_units[] = {{"ms", 1}, {"s", 1000}, {"", 1}, {NULL, 0}};
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

static const struct unit switch_words[] = {
    {"0", 0},  {"1", 1}, {"no", 0},    {"yes", 1},  {"off", 0},
    {"on", 1}, {"", 1},  {"false", 0}, {"true", 1}, {NULL, 0},
};

static const struct unit gc_words[] = {
    {"generational", GC_GENERATIONAL}, {"incremental", GC_INCREMENTAL}, {NULL, 0}};

static const struct unit stack_words[] = {
    {"auto", STACK_AUTO},     {"tables", STACK_TABLES}, {"libunwind", STACK_LIBUNWIND},
    {"libgcc", STACK_LIBGCC}, {"fp", STACK_FP},         {NULL, 0},
};

static const struct unit signal_words[] = {
    {"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"USR1", SIGUSR1},   {"USR2", SIGUSR2},
    {"PIPE", SIGPIPE}, {"ALRM", SIGALRM}, {"TERM", SIGTERM}, {"CHLD", SIGCHLD},   {"CONT", SIGCONT},
    {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU}, {"URG", SIGURG},     {"XCPU", SIGXCPU},
    {"PROF", SIGPROF}, {"IO", SIGIO},     {"PWR", SIGPWR},   {"WINCH", SIGWINCH}, {NULL, 0},
};

static bool equals(const char *text, size_t length, const char *word)
{
    return strlen(word) == length && memcmp(text, word, length) == 0;
}

static const struct unit *find_word(const struct unit *words, const char *text, size_t length)
{
    for (; words->text != NULL; words++)
        if (equals(text, length, words->text))
            return words;
    return NULL;
}

static const struct unit *units_of(enum option_type type)
{
    switch (type) {
    case OPTION_BYTES:
    case OPTION_LIMIT:
        return byte_units;
    case OPTION_TIME:
        return time_units;
    default:
        return no_units;
    }
}

/* Returns the words that are the type's values; NULL: there are others, too. */
static const struct unit *words_of(enum option_type type)
{
    switch (type) {
    case OPTION_SWITCH:
        return switch_words;
    case OPTION_GC:
        return gc_words;
    case OPTION_STACK:
        return stack_words;
    default:
        return NULL;
    }
}

static bool parse_word(const struct unit *words, const char *text, size_t length, uint64_t *out)
{
    const struct unit *word = find_word(words, text, length);
    if (word != NULL)
        *out = word->factor;
    return word != NULL;
}

/* Reads the digits at the start of a text; how many there are. 0: none, or too large a number. */
static size_t parse_digits(const char *text, size_t length, uint64_t *number)
{
    size_t at = 0;
    *number = 0;
    for (; at < length && text[at] >= '0' && text[at] <= '9'; at++)
        if (__builtin_mul_overflow(*number, 10, number) ||
            __builtin_add_overflow(*number, (uint64_t)(text[at] - '0'), number))
            return 0;
    return at;
}

/* A number and one of the units behind it. */
static bool parse_number(const struct unit *units, const char *text, size_t length, uint64_t *out)
{
    uint64_t number;
    size_t at = parse_digits(text, length, &number);
    const struct unit *unit = find_word(units, text + at, length - at);
    return at > 0 && unit != NULL && !__builtin_mul_overflow(number, unit->factor, out);
}

static bool parse_limit(const char *text, size_t length, uint64_t *out)
{
    uint64_t number;
    size_t at = parse_digits(text, length, &number);
    if (at == 0 || !equals(text + at, length - at, "%"))
        return parse_number(byte_units, text, length, out) && *out < OPTION_PERCENT;
    *out = number | OPTION_PERCENT;
    return number >= 1 && number <= 100;
}

static bool parse_fill(const char *text, size_t length, uint64_t *out)
{
    static const struct unit words[] = {{"0", 0}, {"memory.high", OPTION_FILL_HIGH}, {NULL, 0}};
    if (parse_word(words, text, length, out))
        return true;
    bool is_limit = parse_limit(text, length, out) && *out >= OPTION_PERCENT;
    *out &= ~OPTION_PERCENT;
    return is_limit;
}

/* Whether a program may have a handler for the signal that is not about an error of its own. */
static bool signal_is_free(uint64_t number)
{
    static const uint64_t taken = UINT64_C(1) << SIGKILL | UINT64_C(1) << SIGSTOP |
                                  UINT64_C(1) << SIGILL | UINT64_C(1) << SIGTRAP |
                                  UINT64_C(1) << SIGABRT | UINT64_C(1) << SIGBUS |
                                  UINT64_C(1) << SIGFPE | UINT64_C(1) << SIGSEGV |
                                  UINT64_C(1) << SIGSYS | UINT64_C(3) << 32; /* the C library's */
    return number <= 64 && (number == 64 || (taken >> number & 1) == 0);
}

static bool parse_signal(const char *text, size_t length, uint64_t *out)
{
    size_t prefix = length > 3 && memcmp(text, "SIG", 3) == 0 ? 3 : 0;
    uint64_t number = 0;
    if (parse_word(signal_words, text + prefix, length - prefix, out))
        return true;
    if (!parse_number(no_units, text, length, &number) || !signal_is_free(number))
        return false;
    *out = number;
    return true;
}

/* What a text stands for; for a text itself only whether it is valid. */
static bool parse_value(enum option_type type, const char *text, size_t length, uint64_t *out)
{
    switch (type) {
    case OPTION_SWITCH:
    case OPTION_GC:
    case OPTION_STACK:
        return parse_word(words_of(type), text, length, out);
    case OPTION_LIMIT:
        return parse_limit(text, length, out);
    case OPTION_FILL:
        return parse_fill(text, length, out);
    case OPTION_SIGNAL:
        return parse_signal(text, length, out);
    case OPTION_TEXT:
        return length < OPTION_TEXT_SIZE && memchr(text, '\0', length) == NULL;
    default:
        return parse_number(units_of(type), text, length, out);
    }
}

static const struct option *find_option(const char *name, size_t length)
{
    for (const struct option *option = table; option < TABLE_END; option++)
        if (equals(name, length, option->name))
            return option;
    return NULL;
}

/* ---- Texts ---- */

#define X(name, type, preset, fixed, description) +((type) == OPTION_TEXT)
enum { TEXTS = 0 OPTION_TABLE(X) };
#undef X

/* Each text has two places: while it is read in the one, a new text goes to the other. The last
 * byte of each stays 0. */
static char texts[TEXTS][2][OPTION_TEXT_SIZE];

static char (*places_of(const struct option *option))[OPTION_TEXT_SIZE]
{
    size_t number = 0;
    for (const struct option *other = table; other < option; other++)
        number += other->type == OPTION_TEXT;
    return texts[number];
}

static void set_text(const struct option *option, const char *text, size_t length)
{
    const char **value = option->value;
    char(*places)[OPTION_TEXT_SIZE] = places_of(option);
    char *place = places[*value == places[0]];
    memcpy(place, text, length);
    place[length] = '\0';
    __atomic_store_n(value, place, __ATOMIC_RELEASE);
}

static const char *text_of(const struct option *option)
{
    return __atomic_load_n((const char **)option->value, __ATOMIC_ACQUIRE);
}

/* ---- Setting and getting ---- */

enum option_result options_set(const char *name, size_t name_length, const char *value,
                               size_t value_length, bool started)
{
    const struct option *option = find_option(name, name_length);
    uint64_t number = 0;
    if (option == NULL)
        return OPTION_UNKNOWN;
    if (!parse_value(option->type, value, value_length, &number))
        return OPTION_BAD_VALUE;
    if (started && option->fixed)
        return OPTION_FIXED;
    if (option->type == OPTION_TEXT)
        set_text(option, value, value_length);
    else
        *(uint64_t *)option->value = number;
    return OPTION_DONE;
}

static long copy_text(const char *text, size_t length, char *buffer, size_t size)
{
    if (length < size) {
        memcpy(buffer, text, length);
        buffer[length] = '\0';
    }
    return (long)length;
}

long options_get(const char *name, size_t name_length, char *buffer, size_t size)
{
    const struct option *option = find_option(name, name_length);
    if (option == NULL)
        return -1;
    if (option->type == OPTION_TEXT)
        return copy_text(text_of(option), strlen(text_of(option)), buffer, size);
    uint64_t value = *(const uint64_t *)option->value;
    struct report_line line = {.length = 0};
    if (option->type == OPTION_GC || option->type == OPTION_STACK)
        report_append(&line, "%s", words_of(option->type)[value].text);
    else if (option->type == OPTION_LIMIT && value >= OPTION_PERCENT)
        report_append(&line, "%zu%%", (size_t)(value & ~OPTION_PERCENT));
    else if (option->type == OPTION_FILL && value == OPTION_FILL_HIGH)
        report_append(&line, "memory.high");
    else if (option->type == OPTION_FILL && value != 0)
        report_append(&line, "%zu%%", (size_t)value);
    else
        report_append(&line, "%zu%s", (size_t)value, option->type == OPTION_TIME ? "ms" : "");
    return copy_text(line.text, line.length, buffer, size);
}

enum { TYPING_ERRORS = 2 }; /* a name that is further away was not meant */

/* Returns the option that was probably meant; NULL if none is near. */
static const struct option *near_option(const char *name, size_t length)
{
    const struct option *nearest = NULL;
    size_t least = length < TYPING_ERRORS + 1 ? length : TYPING_ERRORS + 1;
    for (const struct option *option = table; option < TABLE_END; option++) {
        size_t edits = edits_between(name, length, option->name);
        if (edits < least) {
            nearest = option;
            least = edits;
        }
    }
    return nearest;
}

/* ---- Lists of settings ---- */

#define BLANKS " \t\r"
#define SEPARATORS BLANKS ",\n"

struct setting {
    const char *text; /* "name" or "name = value" */
    size_t length;
    size_t name_length;
    const char *value; /* where it would stand if there is none */
    size_t value_length;
};

static struct setting find_setting(const char *text)
{
    struct setting setting = {.text = text, .name_length = strcspn(text, SEPARATORS "#=")};
    const char *end = text + setting.name_length;
    const char *equal = end + strspn(end, BLANKS);
    setting.value = end;
    if (*equal == '=') {
        setting.value = equal + 1 + strspn(equal + 1, BLANKS);
        end = setting.value + strcspn(setting.value, SEPARATORS "#");
    }
    setting.length = (size_t)(end - text);
    setting.value_length = (size_t)(end - setting.value);
    return setting;
}

/* Visits the settings of a text; returns how many of them `visit` has found wrong. */
static size_t each_setting(const char *text, const char *source,
                           bool (*visit)(const struct setting *setting, const char *source))
{
    size_t wrong = 0;
    while (*text != '\0') {
        text += strspn(text, SEPARATORS);
        if (*text == '#') {
            text += strcspn(text, "\n");
        } else if (*text != '\0') {
            struct setting setting = find_setting(text);
            wrong += !visit(&setting, source);
            text += setting.length;
        }
    }
    return wrong;
}

static bool take_setting(const struct setting *setting, const char *source)
{
    (void)source;
    return options_set(setting->text, setting->name_length, setting->value, setting->value_length,
                       false) == OPTION_DONE;
}

/* ---- Warnings of wrong settings ---- */

enum { SHOWN_MAX = 64 }; /* bytes of a setting that a message shows */

/* Returns what would be valid for an option of the type. */
static const char *valid_values(enum option_type type)
{
    switch (type) {
    case OPTION_SWITCH:
        return "0 or 1, no or yes, off or on, false or true";
    case OPTION_BYTES:
        return "a size, a number with K, M, G, T or nothing behind it, up to 16777215T";
    case OPTION_LIMIT:
        return "a size, a number with K, M, G, T or nothing behind it, below 8388608T; or 1% to "
               "100% of the cgroup's limit";
    case OPTION_FILL:
        return "1% to 100% of the cgroup's limit, memory.high, or 0";
    case OPTION_TIME:
        return "a time, a number with ms, s or nothing (ms) behind it, up to 18446744073709551s";
    case OPTION_GC:
        return "generational or incremental";
    case OPTION_STACK:
        return "auto, tables, libunwind, libgcc or fp";
    case OPTION_SIGNAL:
        return "a signal that is not about errors, by name or number (USR2, SIGUSR2, 12), or 0";
    case OPTION_TEXT:
        return "a text of up to 4095 bytes";
    default:
        return "a number from 0 to 18446744073709551615";
    }
}

static void append_names(struct report_line *line)
{
    for (const struct option *option = table; option < TABLE_END; option++)
        report_append(line, "%s%s", option == table ? "the options are " : ", ", option->name);
}

static bool tell_setting(const struct setting *setting, const char *source)
{
    char shown[SHOWN_MAX];
    size_t length = setting->length < SHOWN_MAX ? setting->length : SHOWN_MAX - 1;
    size_t name_length = setting->name_length < length ? setting->name_length : length;
    const struct option *option = find_option(setting->text, setting->name_length);
    struct report_line line = {.length = 0};
    uint64_t number;
    if (option != NULL && parse_value(option->type, setting->value, setting->value_length, &number))
        return true;
    memcpy(shown, setting->text, length);
    shown[length] = '\0';
    if (option != NULL) {
        report_append(&line, "%s: '%s' has no valid value: %s", source, shown,
                      valid_values(option->type));
    } else {
        const struct option *near = near_option(setting->text, name_length);
        report_append(&line, "%s: unknown option '%s': ", source, shown);
        if (near != NULL)
            report_append(&line, "did you mean '%s'?", near->name);
        else
            append_names(&line);
    }
    line.text[line.length < sizeof line.text ? line.length : sizeof line.text - 1] = '\0';
    report_warning("%s", line.text);
    return false;
}

/* All settings are taken before any warning is written: `strict` may be the last of them. */
void options_parse(const char *text, const char *source)
{
    size_t wrong = each_setting(text, source, take_setting);
    if (wrong == 0)
        return;
    each_setting(text, source, tell_setting);
    if (options.strict)
        report_fatal("%s: %zu wrong, and strict is set", source, wrong);
}
