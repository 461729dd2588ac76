"""The allocators that are compared: molt, the peers from Debian, and any other build."""

import difflib
import hashlib
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from .item import ROOT, Item

MOLT = "molt"
BASELINE = "jemalloc"  # ratios are to it

# glibc is preloaded too: a program that is linked with another malloc (Debian's redis) takes
# glibc's then.
DEBIAN = {
    "glibc": ("libc6", "libc.so.6"),
    "jemalloc": ("libjemalloc2", "libjemalloc.so.2"),
    "mimalloc": ("libmimalloc2.0", "libmimalloc.so.2"),
    "tcmalloc": ("libtcmalloc-minimal4", "libtcmalloc_minimal.so.4"),
    "tbbmalloc": ("libtbbmalloc2", "libtbbmalloc_proxy.so.2"),
}


class BadAllocator(Exception):
    """An allocator that was asked for cannot be used; the text says why."""


@dataclass(frozen=True)
class Allocator:
    name: str
    path: Path  # of the library
    package: str = ""
    behind: Path | None = None  # the allocator that it calls itself

    @cached_property
    def version(self) -> str:
        """The package's version, or for other builds the state of the checkout or of the file."""
        if self.package:
            return _output("dpkg-query", "-W", "-f", "${Version}", self.package)
        if self.path == _built():
            return _output("git", "-C", str(ROOT), "describe", "--always", "--dirty") or "?"
        return self.path.name

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()[:12]

    def takes_part(self, item: Item, round_: int) -> bool:
        """Whether it runs the item in that round; round 0 is the warm-up."""
        return True

    def prepare(self) -> None:
        """Before each run."""

    def environment(self) -> dict[str, str]:
        """What has a command use it."""
        return {"LD_PRELOAD": ":".join(map(str, filter(None, (self.path, self.behind))))}

    def command(self, command: list[str]) -> list[str]:
        return command


def find_allocators(names: list[str], peers: str) -> list[Allocator]:
    """molt and the peers of the given names, or of Debian and `peers` if there are no names.

    `peers` is the value of PEERS: "name=/path/library.so ...". It adds builds or replaces those of
    the same name, molt's own included.
    """
    known = {MOLT: Allocator(MOLT, _built())}
    missing = {}
    for name, (package, soname) in DEBIAN.items():
        library = find_library(soname)
        if library:
            known[name] = Allocator(name, library, package)
        else:
            missing[name] = f"{name}: {soname} is not installed (Debian package {package})"
    for allocator in _parse_peers(peers):
        known[allocator.name] = allocator
        missing.pop(allocator.name, None)
    if not known[MOLT].path.is_file():
        raise BadAllocator(f"{known[MOLT].path}: no such library (run make first)")
    if not names:
        if missing:
            raise BadAllocator("; ".join(missing.values()))
        return list(known.values())
    for name in names:
        if name in missing:
            raise BadAllocator(missing[name])
        if name not in known:
            raise BadAllocator(unknown("allocator", name, known))
    return [known[name] for name in known if name in {MOLT, *names}]


def in_order(names: Iterable[str]) -> list[str]:
    """Each name once: molt, Debian's peers, then the others as they come."""
    known = [MOLT, *DEBIAN]
    return sorted(dict.fromkeys(names),
                  key=lambda name: known.index(name) if name in known else len(known))


def unknown(kind: str, name: str, known) -> str:
    near = difflib.get_close_matches(name, list(known), 1, 0.4)
    hint = f"did you mean {near[0]}?" if near else "there are " + ", ".join(known)
    return f"no {kind} is called {name}: {hint}"


def _built() -> Path:
    return ROOT / "build/libmolt.so"


def _parse_peers(peers: str) -> list[Allocator]:
    found: dict[str, Allocator] = {}
    for word in peers.split():
        name, equals, path = word.partition("=")
        if not equals or not name or not path:
            raise BadAllocator(f"PEERS: {word}: not name=/path/library.so")
        if name in found:
            raise BadAllocator(f"PEERS: {name} is named twice")
        library = Path(path).absolute()
        if not library.is_file():
            raise BadAllocator(f"PEERS: {name}: {path}: no such library")
        found[name] = Allocator(name, library)
    return list(found.values())


def find_library(soname: str) -> Path | None:
    for line in _output("/sbin/ldconfig", "-p").splitlines():
        words = line.split()
        if words and words[0] == soname and _machine() in line.lower():
            return Path(words[-1])
    return None


def _machine() -> str:
    """As ldconfig writes it, in small letters."""
    return os.uname().machine.replace("_", "-")


def _output(*command: str) -> str:
    """What the command prints, or "" if it cannot run or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
