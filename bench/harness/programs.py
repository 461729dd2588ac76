"""Real programs, as Debian installs them, doing about half a second of work.

A program's answer is what it prints and, where it writes a file, what is in that; so an allocator
that corrupts its data fails.
"""

import csv
import hashlib
import mmap
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean, harmonic_mean

from .inputs import INPUTS, shell
from .inputs import PROGRAMS as TESTS
from .item import ROOT, Item, Wrong
from .session import clean_environment

PAGES = ROOT / "bench" / "inputs" / "pages.ps"


class Program(Item):
    group = "program"

    def __init__(
        self,
        name: str,
        summary: str,
        command: list[str],
        *,
        script: str = "",  # makes the inputs, in bash with lib.sh
        output: str = "",  # the file that the command writes, if it does
        variables: dict[str, str] | None = None,
        needs: tuple[str, ...] = (),
        quick: bool = False,
        demo: bool = False,
    ):
        super().__init__(name, summary)
        self._command = command
        self._script = script
        self._output = output
        self._variables = variables or {}
        self.needs = (command[0], *needs)
        self.quick = quick
        self.demo = demo

    def prepare(self, directory: Path) -> None:
        if self._script:
            make_once(directory, self._script)

    def command(self, directory: Path) -> list[str]:
        return self._command

    def environment(self) -> dict[str, str]:
        return self._variables

    def answer(self, directory: Path, output: bytes) -> str:
        if self._output:
            output += self.written(directory / self._output)
        return digest(output)

    def written(self, path: Path) -> bytes:
        return path.read_bytes()


class ClassLayouts(Program):
    """G++ writes the layout of each class that it has seen, with the address of its own record."""

    def written(self, path: Path) -> bytes:
        return re.sub(rb"0x0x[0-9a-f]+", b"", path.read_bytes())


class Repository(Program):
    """Which deltas git finds depends on the timing of its threads; the objects do not."""

    def answer(self, directory: Path, output: bytes) -> str:
        objects = ["git", "--git-dir=.git", "cat-file", "--batch-all-objects", "--batch"]
        return digest(client(directory, objects, self.limit))


class Solver(Program):
    """A problem of two parts: z3 is to place queens by integer arithmetic, and to prove that writes
    to different elements of an array commute."""

    def prepare(self, directory: Path) -> None:
        lines = [*queens(24), *commuting_writes(110)]
        (directory / "problem.smt2").write_text("\n".join(lines) + "\n", encoding="utf-8")


class Server(Program):
    """Redis behind a Unix socket, its path relative because the kernel allows few characters.

    Its used_memory counts usable sizes, which differ from allocator to allocator, so no figure of
    live bytes comes of it.
    """

    BENCHMARK = ["redis-benchmark", "-s", "redis.sock", "--csv", "-n", "40000", "-P", "16",
                 "-r", "50000", "-d", "256", "-t", "set,get,lpush,rpop,sadd,hset,zadd"]
    START_SECONDS = 10

    _reply = b""

    def drive(self, directory: Path) -> dict[str, float]:
        self._await(directory)
        figures = _benchmark_figures(client(directory, self.BENCHMARK, self.limit).decode())
        self._reply = self._load(directory)
        figures["end_rss"] = self._resident_set(directory)
        self._cli(directory, "shutdown", "nosave")
        return figures

    def answer(self, directory: Path, output: bytes) -> str:
        return digest(self._reply)

    def _await(self, directory: Path) -> None:
        end = time.monotonic() + self.START_SECONDS
        while True:
            try:
                self._cli(directory, "ping")
                return
            except Wrong:
                if time.monotonic() > end:
                    raise
            time.sleep(0.01)

    def _load(self, directory: Path) -> bytes:
        """The same data each time; the benchmark's is random."""
        self._cli(directory, "flushall")
        commands = (directory / "commands").read_bytes()
        *_, counts = self._cli(directory, "--pipe", data=commands).splitlines()
        return counts + self._cli(directory, "dbsize") + self._cli(directory, "debug", "digest")

    def _resident_set(self, directory: Path) -> float:
        server = self._cli(directory, "info", "server")
        pid = int(re.search(rb"process_id:(\d+)", server)[1])
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
        return float(pages) * mmap.PAGESIZE

    def _cli(self, directory: Path, *arguments: str, data: bytes = b"") -> bytes:
        return client(directory, ["redis-cli", "-s", "redis.sock", *arguments], self.limit, data)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def client(directory: Path, command: list[str], limit: float, data: bytes = b"") -> bytes:
    """What a command prints that is not measured: it helps with one that is."""
    try:
        done = subprocess.run(command, cwd=directory, env=clean_environment(directory), input=data,
                              capture_output=True, timeout=limit)
    except subprocess.TimeoutExpired:
        raise Wrong(f"{command[0]} took too long") from None
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()[-200:]
        raise Wrong(f"{command[0]}: exit status {done.returncode}: {said}")
    return done.stdout


def make_once(directory: Path, script: str) -> None:
    """Fills the directory by a script, unless the same one has already filled it to the end."""
    stamp = directory / ".made"
    recipe = _recipe(script)
    if stamp.exists() and stamp.read_text(encoding="utf-8") == recipe:
        return
    shutil.rmtree(directory)
    directory.mkdir()
    shell(directory, script)
    stamp.write_text(recipe, encoding="utf-8")


def _recipe(script: str) -> str:
    """All that the outcome depends on: the script, the generators and what they read."""
    files = [TESTS / "lib.sh", *sorted(path for path in INPUTS.iterdir() if path.is_file())]
    return digest(script.encode() + b"".join(path.read_bytes() for path in files))


def _benchmark_figures(table: str) -> dict[str, float]:
    """One row for each kind of request, all equally many: latencies in ms, requests per second."""
    rows = list(csv.DictReader(table.splitlines()))
    return {
        "requests_per_second": harmonic_mean(float(row["rps"]) for row in rows),
        "p50": 1e6 * fmean(float(row["p50_latency_ms"]) for row in rows),
        "p99": 1e6 * fmean(float(row["p99_latency_ms"]) for row in rows),
        "max": 1e6 * max(float(row["max_latency_ms"]) for row in rows),
    }


def queens(size: int) -> Iterator[str]:
    """SMT-LIB: as many queens as the board has columns, none attacking another. It can be done."""
    yield "(push)"
    for i in range(size):
        yield f"(declare-const q{i} Int)"
        yield f"(assert (and (<= 0 q{i}) (< q{i} {size})))"
    for i in range(size):
        for j in range(i + 1, size):
            yield f"(assert (not (= q{i} q{j})))"
            yield f"(assert (not (= (- q{i} q{j}) {j - i})))"
            yield f"(assert (not (= (- q{j} q{i}) {j - i})))"
    yield "(check-sat)"
    yield "(pop)"


def commuting_writes(count: int) -> Iterator[str]:
    """SMT-LIB: an array that differs when it is written in another order. There is none."""
    yield "(push)"
    yield "(declare-sort Index 0)"
    yield "(declare-sort Element 0)"
    yield "(declare-const a (Array Index Element))"
    for i in range(count):
        yield f"(declare-const i{i} Index)"
        yield f"(declare-const e{i} Element)"
    yield f"(assert (distinct {' '.join(f'i{i}' for i in range(count))}))"
    one = other = "a"
    for i in range(count):
        one = f"(store {one} i{i} e{i})"
        j = i * 37 % count
        other = f"(store {other} i{j} e{j})"
    yield f"(assert (not (= {one} {other})))"
    yield "(check-sat)"
    yield "(pop)"


PYTHON = "/usr/bin/python3"  # the distribution's, as the other programs are

# Hash seeds are fixed where that is possible, so that each run does the same. Git is told its
# directory: if that were broken, it would otherwise repack the repository around it.
PROGRAMS: list[Program] = [
    Program(
        "python3",
        "JSON, regular expressions, objects, SQLite, threads, every object by malloc",
        [PYTHON, str(INPUTS / "work.py"), "10000", "json", "regex", "objects", "sqlite", "threads"],
        variables={"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0"},
        demo=True,
    ),
    Program(
        "gcc",
        "a long C file optimised: many small blocks, freed pass by pass",
        ["gcc", "-O2", "-c", "work.c", "-o", "work.o"],
        script="generate_c 75 >work.c",
        output="work.o",
        demo=True,
    ),
    ClassLayouts(
        "g++",
        "templates instantiated: blocks that mostly stay to the end",
        ["g++", "-std=c++17", "-fsyntax-only", "-fdump-lang-class=classes", "-DWIDTH=1",
         str(INPUTS / "templates.cpp")],
        output="classes",
        demo=True,
    ),
    Program(
        "sqlite3",
        "inserts, indexes, joins in memory: pages of 4 KiB and short-lived rows",
        ["sqlite3", "-batch", ":memory:", ".read work.sql"],
        script="generate_sql 90000 >work.sql",
        quick=True,
        demo=True,
    ),
    Program(
        "lua5.4",
        "trees, tables that grow, strings: small blocks, freed by a garbage collector",
        ["lua5.4", str(INPUTS / "work.lua"), "85000"],
        quick=True,
        demo=True,
    ),
    Program(
        "perl",
        "hashes of arrays of strings: small blocks with reference counts",
        ["perl", str(INPUTS / "work.pl"), "50000"],
        variables={"PERL_HASH_SEED": "0"},
        demo=True,
    ),
    Program(
        "ruby",
        "objects in its own heap, their long parts by malloc, freed by a garbage collector",
        ["ruby", str(INPUTS / "work.rb"), "100000"],
    ),
    Repository(
        "git",
        "a repack by two threads: each file unpacked and indexed, in windows",
        ["git", "--git-dir=.git", "-c", "pack.threads=2", "repack", "-adfq", "--window=15"],
        script="generate_repository 6000 6\ngit repack -adq",  # the first run finds what others do
        demo=True,
    ),
    Program(
        "ghostscript",
        "pages of text, curves, shadings, images: fonts and paths, blocks of all sizes",
        ["gs", "-q", "-dBATCH", "-dNOPAUSE", "-dPAGES=15", "-sDEVICE=pgmraw", "-r72",
         "-sOutputFile=pages.pgm", str(PAGES)],
        output="pages.pgm",
    ),
    Solver(
        "z3",
        "a solver: terms and clauses, vectors that grow, backtracking",
        ["z3", "smt.random_seed=1", "problem.smt2"],
    ),
    Server(
        "redis-server",
        "a server and its clients: keys and values come, change and go",
        ["redis-server", "--port", "0", "--unixsocket", "redis.sock", "--save", "",
         "--daemonize", "no", "--enable-debug-command", "yes", "--loglevel", "warning"],
        script="""awk 'BEGIN {
            for (i = 0; i < 40000; i++) {
                printf "SET string:%d %0*d\\n", i % 13007, 1 + i * 7919 % 700, i
                printf "HSET hash:%d field%d %d\\n", i % 1009, i, i
                if (i % 3 == 0)
                    printf "DEL string:%d\\n", i * 17 % 13007
            }
        }' >commands""",
        needs=("redis-cli", "redis-benchmark"),
        demo=True,
    ),
]
