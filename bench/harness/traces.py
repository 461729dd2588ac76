"""Allocation traces: what real programs do with malloc, without the rest of what they do.

A trace is recorded once, by the preloaded libtrace.so, and replayed under every allocator.
"""

import shutil
import subprocess
from pathlib import Path

from .inputs import shell
from .item import ROOT, Item, Unavailable, parse_figures

RECORDER = ROOT / "build" / "bench" / "libtrace.so"
REPLAY = ROOT / "build" / "bench" / "replay"

# For snippets: `record COMMAND...`; and `PRELOAD=$recorder serve COMMAND...`, of lib.sh.
PROLOGUE = f"""
export PYTHONMALLOC=malloc PYTHONHASHSEED=0 PERL_HASH_SEED=0 MOLT_TRACE="$PWD/recorded"
recorder="{RECORDER}"
record() {{ PRELOAD=$recorder under timeout 120 "$@"; }}
"""


class Trace(Item):
    """Replays what `script` recorded with `record PROGRAM ARGUMENT...`; of all processes that ran
    there, the one with the longest trace counts."""

    group = "trace"

    def __init__(self, name: str, summary: str, needs: tuple[str, ...], script: str,
                 quick: bool = False):
        super().__init__(name, summary)
        self.needs = needs
        self.quick = quick
        self._script = script

    def prepare(self, directory: Path) -> None:
        for built in RECORDER, REPLAY:
            if not built.exists():
                raise Unavailable(f"no {built.relative_to(ROOT)}")
        if not is_complete(self._file(directory)):
            self._record(directory)

    def command(self, directory: Path) -> list[str]:
        return [str(REPLAY), str(self._file(directory))]

    def answer(self, directory: Path, output: bytes) -> str:
        figures = parse_figures(output)
        names = "operations", "threads", "peak_live", "live"
        return ", ".join(f"{name} {figures[name]:.0f}" for name in names)

    def figures(self, directory: Path, output: bytes) -> dict[str, float]:
        return parse_figures(output)

    def _file(self, directory: Path) -> Path:
        return directory / f"{self.name}.trace"

    def _record(self, directory: Path) -> None:
        work = directory / "recording"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        shell(work, PROLOGUE + self._script)
        recorded = max(work.glob("recorded.*"), key=lambda file: file.stat().st_size, default=None)
        if not recorded or not is_complete(recorded):
            raise Unavailable("the program left no complete trace")
        recorded.rename(self._file(directory))
        shutil.rmtree(work)


def is_complete(trace: Path) -> bool:
    done = subprocess.run([REPLAY, "-i", trace], capture_output=True)
    return done.returncode == 0 and parse_figures(done.stdout)["complete"] == 1


TRACES = [
    Trace("trace-python", "json, regular expressions, objects, sqlite, threads",
          ("/usr/bin/python3",),
          'record $python "$inputs/work.py" 3000 json regex objects sqlite threads', quick=True),
    Trace("trace-gcc", "cc1: a C program of 120 functions, optimised", ("gcc",), """
generate_c 120 >work.c
record gcc -O2 -c work.c -o work.o
"""),
    Trace("trace-g++", "cc1plus: templates", ("g++",),
          'record g++ -std=c++17 -O0 -DWIDTH=1 -c "$inputs/templates.cpp" -o templates.o'),
    Trace("trace-sqlite", "inserts, indexes, joins, text", ("sqlite3",), """
generate_sql 130000 >work.sql
record sqlite3 -batch :memory: '.read work.sql'
""", quick=True),
    Trace("trace-redis", "strings, lists, sets and hashes of 20 clients",
          ("redis-server", "redis-cli", "redis-benchmark"), """
PRELOAD=$recorder serve redis-server --port 0 --unixsocket redis.sock --save '' --dir "$PWD"
await redis-cli -s redis.sock ping
timeout 60 redis-benchmark -s redis.sock -q -n 27000 -P 16 -r 20000 -d 256 -c 20 \\
    -t set,get,lpush,rpop,sadd,hset,zadd
timeout 60 redis-cli -s redis.sock shutdown nosave
wait "$server"
"""),
    Trace("trace-perl", "strings, hashes, sorting", ("perl",),
          'record perl "$inputs/work.pl" 40000'),
    Trace("trace-git", "repack with two threads", ("git",), """
generate_repository 6000 6
record git -c pack.threads=2 repack -adfq --window=15
"""),
    Trace("trace-ghostscript", "pages of text, curves and images, to pixels", ("gs",), f"""
record gs -q -dBATCH -dNOPAUSE -dSAFER -dPAGES=100 -sDEVICE=ppmraw -r50 -o page%d.ppm \\
    "{ROOT}/bench/inputs/pages.ps"
"""),
    Trace("trace-lua", "tables, strings, closures", ("lua5.4",),
          'record lua5.4 "$inputs/work.lua" 30000'),
    Trace("trace-ruby", "objects, strings, threads, fibers", ("ruby",),
          'record ruby "$inputs/work.rb" 60000'),
]
