"""What the tests share: compiled snippets of C, fake items and allocators, runs made up."""

import atexit
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
sys.dont_write_bytecode = True

from harness import results  # noqa: E402
from harness.allocators import Allocator  # noqa: E402
from harness.item import Item  # noqa: E402
from harness.session import Prepared  # noqa: E402

MEASURE = ROOT / "build/bench/measure"

# A malloc that is glibc's under another owner.
MALLOC = "void *malloc(size_t n) { return __libc_malloc(n); }\n"
FREE = "void free(void *p) { __libc_free(p); }\n"
REST = """
void *calloc(size_t n, size_t size) { return __libc_calloc(n, size); }
void *realloc(void *p, size_t n) { return __libc_realloc(p, n); }
"""
DECLARATIONS = """
#include <stddef.h>
void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
void __libc_free(void *);
"""
GOOD_LIBRARY = DECLARATIONS + MALLOC + FREE + REST

USES_MALLOC = """
#include <stdio.h>
#include <stdlib.h>
int main(void)
{
    char *p = realloc(calloc(1, 10), 100);
    free(p);
    free(malloc(1));
    puts("done");
}
"""

TOUCHES_64_MIB = """
#include <stdlib.h>
#include <string.h>
#include <time.h>
int main(void)
{
    size_t size = 64 << 20;
    char *p = malloc(size);
    memset(p, 1, size);
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    return p[size / 2] - 1;
}
"""

def patience(seconds: float) -> float:
    """A limit in a test, which ends what hangs: tests/patience says by what to multiply it."""
    return seconds * int(os.environ.get("PATIENCE", "5"))


_compiled = Path(tempfile.mkdtemp(prefix="molt-test-bench-"))
atexit.register(shutil.rmtree, _compiled, ignore_errors=True)


def compiled(source: str, *flags: str) -> Path:
    """The program, or with -shared the library, that the snippet of C makes; each is made once."""
    key = hashlib.sha256(repr((source, flags)).encode()).hexdigest()[:16]
    path = _compiled / (f"lib{key}.so" if "-shared" in flags else key)
    if not path.exists():
        command = [os.environ.get("CC") or "cc", "-D_GNU_SOURCE", "-fno-builtin", "-w", "-xc", "-",
                   "-xnone", "-o", str(path), *flags]
        subprocess.run(command, input=source, text=True, check=True)
    return path


def compile_library(source: str, *flags: str) -> Path:
    return compiled(source, "-shared", "-fPIC", *flags)


def good_allocator(name: str = "good") -> Allocator:
    return Allocator(name, compile_library(GOOD_LIBRARY))


class FakeItem(Item):
    """A command of the test's own; `read` makes the figures, `work` is the client."""

    group = "workload"

    def __init__(self, command, name="fake", limit=None, work=None, read=None, environment=None):
        super().__init__(name, "a fake")
        self.limit = limit or patience(20)
        self._command = [str(word) for word in command]
        self._work, self._read, self._environment = work, read, environment or {}

    def command(self, directory):
        return self._command

    def environment(self):
        return self._environment

    def drive(self, directory):
        return self._work(directory) if self._work else {}

    def figures(self, directory, output):
        return self._read(output) if self._read else {}


class InTemporaryDirectory(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="molt-test-")
        self.addCleanup(scratch.cleanup)
        self.directory = Path(scratch.name)

    def prepared(self, item: Item) -> Prepared:
        work = self.directory / "work"
        work.mkdir(exist_ok=True)
        return Prepared(item, work)

    def assert_gone(self, pids: list[int]) -> None:
        """The processes end within a moment: they were told to, and nobody may have waited yet."""
        self.assertTrue(pids)
        until = time.monotonic() + patience(5)
        while left := [pid for pid in pids if is_alive(pid)]:
            self.assertLess(time.monotonic(), until, f"still running: {left}")
            time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def wait_for(condition, seconds: float = 10):
    """What the condition returns as soon as that is true."""
    until = time.monotonic() + patience(seconds)
    while not (value := condition()):
        if time.monotonic() > until:
            raise AssertionError(f"did not happen within {patience(seconds):.0f} s")
        time.sleep(0.01)
    return value


def figures(wall: float = 1.0, **others: float) -> dict[str, float]:
    """Figures of a run that are complete."""
    return dict.fromkeys(results.BASIC, 1.0) | {"wall": wall} | others


def runs_of(item: str, allocator: str, walls: list[float], **others: float) -> list[results.Run]:
    """A counted run for each wall time."""
    return [results.Run(item, "workload", allocator, number, figures(wall, **others))
            for number, wall in enumerate(walls, 1)]


def failed_run(item: str, allocator: str, failure: str = "exit status 1") -> results.Run:
    return results.Run(item, "workload", allocator, 0, failure=failure)
