"""Heap profilers as what the harness compares: an allocator, with variables that have it profile.

Each is measured against the same allocator without a profile. What a profiler writes goes into a
directory that is empty when a run begins.
"""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .allocators import MOLT, Allocator, BadAllocator, find_allocators, find_library, unknown
from .item import Item

GLIBC, TCMALLOC = "glibc", "tcmalloc"
SPARSE, DENSE, TRACE = "molt-512K", "molt-64K", "molt-trace"
HEAPTRACK, HEAPPROFILE, DHAT = "heaptrack", "heapprofile", "dhat"

# What each is measured against.
OFF = {SPARSE: MOLT, DENSE: MOLT, TRACE: MOLT, HEAPTRACK: GLIBC, HEAPPROFILE: TCMALLOC, DHAT: GLIBC}

# Who multiplies the time of a program need not run as often as those of which a hundredth counts.
RARELY = 3
# The one item of those that take ten times as long and more, too short to count in other means.
SHORT = "sqlite3-short"
SLOW = (TCMALLOC, HEAPPROFILE, DHAT)

PRELOADED = Path("/usr/lib/heaptrack/libheaptrack_preload.so")
PACKAGES = {HEAPTRACK: "heaptrack", TCMALLOC: "libgoogle-perftools4",
            HEAPPROFILE: "libgoogle-perftools4", DHAT: "valgrind"}


@dataclass(frozen=True)
class Profiler(Allocator):
    """Or an allocator beside one, without a profile."""

    directory: Path | None = None  # of what it writes
    variables: tuple[tuple[str, str], ...] = ()
    starter: tuple[str, ...] = ()  # what starts the command, where nothing is preloaded
    every: int = 1  # it runs in each so many-th round

    def takes_part(self, item: Item, round_: int) -> bool:
        """What starts the command itself has no warm-up: that asks whose malloc the program has."""
        return (round_ % self.every == 0 and (self.name not in SLOW or item.name == SHORT)
                and not (self.starter and round_ == 0))

    def prepare(self) -> None:
        if self.directory:
            shutil.rmtree(self.directory, ignore_errors=True)
            self.directory.mkdir()

    def environment(self) -> dict[str, str]:
        return ({} if self.starter else super().environment()) | dict(self.variables)

    def command(self, command: list[str]) -> list[str]:
        return [*self.starter, *command]


def find_profilers(names: list[str], peers: str, scratch: Path) -> tuple[list[Profiler],
                                                                         dict[str, str]]:
    """Those of the given names, or all; each with what it is measured against. And the others, with
    why they cannot run. `peers` may replace molt and glibc (allocators.py)."""
    known = _known(peers, scratch / "profiles")
    for name in names:
        if name not in known:
            raise BadAllocator(unknown("profiler", name, known))
    wanted = {name for name in known if not names or name in names}
    wanted |= {OFF[name] for name in wanted if name in OFF}
    missing = {name: f"not installed (Debian package {PACKAGES[name]})"
               for name in known if name in wanted and not known[name]}
    return [profiler for name in known
            if name in wanted and (profiler := known[name])], missing


def _known(peers: str, directory: Path) -> dict[str, Profiler | None]:
    """All by their names, in the order of tables; None: not installed."""
    molt, glibc = (next(a for a in find_allocators([name], peers) if a.name == name)
                   for name in (MOLT, GLIBC))
    tcmalloc, valgrind = find_library("libtcmalloc.so.4"), shutil.which("valgrind")

    def of_molt(name: str, how: str, every: int = 1) -> Profiler:
        return Profiler(name, molt.path, molt.package, directory=directory, every=every,
                        variables=(("MOLT", f"{how},prof_out={directory}/molt"),))

    def of_tcmalloc(name: str, *variables: tuple[str, str]) -> Profiler | None:
        return tcmalloc and Profiler(name, tcmalloc, PACKAGES[name], directory=directory,
                                     variables=variables, every=RARELY)

    # What it does inside the program; heaptrack_interpret runs beside it, or afterwards.
    heaptrack = Profiler(HEAPTRACK, PRELOADED, PACKAGES[HEAPTRACK], behind=glibc.path,
                         directory=directory, every=RARELY,
                         variables=(("DUMP_HEAPTRACK_OUTPUT", f"{directory}/heaptrack"),))
    dhat = Profiler(DHAT, Path(valgrind or "valgrind"), PACKAGES[DHAT], directory=directory,
                    starter=("valgrind", "--tool=dhat", f"--dhat-out-file={directory}/dhat"),
                    every=RARELY)
    return {
        MOLT: Profiler(MOLT, molt.path, molt.package),
        SPARSE: of_molt(SPARSE, "prof=512K"),
        DENSE: of_molt(DENSE, "prof=64K"),
        TRACE: of_molt(TRACE, "trace", RARELY),
        GLIBC: Profiler(GLIBC, glibc.path, glibc.package, every=RARELY),
        HEAPTRACK: heaptrack if PRELOADED.is_file() else None,
        TCMALLOC: of_tcmalloc(TCMALLOC),
        HEAPPROFILE: of_tcmalloc(HEAPPROFILE, ("HEAPPROFILE", f"{directory}/heapprofile")),
        DHAT: dhat if valgrind else None,
    }


def in_order(names: Iterable[str]) -> list[str]:
    """As tables have them."""
    order = [MOLT, SPARSE, DENSE, TRACE, GLIBC, HEAPTRACK, TCMALLOC, HEAPPROFILE, DHAT]
    return sorted(dict.fromkeys(names), key=order.index)
