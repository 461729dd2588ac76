"""Which stacks have allocated what, as heaptrack and molt have recorded it.

A place is a file and the address in it, of the call, the same in every run. A stack has the
innermost place first.
"""

import math
import os
import re
import subprocess
from collections import defaultdict
from dataclasses import astuple, dataclass
from pathlib import Path

DEPTH = 32  # deeper places are left out: heaptrack leaves out those beyond 64

Place = tuple[str, int]
Stack = tuple[Place, ...]


@dataclass
class Amount:
    calls: float = 0
    bytes: float = 0
    live_calls: float = 0
    live_bytes: float = 0

    def add(self, other: "Amount") -> None:
        for name, value in zip(vars(self), astuple(other)):
            setattr(self, name, getattr(self, name) + value)


Amounts = dict[Stack, Amount]


class Modules:
    """The segments of the files that are mapped."""

    def __init__(self):
        self._segments: list[tuple[int, int, int, str]] = []
        self._places: dict[int, Place] = {}

    def add(self, start: int, end: int, base: int, path: str) -> None:
        """`base`: what has the address 0 in the file."""
        self._segments.append((start, end, base, path))

    def place(self, address: int) -> Place:
        if address not in self._places:
            found = [(path, address - base) for start, end, base, path in self._segments
                     if start <= address < end]
            self._places[address] = found[0] if found else ("?", address)
        return self._places[address]


# ---- heaptrack's raw data: what its library writes while the program runs ------------------------


def of_heaptrack(path: Path) -> Amounts:
    amounts: Amounts = defaultdict(Amount)
    modules = Modules()
    stacks: list[Stack] = [()]
    live: dict[str, tuple[Stack, int]] = {}
    program = ""
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            kind, *words = line.split() or [""]
            if kind == "x":
                program = words[-1]
            elif kind == "m" and words[1] == "-":
                modules = Modules()  # all follow
            elif kind == "m":
                _add_module(modules, words[1] if words[1] != "x" else program, words[2:])
            elif kind == "t":
                place = modules.place(int(words[0], 16))
                stacks.append((place, *stacks[int(words[1], 16)])[:DEPTH])
            elif kind == "+":
                size, stack = int(words[0], 16), stacks[int(words[1], 16)]
                amounts[stack].add(Amount(1, size, 1, size))
                live[words[2]] = stack, size
            elif kind == "-" and words[0] in live:
                stack, size = live.pop(words[0])
                amounts[stack].add(Amount(0, 0, -1, -size))
    return amounts


def _add_module(modules: Modules, name: str, words: list[str]) -> None:
    """Its base, then offset and length of each segment."""
    base, *segments = (int(word, 16) for word in words)
    for offset, length in zip(segments[::2], segments[1::2]):
        modules.add(base + offset, base + offset + length, base, os.path.realpath(name))


# ---- molt's profiles -----------------------------------------------------------------------------


_ROW = re.compile(r"^# requested: (\d+) \[(\d+)\].*\n(?:#.*\n)*"
                  r"(\d+): (\d+) \[(\d+): (\d+)\] @ (.*)$", re.M)


def of_molt(path: Path) -> Amounts:
    """With the bytes that were asked for. Of samples: what they stand for."""
    amounts: Amounts = defaultdict(Amount)
    rows, _, mappings = path.read_text(encoding="utf-8").partition("MAPPED_LIBRARIES:\n")
    modules = _mapped(mappings)
    mean = re.match(r".* @ heap_v2/(\d+)", rows)
    for row in _ROW.finditer(rows):
        live_asked, asked, live_calls, _, calls, bytes_ = map(int, row.groups()[:6])
        weight = 1 / -math.expm1(-bytes_ / calls / int(mean[1])) if mean else 1
        # The first one lies inside of its call (src/profile/dump.h), the others behind theirs.
        addresses = [int(word, 16) - (i > 0) for i, word in enumerate(row[7].split())]
        stack = tuple(map(modules.place, addresses[:DEPTH]))
        amounts[stack].add(Amount(*(weight * n for n in (calls, asked, live_calls, live_asked))))
    return amounts


def _mapped(mappings: str) -> Modules:
    """Of /proc/self/maps."""
    modules = Modules()
    bases: dict[str, int] = {}
    for line in mappings.splitlines():
        words = line.split(None, 5)
        if len(words) < 6 or not os.path.isfile(words[5]):
            continue
        start, end = (int(word, 16) for word in words[0].split("-"))
        path = os.path.realpath(words[5])
        bases.setdefault(path, start if _is_relocated(path) else 0)
        modules.add(start, end, bases[path], path)
    return modules


def _is_relocated(path: str) -> bool:
    """Whether the addresses in it begin at 0 (ET_DYN)."""
    with open(path, "rb") as file:
        return file.read(18)[16:] == b"\x03\x00"


def by_function(amounts: Amounts, program: Path, functions: list[str]) -> dict[str, Amount]:
    """What each of the program's functions has allocated: the innermost one of them counts."""
    path = os.path.realpath(program)
    addresses = sorted({address for stack in amounts for file, address in stack if file == path})
    names = _names(path, addresses)
    found: dict[str, Amount] = defaultdict(Amount)
    for stack, amount in amounts.items():
        inner = (name for file, address in stack if file == path for name in names[address])
        function = next((name for name in inner if name in functions), None)
        if function:
            found[function].add(amount)
    return found


def _names(path: str, addresses: list[int]) -> dict[int, list[str]]:
    """The functions at each address, inlined ones first, by debug information."""
    done = subprocess.run(["addr2line", "-afie", path], input="\n".join(map(hex, addresses)),
                          capture_output=True, text=True, check=True)
    names: dict[int, list[str]] = {}
    for line in done.stdout.splitlines():
        if line.startswith("0x"):
            address, turn = int(line, 16), 0
            names[address] = []
        elif (turn := turn + 1) % 2:  # a name, and then its file and line
            names[address].append(line)
    return names


def top(amounts: dict, count: int) -> list:
    """Those that have allocated most bytes, the largest first."""
    return sorted(amounts, key=lambda key: -amounts[key].bytes)[:count]


def show(stack: Stack, places: int = 3) -> str:
    return " < ".join(f"{os.path.basename(path)}+{address:#x}" for path, address in stack[:places])
