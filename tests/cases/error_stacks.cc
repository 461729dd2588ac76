/* What follows the line of an error: where it is (MOLT=backtrace=1), and where the block was
 * allocated and freed, if a heap profile or a trace has recorded it.
 *
 * The case starts itself again for each kind of error in each mode. addr2line tells which functions
 * the frames lie in.
 */
// preload: no
// timeout: 120
#include "case.h"

#include <new>
#include <string>
#include <vector>

#define HERE extern "C" __attribute__((noinline, used))
#define STAY __asm__ volatile("") /* no tail call */

/* ---- The functions that the stacks must lead to ---- */

HERE void *make(size_t size)
{
    return opaque(malloc(size));
}

HERE void *make_another(size_t size)
{
    return opaque(malloc(size));
}

HERE void *make_larger(void *block, size_t size)
{
    return opaque(realloc(block, size));
}

HERE void drop(void *block)
{
    free(block);
    STAY;
}

HERE void drop_another(void *block)
{
    free(block);
    STAY;
}

HERE void drop_again(void *block)
{
    free(block);
    STAY;
}

struct thing {
    char bytes[10000];
};

HERE thing *make_thing()
{
    return static_cast<thing *>(opaque(new thing));
}

HERE void delete_thing(thing *it)
{
    delete it;
    STAY;
}

HERE void delete_again(thing *it)
{
    delete it;
    STAY;
}

HERE void delete_small(void *it)
{
    operator delete(it, (size_t)24);
    STAY;
}

/* ---- Errors ---- */

/* Blocks of a pool, runs and huge blocks, all so large that one sample in 100 bytes takes them. */
static const size_t pool_size = 10000, run_size = 100000, huge_size = 5000000;

template <const size_t &size> static void free_twice()
{
    void *block = make(size);
    drop(block);
    drop_again(block);
}

template <const size_t &size> static void free_inside()
{
    char *block = static_cast<char *>(make(size));
    drop_again(block + 8);
}

static void realloc_freed()
{
    void *block = make(pool_size);
    drop(block);
    make_larger(block, run_size);
}

template <const size_t &size> static void free_moved()
{
    void *block = make(size);
    REQUIRE(make_larger(block, 30 * size) != block);
    drop_again(block);
}

static void delete_twice()
{
    thing *it = make_thing();
    delete_thing(it);
    delete_again(it);
}

static void delete_wrong_size()
{
    delete_small(make_thing());
}

static void *volatile kept; /* so that a pool does not go with the block that is freed */

/* Of the two blocks that have had the address it is the second that is freed twice. */
template <const size_t &size> static void free_reused()
{
    kept = make(size);
    void *block = make(size), *other;
    drop(block);
    std::vector<void *> others;
    others.reserve(1000);
    while ((other = make_another(size)) != block && others.size() < 1000)
        others.push_back(other);
    REQUIRE(other == block);
    drop_another(other);
    drop_again(block);
}

static void write_after_free()
{
    void *blocks[64];
    for (void *&block : blocks)
        block = make(4096);
    for (size_t i = 0; i < 64; i += 2)
        drop(blocks[i]);
    for (size_t i = 0; i < 64; i += 2)
        memset(blocks[i], 'x', 8);
    for (size_t i = 0; i < 1000; i++)
        make_another(4096);
}

static void free_no_block()
{
    long local;
    drop_again(opaque(&local));
}

static void *make_in_thread(void *size)
{
    return make(*static_cast<size_t *>(size));
}

static void *drop_in_thread(void *block)
{
    drop(block);
    return NULL;
}

static void free_across_threads()
{
    size_t size = pool_size;
    void *block = in_thread(make_in_thread, &size);
    in_thread(drop_in_thread, block);
    drop_again(block);
}

static void *free_twice_in_thread(void *)
{
    free_twice<pool_size>();
    return NULL;
}

/* The error is in a thread with the smallest stack that there is. */
static void free_in_small_thread()
{
    pthread_attr_t attributes;
    pthread_t thread;
    REQUIRE(pthread_attr_init(&attributes) == 0);
    REQUIRE(pthread_attr_setstacksize(&attributes, (size_t)PTHREAD_STACK_MIN) == 0);
    REQUIRE(pthread_create(&thread, &attributes, free_twice_in_thread, NULL) == 0);
    thread_join(thread);
}

static void on_signal(int)
{
    free_twice<pool_size>();
}

static void free_in_handler()
{
    static char memory[1 << 14];
    stack_t stack = {};
    stack.ss_sp = memory;
    stack.ss_size = sizeof memory;
    REQUIRE(sigaltstack(&stack, NULL) == 0);
    struct sigaction action = {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_ONSTACK;
    REQUIRE(sigaction(SIGUSR1, &action, NULL) == 0);
    raise(SIGUSR1);
}

template <typename Function> static Function *plugin_function(void *plugin, const char *name)
{
    auto function = reinterpret_cast<Function *>(dlsym(plugin, name));
    REQUIRE(function != NULL);
    return function;
}

static void *open_plugin()
{
    char path[PATH_MAX];
    void *plugin = dlopen(beside_program("liberror_plugin.so", path), RTLD_NOW);
    REQUIRE(plugin != NULL);
    return plugin;
}

static void free_in_plugin()
{
    void *plugin = open_plugin();
    void *block = plugin_function<void *(size_t)>(plugin, "plugin_make")(pool_size);
    plugin_function<void(void *)>(plugin, "plugin_drop")(block);
    plugin_function<void(void *)>(plugin, "plugin_again")(block);
}

/* The code that has allocated is there no more. */
static void free_without_plugin()
{
    void *plugin = open_plugin();
    void *block = plugin_function<void *(size_t)>(plugin, "plugin_make")(pool_size);
    dlclose(plugin);
    drop(block);
    drop_again(block);
}

/* ---- What must be said of them ---- */

/* In place of a function: there is none, but an address. */
#define NOWHERE "nowhere"

static const struct kind {
    const char *name;
    void (*act)();
    const char *line;                 /* behind "molt: error: " */
    const char *made, *freed, *error; /* by which functions; NULL: nothing is said */
    const char *before;               /* by which function the block before it was made */
    const char *options = "";
} kinds[] = {
    {"pool", free_twice<pool_size>, "double free", "make", "drop", "drop_again", NULL},
    {"run", free_twice<run_size>, "double free", "make", "drop", "drop_again", NULL},
    {"huge", free_twice<huge_size>, "", "make", "drop", "drop_again", NULL},
    {"inside pool", free_inside<pool_size>, "invalid free", "make", NULL, "drop_again", NULL},
    {"inside run", free_inside<run_size>, "invalid free", "make", NULL, "drop_again", NULL},
    {"inside huge", free_inside<huge_size>, "invalid free", "make", NULL, "drop_again", NULL},
    {"realloc", realloc_freed, "invalid realloc", "make", "drop", "make_larger", NULL},
    {"moved", free_moved<pool_size>, "double free", "make", "make_larger", "drop_again", NULL},
    {"moved run", free_moved<run_size>, "double free", "make", "make_larger", "drop_again", NULL},
    {"delete", delete_twice, "double free", "make_thing", "delete_thing", "delete_again", NULL},
    {"size", delete_wrong_size, "invalid sized delete", "make_thing", NULL, "delete_small", NULL,
     ",sized"},
    {"reused", free_reused<pool_size>, "double free", "make_another", "drop_another", "drop_again",
     NULL},
    {"reused run", free_reused<run_size>, "double free", "make_another", "drop_another",
     "drop_again", NULL},
    {"reused huge", free_reused<huge_size>, "", "make_another", "drop_another", "drop_again", NULL},
    {"write", write_after_free, "write after free", "make", "drop", "make_another", "make"},
    {"no block", free_no_block, "invalid free", NULL, NULL, "drop_again", NULL},
    {"threads", free_across_threads, "double free", "make", "drop", "drop_again", NULL},
    {"small thread", free_in_small_thread, "double free", "make", "drop", "drop_again", NULL},
    {"handler", free_in_handler, "double free", "make", "drop", "drop_again", NULL},
    {"plugin", free_in_plugin, "double free", "plugin_make", "plugin_drop", "plugin_again", NULL},
    {"no plugin", free_without_plugin, "double free", NOWHERE, "drop", "drop_again", NULL},
};

static const struct mode {
    const char *options;
    bool records, backtrace;
    bool whole; /* stacks of frees */
} modes[] = {
    {"", false, false, false},
    {"prof=100", true, false, true},
    {"trace", true, false, false},
    {"backtrace=1", false, true, false},
    {"trace,backtrace=1", true, true, true},
    {"prof=100,backtrace=1,prof_stack=libgcc", true, true, true},
};

/* ---- Reading ---- */

typedef std::vector<std::string> lines;

static lines split(const char *text)
{
    lines found;
    std::string line;
    for (; *text != '\0'; text++) {
        if (*text != '\n') {
            line += *text;
            continue;
        }
        found.push_back(line);
        line.clear();
    }
    return found;
}

/* The functions of a stack's frames that lie in the module of the innermost one. */
static lines resolve(const lines &frames)
{
    std::string module, command;
    for (const std::string &frame : frames) {
        size_t plus = frame.rfind('+');
        if (plus == std::string::npos)
            continue;
        if (module.empty()) {
            module = frame.substr(0, plus);
            command = "addr2line -f -e '" + module + "'";
        }
        if (frame.substr(0, plus) == module)
            command += " " + frame.substr(plus + 1);
    }
    if (module.empty())
        return {NOWHERE};
    FILE *output = popen(command.c_str(), "r");
    REQUIRE(output != NULL);
    lines functions;
    char line[1000];
    for (int i = 0; fgets(line, sizeof line, output) != NULL; i++)
        if (i % 2 == 0)
            functions.push_back(std::string(line, strlen(line) - 1));
    pclose(output);
    return functions;
}

/* The frames behind the first line that has these words; none: there is no such line. */
static lines stack_behind(const lines &text, const char *words)
{
    lines frames;
    size_t i = 0;
    while (i < text.size() && text[i].find(words) == std::string::npos)
        i++;
    for (i++; i < text.size() && text[i].compare(0, 4, "    ") == 0; i++)
        frames.push_back(text[i].substr(4));
    return frames;
}

static const struct kind *kind;
static const struct mode *mode;
static struct child_end end;

static void check_stack(const lines &text, const char *words, const char *function, bool is_whole)
{
    lines frames = stack_behind(text, words);
    if (function == NULL) {
        CHECK_MSG(frames.empty(), "%s, MOLT=%s: '%s': %s", kind->name, mode->options, words,
                  end.error);
        return;
    }
    bool is_nowhere = strcmp(function, NOWHERE) == 0;
    lines functions = is_nowhere && !frames.empty() ? lines{frames[0]} : resolve(frames);
    std::string first = functions.empty() ? "" : functions[0];
    CHECK_MSG(is_nowhere ? first.compare(0, 2, "0x") == 0 : first == function,
              "%s, MOLT=%s: '%s': %s, not %s: %s", kind->name, mode->options, words, first.c_str(),
              function, end.error);
    CHECK_MSG(frames.size() >= 3 || !is_whole, "%s, MOLT=%s: '%s': %s", kind->name, mode->options,
              words, end.error);
}

/* The error's stack goes on to where its thread began, also from handlers. */
static void check_root(const lines &text)
{
    bool has_main = false;
    for (const std::string &function : resolve(stack_behind(text, "the error is at:")))
        has_main |= function == "main" || function == "free_twice_in_thread" ||
                    function.find("free_twice_in_thread") != std::string::npos ||
                    function == "plugin_again";
    CHECK_MSG(has_main, "%s, MOLT=%s: no root: %s", kind->name, mode->options, end.error);
}

static void check_end(bool records, bool backtrace)
{
    lines text = split(end.error);
    std::string line = std::string("molt: error: ") + kind->line;
    CHECK_MSG(ended_by(&end, SIGABRT) && lines_with(&end, line.c_str()) == 1 &&
                  text[0].compare(0, line.size(), line) == 0,
              "%s, MOLT=%s: status 0x%x: %s", kind->name, mode->options, (unsigned)end.status,
              end.error);
    check_stack(text, "molt: the error is at:", backtrace ? kind->error : NULL, true);
    check_stack(text, "molt: the block of ", records ? kind->made : NULL, true);
    check_stack(text, "molt: the block before it of ", records ? kind->before : NULL, true);
    check_stack(text, "molt: it was freed by ", records ? kind->freed : NULL, mode->whole);
    if (backtrace)
        check_root(text);
    else if (!records)
        CHECK_MSG(text.size() == 1, "%s: %s", kind->name, end.error);
}

static void start_again()
{
    std::string options = std::string(mode->options) + ",prof_final=0" + kind->options;
    setenv("LD_PRELOAD", case_library(), 1);
    setenv("MOLT", options.c_str(), 1);
    execl("/proc/self/exe", "error_stacks", kind->name, (char *)NULL);
    _exit(5);
}

static int act(const char *name)
{
    alarm(patience(20));
    for (const struct kind &known : kinds)
        if (strcmp(known.name, name) == 0)
            known.act();
    return 7;
}

int main(int count, char **arguments)
{
    if (count > 1)
        return act(arguments[1]);
    case_watchdog(100);
    case_needs_library();
    if (system("addr2line --version >/dev/null 2>&1") != 0)
        CASE_SKIP("needs addr2line");
    for (const struct kind &known : kinds)
        for (const struct mode &chosen : modes) {
            kind = &known;
            mode = &chosen;
            run_child(start_again, &end);
            check_end(mode->records, mode->backtrace);
        }
    return case_end();
}
