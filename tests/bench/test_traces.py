"""Tests of the allocation traces: bench/trace and bench/harness/traces.py."""

import subprocess
import tempfile
import unittest
from pathlib import Path

from support import InTemporaryDirectory, compiled, compile_library

from harness import item, traces
from harness.traces import RECORDER, REPLAY

# Does one thing that is named by its argument.
PROGRAM = r"""
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HANDED = 1000 };
static void *blocks[HANDED];
static volatile size_t too_much = SIZE_MAX / 2;

static void sequence(void)
{
    void *a = malloc(100);
    void *b = malloc(0);
    void *c = calloc(10, 50);
    void *d = realloc(NULL, 3000);
    void *e = NULL;
    a = realloc(a, 10000);
    a = realloc(a, 20);
    c = reallocarray(c, 20, 50);
    d = realloc(d, 0);
    posix_memalign(&e, 64, 640);
    free(e);
    free(aligned_alloc(256, 512));
    free(memalign(8, 1));
    free(valloc(5000));
    free(pvalloc(1));
    free(malloc(too_much));
    free(calloc(too_much, 4));
    free(NULL);
    if (malloc_usable_size(c) < 1000 || d)
        abort();
    free(b);
    free(c);
}

static void *take(void *unused)
{
    (void)unused;
    for (int i = 0; i < HANDED; i++) {
        free(blocks[i]);
        blocks[i] = malloc(32);
    }
    return NULL;
}

static void hand_over(void)
{
    pthread_t thread;
    for (int i = 0; i < HANDED; i++)
        blocks[i] = malloc(40);
    pthread_create(&thread, NULL, take, NULL);
    pthread_join(thread, NULL);
    for (int i = 0; i < HANDED; i++)
        free(blocks[i]);
}

static void *work(void *unused)
{
    void *own[200];
    for (int i = 0; i < 200; i++)
        own[i] = malloc(1);
    for (int i = 0; i < 200; i++)
        free(own[i]);
    return unused;
}

static void churn(void)
{
    for (int i = 0; i < 50; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, work, NULL);
        pthread_join(thread, NULL);
    }
}

static void many(void)
{
    for (int i = 0; i < 100000; i++)
        blocks[i % HANDED] = realloc(blocks[i % HANDED], 16 + i % 333);
}

static void crowd(void)
{
    enum { BLOCKS = 100000 };
    static void *crowded[BLOCKS];
    for (int i = 0; i < BLOCKS; i++)
        crowded[i] = malloc(i % 100);
    for (int i = 0; i < BLOCKS; i++)
        free(crowded[i * 7919L % BLOCKS]);
}

static void large(void)
{
    for (int i = 0; i < 10; i++) {
        malloc(1 << 20);
        calloc(1 << 10, 1 << 10);
        realloc(malloc(1000), 1 << 20);
    }
}

static void forks(char **argv)
{
    void *kept = malloc(1);
    if (!fork()) {
        many();
        free(kept);
        exit(0);
    }
    wait(NULL);
    if (!fork())
        execl("/proc/self/exe", argv[0], "sequence", NULL);
    wait(NULL);
    if (!vfork())
        _exit(3);
    free(kept);
    free(malloc(2));
}

int main(int argc, char **argv)
{
    const char *what = argc == 2 ? argv[1] : "";
    if (!strcmp(what, "sequence"))
        sequence();
    if (!strcmp(what, "hand_over"))
        hand_over();
    if (!strcmp(what, "churn"))
        churn();
    if (!strcmp(what, "crowd"))
        crowd();
    if (!strcmp(what, "large"))
        large();
    if (!strcmp(what, "many") || !strcmp(what, "_exit") || !strcmp(what, "quick_exit") ||
        !strcmp(what, "kill"))
        many();
    if (!strcmp(what, "_exit"))
        _exit(0);
    if (!strcmp(what, "quick_exit"))
        quick_exit(0);
    if (!strcmp(what, "kill"))
        kill(getpid(), SIGKILL);
    if (!strcmp(what, "forks"))
        forks(argv);
    return 0;
}
"""

# A malloc that is wrong in the way that BROKEN names.
BROKEN = r"""
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void *__libc_malloc(size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static int is(const char *what)
{
    const char *broken = getenv("BROKEN");
    return broken && !strcmp(broken, what);
}

void free(void *block)
{
    (void)block;
}

void *malloc(size_t size)
{
    static char *previous;
    static unsigned calls;
    if (is("overlap") && ++calls % 100 == 0 && previous)
        return previous + 32;
    if (is("twice") && ++calls % 100 == 0 && previous)
        return previous;
    if (is("none") && ++calls > 100)
        return NULL;
    previous = __libc_malloc(size + 64);
    return is("unaligned") ? previous + 8 : previous;
}

void *calloc(size_t count, size_t size)
{
    void *block = __libc_malloc(count * size);
    memset(block, 0, count * size);
    if (is("dirty"))
        ((char *)block)[count * size - 1] = 1;
    return block;
}

void *realloc(void *block, size_t size)
{
    return is("forgets") ? calloc(1, size) : __libc_realloc(block, size);
}

int posix_memalign(void **out, size_t alignment, size_t size)
{
    char *block = __libc_memalign(alignment, size + alignment);
    *out = is("askew") && alignment > 32 ? block + alignment / 2 : block;
    return 0;
}
"""


@unittest.skipUnless(RECORDER.exists() and REPLAY.exists(), "build/bench is not built")
class TraceTest(InTemporaryDirectory):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.program = compiled(PROGRAM, "-std=gnu17", "-pthread")
        cls.broken = compile_library(BROKEN)

    def run_recorded(self, what, prefix):
        return subprocess.run(
            [self.program, what],
            env={"LD_PRELOAD": str(RECORDER), "MOLT_TRACE": str(prefix)},
            capture_output=True,
        )

    def record(self, what, status=0):
        """The traces of the program and those it has started, the longest first."""
        directory = Path(tempfile.mkdtemp(dir=self.directory))
        done = self.run_recorded(what, directory / "trace")
        self.assertEqual((done.returncode, done.stderr), (status, b""))
        return sorted(directory.iterdir(), key=lambda file: -file.stat().st_size)

    def replay(self, *arguments, status=0, **environment):
        done = subprocess.run([REPLAY, *arguments], env=environment, capture_output=True)
        self.assertEqual(done.returncode, status, (environment, done.stderr))
        self.assertEqual(done.stderr.count(b"\n"), 1 if status else 0, done.stderr)
        return done.stderr.decode() if status else item.parse_figures(done.stdout)

    def info(self, file):
        self.replay("-c", file)
        return self.replay("-i", file)

    # ---- Recorder ----

    def test_counts_every_call(self):
        (file,) = self.record("sequence")
        info = self.info(file)
        expected = {
            "operations": 20,
            "malloc": 3,  # a, b and d
            "calloc": 1,
            "aligned": 5,
            "realloc": 3,  # a twice, c
            "free": 8,
            "threads": 1,
            "slots": 4,  # a to d; e takes d's
            "handovers": 0,
            "remote_frees": 0,
            "peak_live": 10000 + 10 * 50 + 3000,
            "live": 20,
            "complete": 1,
        }
        self.assertEqual({name: info[name] for name in expected}, expected)

    def test_a_crowd_of_blocks_is_told_apart(self):
        (file,) = self.record("crowd")
        info = self.info(file)
        self.assertEqual((info["malloc"], info["free"]), (100000, 100000))
        self.assertEqual((info["live"], info["slots"]), (0, 100000))

    def test_a_block_of_another_thread_is_handed_over(self):
        (file,) = self.record("hand_over")
        info = self.info(file)
        self.assertEqual(info["threads"], 2)
        self.assertEqual(info["spawn"], 1)
        self.assertEqual(info["malloc"], 2000)
        self.assertEqual(info["remote_frees"], 2000)
        self.assertEqual(info["handovers"], 2000)
        self.assertGreaterEqual(info["peak_live"], 40000)
        self.assertLess(info["peak_live"], 40000 + 1000)

    def test_threads_come_and_go(self):
        (file,) = self.record("churn")
        info = self.info(file)
        self.assertEqual(info["threads"], 51)
        self.assertEqual(info["spawn"], 50)
        self.assertEqual(info["malloc"], 50 * 200)
        self.assertLess(info["slots"], 5000)  # others use those of threads that have ended

    def test_a_child_of_fork_records_only_what_it_executes(self):
        parent, executed = sorted(self.record("forks"), key=lambda file: self.info(file)["malloc"])
        self.assertEqual(self.info(parent)["malloc"], 2)
        self.assertEqual(self.info(parent)["free"], 2)
        self.assertEqual(self.info(executed)["operations"], 20)
        self.assertTrue(self.info(parent)["complete"])

    def test_every_exit_completes_the_file(self):
        counts = set()
        for what in ("many", "_exit", "quick_exit"):
            (file,) = self.record(what)
            info = self.info(file)
            self.assertEqual(info["complete"], 1, what)
            counts.add(info["operations"])
        self.assertEqual(counts, {100000})

    def test_a_killed_program_leaves_what_was_written(self):
        (file,) = self.record("kill", status=-9)
        info = self.info(file)
        self.assertEqual(info["complete"], 0)
        self.assertGreater(info["operations"], 90000)
        self.assertEqual(self.replay(file)["operations"], info["operations"])

    def test_events_are_short(self):
        (file,) = self.record("many")
        self.assertLess(self.info(file)["bytes_per_event"], 4)

    def test_without_a_file_the_program_goes_on(self):
        done = self.run_recorded("many", self.directory / "missing" / "trace")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stderr.decode(), r"\Alibtrace: .*: No such file.*\n\Z")

    def test_a_full_disk_ends_the_recording_alone(self):
        script = f"ulimit -f 40; trap '' XFSZ; exec {self.program} many"
        directory = Path(tempfile.mkdtemp(dir=self.directory))
        environment = {"LD_PRELOAD": str(RECORDER), "MOLT_TRACE": str(directory / "trace")}
        done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stderr.decode(), r"\Alibtrace: .*: File too large.*\n\Z")
        (file,) = directory.iterdir()
        self.assertEqual(self.info(file)["complete"], 0)

    # ---- Replayer ----

    def test_replay_does_what_was_recorded(self):
        for what in ("sequence", "hand_over", "churn", "many"):
            (file,) = self.record(what)
            info = self.info(file)
            for repeat in "1", "3":
                replayed = self.replay(file, repeat)
                for name in ("operations", "threads", "peak_live", "live"):
                    self.assertEqual(replayed[name], info[name], (what, name))

    def test_what_is_asked_for_is_resident(self):
        (file,) = self.record("large")
        for repeat in "1", "5":
            replayed = self.replay(file, repeat)
            resident = replayed["end_rss"] - replayed["start_rss"]
            self.assertEqual(replayed["live"], 30 << 20)
            self.assertGreater(resident, 30 << 20)
            self.assertLess(resident, 40 << 20)

    def test_a_damaged_file_is_refused(self):
        (file,) = self.record("many")
        whole = file.read_bytes()
        damaged = self.directory / "damaged"
        size = len(whole)
        for length in (0, 1, 15, 16, 20, 27, 28, 100, size // 2, size - 60, size - 1):
            damaged.write_bytes(whole[:length])
            for mode in [], ["-i"], ["-c"]:
                message = self.replay(*mode, damaged, status=2)
                self.assertRegex(message, "not a trace|truncated")
        for at in (0, 8, 12, 16, 20, 24, 28, len(whole) // 2, len(whole) - 60, len(whole) - 1):
            damaged.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
            self.replay(damaged, status=2)
        damaged.write_bytes(b"no trace at all\n" * 100)
        self.assertIn("not a trace", self.replay(damaged, status=2))
        self.assertIn("No such file", self.replay(self.directory / "missing", status=2))

    def test_a_broken_malloc_is_found(self):
        many, sequence = self.record("many") + self.record("sequence")
        (handed,) = self.record("hand_over")
        for broken, file, message in (
            ("overlap", handed, "overwritten"),
            ("twice", handed, "overwritten"),
            ("unaligned", handed, "not aligned"),
            ("none", handed, "out of memory"),
            ("forgets", many, "overwritten"),
            ("dirty", sequence, "not zero"),
            ("askew", sequence, "not aligned"),
        ):
            environment = {"LD_PRELOAD": str(self.broken), "BROKEN": broken}
            self.assertIn(message, self.replay(file, status=1, **environment), broken)
        for file in (many, sequence, handed):
            self.replay(file, LD_PRELOAD=str(self.broken))

    # ---- Harness ----

    def test_every_item_is_a_trace(self):
        names = [trace.name for trace in traces.TRACES]
        self.assertEqual(len(names), len(set(names)))
        for trace in traces.TRACES:
            self.assertEqual(trace.group, "trace")
            self.assertTrue(trace.needs)
        self.assertEqual(sum(trace.quick for trace in traces.TRACES), 2)

    def test_an_item_records_once(self):
        directory = Path(tempfile.mkdtemp(dir=self.directory))
        trace = traces.Trace("trace-test", "", (), f"record {self.program} many; record true")
        trace.prepare(directory)
        file = directory / "trace-test.trace"
        self.assertEqual(self.info(file)["operations"], 100000)
        before = file.stat().st_mtime_ns
        trace.prepare(directory)
        self.assertEqual(file.stat().st_mtime_ns, before)
        file.write_bytes(file.read_bytes()[:-1])
        trace.prepare(directory)
        self.assertEqual(self.info(file)["operations"], 100000)
        self.assertEqual(list(directory.iterdir()), [file])

        output = subprocess.run(trace.command(directory), capture_output=True, check=True).stdout
        self.assertEqual(trace.figures(directory, output)["operations"], 100000)
        self.assertIn("operations 100000", trace.answer(directory, output))

    def test_a_program_that_is_killed_is_no_item(self):
        trace = traces.Trace("trace-test", "", (), f"record {self.program} kill || true")
        with self.assertRaises(item.Unavailable):
            trace.prepare(Path(tempfile.mkdtemp(dir=self.directory)))


if __name__ == "__main__":
    unittest.main()
