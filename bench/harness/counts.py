"""Instructions per operation by callgrind: the same on a quiet and on a noisy machine."""

import re
import subprocess
import tempfile
from pathlib import Path

from . import takeover
from .allocators import Allocator
from .item import ROOT, Wrong
from .session import clean_environment

PROGRAM = ROOT / "build/bench/instructions"
OBJECTS = ROOT / "build/bench/objects/instructions"
FEW, MANY = 2000, 22000  # rounds; the difference leaves out start-up

# The loops of the program, and the thread whose instructions count.
LOOPS = {"lifo": 1, "ring": 1, "calloc": 1, "realloc": 1, "remote": 2}

# Those on objects, which molt alone has: loops of OBJECTS.
OBJECT_LOOPS = {f"object-{name}": 1 for name in ("retain", "release", "leaf", "tracked")}

# And those of molt while it takes a heap profile: the loop, the option, and the rounds. Samples
# come by chance, so there must be hundreds of them.
PROFILE_LOOPS = {
    "lifo-512K": ("lifo", "prof=512K", 2_000_000),
    "lifo-64K": ("lifo", "prof=64K", 500_000),
    "lifo-trace": ("lifo", "trace", MANY),
    "ring-512K": ("ring", "prof=512K", 500_000),
    "ring-64K": ("ring", "prof=64K", 200_000),
}


def count(allocator: Allocator, loop: str) -> float:
    """Instructions of one operation of the loop, the loop itself and the PLT included."""
    loop, option, rounds = PROFILE_LOOPS.get(loop, (loop, "", MANY))
    _check_takeover(allocator, loop)
    many, few = (_collect(allocator, loop, option, n) for n in (rounds, FEW))
    return (many - few) / (rounds - FEW)


def _check_takeover(allocator: Allocator, loop: str) -> None:
    with tempfile.TemporaryDirectory(prefix="molt-counts-") as scratch:
        logs = Path(scratch) / "bindings"
        done = subprocess.run(
            [*_command(loop), "1"],
            env=_environment(allocator, Path(scratch)) | takeover.debug_environment(logs),
            capture_output=True, text=True, check=False)
        refusal = takeover.refusal(logs, allocator.path)
        if done.returncode or refusal:
            reason = refusal or f"status {done.returncode} {done.stderr.strip()[-200:]}"
            raise Wrong(f"{loop} under {allocator.name}: {reason}")


def _environment(allocator: Allocator, directory: Path) -> dict[str, str]:
    return clean_environment(directory) | {"LD_PRELOAD": str(allocator.path)}


def _collect(allocator: Allocator, loop: str, option: str, rounds: int) -> int:
    variables = {"MOLT": f"{option},prof_final=0"} if option else {}
    with tempfile.TemporaryDirectory(prefix="molt-counts-") as scratch:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "--separate-threads=yes",
             f"--callgrind-out-file={scratch}/out", *_command(loop), str(rounds)],
            env=_environment(allocator, Path(scratch)) | variables, capture_output=True, text=True,
            check=False)
        if done.returncode:
            raise Wrong(f"{loop} under {allocator.name}: {done.stderr.strip()[-200:]}")
        return _instructions(Path(scratch) / f"out-{(LOOPS | OBJECT_LOOPS)[loop]:02}")


def _command(loop: str) -> list[str]:
    if loop in OBJECT_LOOPS:
        return [str(OBJECTS), loop.removeprefix("object-")]
    return [str(PROGRAM), loop]


def _instructions(path: Path) -> int:
    found = re.search(r"^(?:totals|summary): (\d+)", path.read_text(encoding="utf-8"), re.M)
    if not found:
        raise Wrong(f"{path.name}: no total")
    return int(found[1])
