"""The programs that are profiled: those of programs.py, each as one process. Heaptrack does not
follow what its program starts, and a forked child of it may wait for ever as it ends."""

import subprocess
from pathlib import Path

from .item import Item
from .profilers import SHORT
from .programs import INPUTS, PROGRAMS, ClassLayouts, Program, digest


class Pack(Program):
    """Which deltas git finds depends on the timing of its threads; how many objects it packs does
    not: the third word of what it writes."""

    def answer(self, directory: Path, output: bytes) -> str:
        return digest(output[:12])


def _compiler(name: str) -> str:
    """The program that compiles, which gcc starts."""
    try:
        done = subprocess.run(["gcc", f"-print-prog-name={name}"], capture_output=True, text=True,
                              check=True)
    except (OSError, subprocess.CalledProcessError):
        return name
    return done.stdout.strip()


_TARGET = ["-quiet", "-imultiarch", "x86_64-linux-gnu"]


def _script(name: str, suffix: str, size: str, **more) -> Program:
    """That of tests/programs up to its fork, which comes last."""
    script = f"work.{suffix}"
    return Program(f"{name}-script", "its script up to the fork", [name, script, size],
                   script=f"sed '/fork [{{/]/,$d' \"$inputs/{script}\" >{script}", **more)


# Those that have children, and what does the work in their place.
ALONE: dict[str, Program] = {
    "gcc": Program(
        "cc1",
        "a long C file optimised, by the compiler itself",
        [_compiler("cc1"), *_TARGET, "-O2", "work.c", "-o", "work.s"],
        script="generate_c 75 >work.c",
        output="work.s",
    ),
    "g++": ClassLayouts(
        "cc1plus",
        "templates instantiated, by the compiler itself",
        [_compiler("cc1plus"), *_TARGET, "-D_GNU_SOURCE", "-std=c++17", "-fsyntax-only",
         "-fdump-lang-class=classes", "-DWIDTH=1", str(INPUTS / "templates.cpp"),
         "-o", "/dev/null"],
        output="classes",
    ),
    "git": Pack(
        "git-pack-objects",
        "a pack made by two threads",
        ["git", "--git-dir=.git", "-c", "pack.threads=2", "pack-objects", "--all", "--stdout", "-q",
         "--no-reuse-delta", "--no-reuse-object", "--delta-base-offset", "--window=15"],
        script="generate_repository 6000 6\ngit repack -adq",
    ),
}

ALONE |= {"perl": _script("perl", "pl", "50000", variables={"PERL_HASH_SEED": "0"}),
          "ruby": _script("ruby", "rb", "100000")}

ITEMS: list[Item] = [
    *(ALONE.get(program.name, program) for program in PROGRAMS),
    Program(
        SHORT,
        "a tenth of sqlite3",
        ["sqlite3", "-batch", ":memory:", ".read work.sql"],
        script="generate_sql 9000 >work.sql",
    ),
]
