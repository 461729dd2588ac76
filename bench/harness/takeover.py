"""Did the library really take over malloc? An exit status cannot tell: the loader ignores a library
that it cannot preload, a program may be linked statically, or may carry a malloc of its own.

The loader itself says which object each symbol was bound to (LD_DEBUG=bindings). Every process of
the run that uses malloc has to have it, and its companions, from the library. A program that is not
position-independent may stand between: others are bound to its entry in the procedure linkage
table, which jumps to what the program itself is bound to.
"""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

FAMILY = ("malloc", "calloc", "realloc", "free", "aligned_alloc", "memalign", "posix_memalign",
          "valloc", "malloc_usable_size")

_BINDING = re.compile(
    r"binding file (?P<user>.+) \[\d+\] to (?P<owner>.+) \[\d+\]: normal symbol `(?P<symbol>\w+)'"
)


def debug_environment(prefix: Path) -> dict[str, str]:
    """Has the loader write the bindings of each process to prefix.PID."""
    return {"LD_DEBUG": "bindings", "LD_DEBUG_OUTPUT": str(prefix), "LD_BIND_NOW": "1"}


def refusal(prefix: Path, library: Path, behind: Path | None = None) -> str | None:
    """Why the run whose bindings are in prefix.PID does not count for the library, or None. What is
    behind it, the allocator that it calls itself, may be asked for the sizes of blocks."""
    ours = os.path.realpath(library)
    taken = False
    for log in sorted(prefix.parent.glob(prefix.name + ".*")):
        bindings = set(_bindings(log))
        jumps = {(user, symbol) for user, owner, symbol in bindings if _is(owner, ours)}
        for user, owner, symbol in sorted(bindings):
            if _is(user, ours):
                continue  # the library may look up the malloc that it replaces
            if behind and symbol == "malloc_usable_size" and _is(owner, os.path.realpath(behind)):
                continue
            if not (_is(owner, ours) or (owner, symbol) in jumps and _is_fixed_program(owner)):
                return f"{user} has {symbol} from {owner}, not from {library}"
            taken = True
    return None if taken else f"no process has malloc from {library}"


def _is(path: str, real: str) -> bool:
    return os.path.realpath(path) == real


def _is_fixed_program(name: str) -> bool:
    """Whether it is an executable that is not position-independent (ET_EXEC)."""
    try:
        with open(shutil.which(name) or name, "rb") as file:
            return file.read(18)[16:] == b"\x02\x00"
    except OSError:
        return False


def _bindings(log: Path) -> Iterator[tuple[str, str, str]]:
    with open(log, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            found = _BINDING.search(line)
            if found and found["symbol"] in FAMILY:
                yield found["user"], found["owner"], found["symbol"]
