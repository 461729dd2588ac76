"""Does a profile tell the truth? Programs under heaptrack and molt: `bench/run profile-sites`.

Of a program whose allocations are known (bench/profiles/known.cc) every site must have the calls
and bytes that it has, whoever reads it; of real ones each of the ten stacks that allocate most must
have the same in both. Of samples the five that allocate most are asked for.
"""

import math
import re
import shutil
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from . import render, stacks
from .item import ROOT, Item, Wrong
from .profiled import ITEMS
from .profilers import HEAPTRACK, SHORT, TRACE, Profiler
from .programs import INPUTS, PYTHON, Program
from .session import clean_environment
from .stacks import Amount, Amounts

KNOWN = ROOT / "build/bench/profiles/known"
INTERPRETER = Path("/usr/lib/heaptrack/libexec/heaptrack_interpret")
LIMIT = 300  # seconds for one run
TOP, TOP_SAMPLED = 10, 5
SAMPLES = 5000  # of a real program, nearly
SIGMAS = 4  # as much as samples may be off

REAL: list[Item] = [
    *(item for item in ITEMS if item.name == SHORT),
    Program("python3-short", "JSON, regular expressions, objects, every object by malloc",
            [PYTHON, str(INPUTS / "work.py"), "1000", "json", "regex", "objects"],
            variables={"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0"}),
]


@dataclass(frozen=True)
class Verdict:
    text: str
    passes: bool


class Recorder:
    """Runs a command under the profilers; what they write lies in `scratch`."""

    def __init__(self, found: list[Profiler], scratch: Path):
        self._profilers = {profiler.name: profiler for profiler in found}
        self.scratch = scratch

    def plain(self, command: list[str]) -> str:
        return self._run(command, {}, self.scratch)

    def heaptrack(self, command: list[str], directory: Path, variables: dict[str, str]) -> Path:
        raw = self.scratch / "heaptrack"
        raw.unlink(missing_ok=True)
        heaptrack = self._profilers[HEAPTRACK]
        self._run(command, variables | {"LD_PRELOAD": str(heaptrack.path),
                                        "DUMP_HEAPTRACK_OUTPUT": str(raw)}, directory)
        return raw

    def molt(self, command: list[str], how: str, directory: Path,
             variables: dict[str, str]) -> Path:
        profile = self.scratch / "molt"
        profile.unlink(missing_ok=True)
        self._run(command, variables | {"LD_PRELOAD": str(self._profilers[TRACE].path),
                                        "MOLT": f"{how},prof_out={profile}"}, directory)
        return profile

    def _run(self, command: list[str], variables: dict[str, str], directory: Path) -> str:
        try:
            done = subprocess.run(command, cwd=directory, capture_output=True, text=True,
                                  env=clean_environment(directory) | variables, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            raise Wrong(f"{command[0]} took too long") from None
        if done.returncode:
            raise Wrong(f"{command[0]}: exit status {done.returncode}: "
                        f"{done.stderr.strip()[-200:]}")
        return done.stdout


# ---- The program that is known -------------------------------------------------------------------


def check_known(recorder: Recorder) -> tuple[list[list[str]], list[Verdict]]:
    """A table of its sites, and what is to be said of it."""
    command, scratch = [str(KNOWN)], recorder.scratch
    truth = {words[0]: Amount(*map(int, words[1:]))
             for line in recorder.plain(command).splitlines() if (words := line.split())}
    names = list(truth)

    raw = recorder.heaptrack(command, scratch, {})
    theirs = stacks.by_function(stacks.of_heaptrack(raw), KNOWN, names)
    printed = heaptrack_print(raw, scratch, names)
    profile = recorder.molt(command, "trace", scratch, {})
    ours = stacks.by_function(stacks.of_molt(profile), KNOWN, names)
    read = shutil.which("google-pprof") and [google_pprof(profile, column, names)
                                             for column in ("alloc_objects", "alloc_space")]
    profile = recorder.molt(command, "prof=512K", scratch, {})
    sampled = stacks.by_function(stacks.of_molt(profile), KNOWN, names)

    rows = [["known", "calls", "bytes", "live bytes", "heaptrack", "molt-trace",
             "molt-512K, bytes"]]
    for name in stacks.top(truth, len(truth)):
        exact = truth[name]
        rows.append([name, f"{exact.calls:,}", f"{exact.bytes:,}", f"{exact.live_bytes:,}",
                     _same(theirs.get(name), exact), _same(ours.get(name), exact),
                     f"{sampled.get(name, Amount()).bytes:,.0f}"])
    calls, bytes_ = ({name: getattr(amount, what) for name, amount in truth.items()}
                     for what in ("calls", "bytes"))
    verdicts = [
        Verdict("known: heaptrack has each site's calls, bytes and live blocks", theirs == truth),
        Verdict("known: molt-trace has them, too", ours == truth),
        Verdict("known: heaptrack_print has the calls of each", printed == calls),
        Verdict("known: the largest five in samples are the largest five", set(
            stacks.top(sampled, TOP_SAMPLED)) == set(stacks.top(truth, TOP_SAMPLED))),
    ]
    if read:
        verdicts.append(Verdict("known: google-pprof has calls and bytes of each in molt's trace",
                                read == [calls, bytes_]))
    return rows, verdicts


def _same(found: Amount | None, exact: Amount) -> str:
    if found == exact:
        return "the same"
    return f"{found.calls:,} of {found.bytes:,}" if found else render.NOT_RUN


def heaptrack_print(raw: Path, scratch: Path, names: list[str]) -> dict[str, int]:
    """The calls of each function, as that prints them."""
    interpreted, graph = scratch / "interpreted", scratch / "graph"
    with open(raw, "rb") as source, open(interpreted, "wb") as target:
        subprocess.run([INTERPRETER], stdin=source, stdout=target, stderr=subprocess.DEVNULL,
                       check=True)
    subprocess.run(["heaptrack_print", "-f", interpreted, "-F", graph, "--flamegraph-cost-type",
                    "allocations"],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return _of_folded(graph.read_text(encoding="utf-8"), names)


def google_pprof(profile: Path, column: str, names: list[str]) -> dict[str, int]:
    """The same of molt's profile."""
    done = subprocess.run(["google-pprof", "--collapsed", "--show_bytes", f"--{column}", str(KNOWN),
                           str(profile)], capture_output=True, text=True, check=True)
    return _of_folded(done.stdout, names)


def _of_folded(text: str, names: list[str]) -> dict[str, int]:
    """Lines of frames, the innermost last, and a number. Behind a function's name may stand what
    begins with a blank, `<` or `[`."""
    found: dict[str, int] = defaultdict(int)
    for line in text.splitlines():
        frames, _, number = line.rpartition(" ")
        inner = (re.split(r"[ <[]", frame)[0] for frame in reversed(frames.split(";")))
        function = next((name for name in inner if name in names), None)
        if function:
            found[function] += int(number)
    return found


# ---- Real programs -------------------------------------------------------------------------------


def check_real(recorder: Recorder, item: Item, directory: Path) -> tuple[list[list[str]],
                                                                        list[Verdict]]:
    command, variables = item.command(directory), item.environment()
    theirs = stacks.of_heaptrack(recorder.heaptrack(command, directory, variables))
    ours = stacks.of_molt(recorder.molt(command, "trace", directory, variables))
    bytes_ = sum(amount.bytes for amount in ours.values())
    mean = 1 << math.ceil(math.log2(bytes_ / SAMPLES))
    sampled = stacks.of_molt(recorder.molt(command, f"prof={mean}", directory, variables))

    rows = [[item.name, "calls", "bytes", "molt-trace", f"prof={mean}, bytes"]]
    largest = stacks.top(theirs, TOP)
    for stack in largest:
        rows.append([stacks.show(stack), f"{theirs[stack].calls:,}", f"{theirs[stack].bytes:,}",
                     _same(ours.get(stack), theirs[stack]),
                     f"{sampled.get(stack, Amount()).bytes:,.0f}"])
    same = sum(ours.get(stack) == amount for stack, amount in theirs.items())
    rows.append([f"{same:,} of {len(theirs):,} stacks are the same",
                 f"{sum(a.calls for a in theirs.values()):,}",
                 f"{sum(a.bytes for a in theirs.values()):,}",
                 f"{sum(a.calls for a in ours.values()):,} of {bytes_:,}",
                 f"{sum(a.bytes for a in sampled.values()):,.0f}"])
    return rows, [
        Verdict(f"{item.name}: the largest ten stacks have the same calls, bytes, live blocks",
                stacks.top(ours, TOP) == largest
                and all(ours[stack] == theirs[stack] for stack in largest)),
        Verdict(f"{item.name}: the largest five in samples are the largest five, or as large but "
                "for chance", is_top(sampled, ours, mean)),
    ]


def is_top(sampled: Amounts, truth: Amounts, mean: float) -> bool:
    """Whether none of the sampled top is truly smaller than the truth's last one, but for chance."""
    last = stacks.top(truth, TOP_SAMPLED)[-1]
    return all(stack in truth and truth[last].bytes - truth[stack].bytes
               <= SIGMAS * math.hypot(_sigma(truth[last], mean), _sigma(truth[stack], mean))
               for stack in stacks.top(sampled, TOP_SAMPLED))


def _sigma(amount: Amount, mean: float) -> float:
    """The standard deviation of the bytes that samples tell, if all blocks are of one size."""
    size = amount.bytes / amount.calls
    chance = -math.expm1(-size / mean)
    return size * math.sqrt(amount.calls * (1 - chance) / chance)
