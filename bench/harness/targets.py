"""What the object benchmarks are to show: figures in a table, and whether each target is met."""

from dataclasses import dataclass
from statistics import median

from .allocators import MOLT
from .objects import PEERS, pauses_name
from .results import BASIC, Run

Key = tuple[str, str, str]  # subject, figure, peer

HAND, HAND_GLIBC, ACYCLIC = "hand-molt", "hand-glibc", "molt-acyclic"
TREE = "build and drop, ns per node"
PAUSE_GROWTH = 2  # what a pause may be in the largest heap, to that in the smallest


@dataclass(frozen=True)
class Target:
    """A figure, or its ratio to another one, must not be above the limit. Of times the least counts,
    since noise only adds to them; with `typical` the median, where the tail is the point."""

    number: str
    text: str
    figure: Key
    limit: float
    over: Key | None = None
    typical: bool = False


@dataclass(frozen=True)
class Verdict:
    target: Target
    value: float | None  # None: not measured

    @property
    def is_met(self) -> bool:
        return self.value is not None and self.value <= self.target.limit

    @property
    def word(self) -> str:
        return "not measured" if self.value is None else "met" if self.is_met else "UNMET"


class Figures:
    """All values of every figure of the runs that did not fail."""

    def __init__(self, runs: list[Run]):
        self._values: dict[Key, list[float]] = {}
        self.failures: list[str] = []
        for run in runs:
            if run.failure:
                self.failures.append(f"{run.item} under {run.allocator}: {run.failure}")
                continue
            for name, value in run.figures.items():
                if name not in BASIC:
                    self._values.setdefault((run.item, name, run.allocator), []).append(value)

    def least(self, key: Key) -> float | None:
        return min(self._values[key]) if key in self._values else None

    def typical(self, key: Key) -> float | None:
        return median(self._values[key]) if key in self._values else None

    def subjects(self) -> list[str]:
        return list(dict.fromkeys(subject for subject, _, _ in self._values))

    def rows(self) -> list[list[str]]:
        """A heading, and for each figure what every peer has: the least and the median."""
        present = {peer for _, _, peer in self._values}
        peers = [peer.name for peer in PEERS if peer.name in present]
        names = dict.fromkeys((subject, name) for subject, name, _ in self._values)
        order = self.subjects()
        rows = [["", *peers]]
        for subject, name in sorted(names, key=lambda key: order.index(key[0])):
            rows.append([f"{subject}: {name}",
                         *(self._cell((subject, name, peer)) for peer in peers)])
        return rows

    def _cell(self, key: Key) -> str:
        if key not in self._values:
            return "-"
        least, typical = show(self.least(key)), show(self.typical(key))
        return least if least == typical else f"{least} ({typical})"


def show(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value == int(value) else f"{value:.3g}"


def targets(sizes: list[int]) -> list[Target]:
    """For pauses measured with so many millions of objects."""
    return [*_of_counts(), *_of_making(), *_of_collections(), *_of_pauses(sorted(sizes)),
            *(Target("5", f"resident set of an object with two references: {when}",
                     ("memory", f"{when}, bytes per object", MOLT), 26, typical=True)
              for when in ("now", "peak"))]


def _of_counts() -> list[Target]:
    return [Target("1", "header, bytes", ("code", "header, bytes", MOLT), 8),
            *(Target("1", f"instructions of {operation} on the owner's path, {linked}",
                     ("code", f"{operation}, not NULL, {linked}, instructions", MOLT), limit)
              for operation, limit in (("retain", 6), ("release", 8))
              for linked in ("shared", "static"))]


def _of_making() -> list[Target]:
    leaves = [Target("2", f"leaf, new and release / malloc and free of its bytes, {how}",
                     ("leaf", f"{how}, ns", MOLT), 1.25, ("leaf", f"{how}, ns", HAND))
              for how in ("one at a time", "batches of 1000")]
    trees = [Target("2", f"tree, {peer} / by hand on {name}", ("tree", TREE, peer), limit,
                    ("tree", TREE, other))
             for peer in (MOLT, ACYCLIC)
             for name, other, limit in ((MOLT, HAND, 1.3), ("glibc", HAND_GLIBC, 1.0))]
    return leaves + trees


def _of_collections() -> list[Target]:
    shapes = [Target("3", f"full collection of a live object, ns: {shape}",
                     ("collect", f"{shape}, ns per object", MOLT), 15)
              for shape in ("list", "tree", "graph", "array")]
    rings = [Target("3", f"ring of {length} made and collected, ns per object",
                    ("rings", f"of {length}, ns per object", MOLT), 60)
             for length in (2, 10, 100)]
    return shapes + rings


def _of_pauses(sizes: list[int]) -> list[Target]:
    single = [Target("4", f"p99.9 of {what}, {size} million live objects, us",
                     (pauses_name(size), f"{what}, p99.9, us", MOLT), 1000, typical=True)
              for size in sizes for what in ("pause", "molt_new", "unpaced pause")]
    if len(sizes) < 2:
        return single
    few, many = sizes[0], sizes[-1]
    return single + [Target("4", f"p50 of pause, {many} million / {few} million live objects",
                            (pauses_name(many), "pause, p50, us", MOLT), PAUSE_GROWTH,
                            (pauses_name(few), "pause, p50, us", MOLT), typical=True)]


def judge(figures: Figures, wanted: list[Target]) -> list[Verdict]:
    """A verdict on each target whose subject has run at all."""
    ran = figures.subjects()
    return [Verdict(target, _value(figures, target)) for target in wanted
            if target.figure[0] in ran]


def _value(figures: Figures, target: Target) -> float | None:
    read = figures.typical if target.typical else figures.least
    value = read(target.figure)
    if target.over is None or value is None:
        return value
    over = read(target.over)
    return value / over if over else None


def rows_of(verdicts: list[Verdict]) -> list[list[str]]:
    return [["target", "value", "at most", ""]] + [
        [f"{verdict.target.number}  {verdict.target.text}",
         "-" if verdict.value is None else f"{verdict.value:.2f}",
         f"{verdict.target.limit:g}", verdict.word] for verdict in verdicts]
