"""What profiling costs: each profiler beside its allocator without a profile, and whether it may.

Only rounds in which both have run count. Noise makes a run slower, never faster: so times are
judged by the fastest runs. The medians stand beside them, and resident sets are judged by those.
"""

import math
from dataclasses import dataclass
from statistics import median

from . import render
from .metrics import CPU, PEAK_RSS, WALL, Metric
from .profilers import DENSE, HEAPTRACK, OFF, SHORT, SPARSE, TRACE, in_order
from .results import Run

METRICS = (CPU, WALL, PEAK_RSS)
GEOMETRIC_MEAN = f"geometric mean but for {SHORT}"


@dataclass(frozen=True)
class Ratio:
    """With a profile over without."""

    fastest: float  # of the least of all rounds
    typical: float  # the median of the ratios of all rounds


@dataclass(frozen=True)
class Verdict:
    text: str
    value: float | None  # None: not measured
    limit: float

    @property
    def word(self) -> str:
        if self.value is None:
            return "not measured"
        return "met" if self.value <= self.limit else "UNMET"


class Overhead:
    """The ratios of all profilers that have run, item by item."""

    def __init__(self, runs: list[Run]):
        counted = sorted((run for run in runs if run.round > 0), key=lambda run: run.round)
        self.failures = [f"{run.item} under {run.allocator}: {run.failure}"
                         for run in runs if run.failure]
        failed = {(run.item, run.allocator) for run in runs if run.failure}
        self._runs: dict[tuple[str, str], dict[int, Run]] = {}
        for run in counted:
            if (run.item, run.allocator) not in failed:
                self._runs.setdefault((run.item, run.allocator), {})[run.round] = run
        self.items = list(dict.fromkeys(item for item, _ in self._runs))
        ran = {name for _, name in self._runs}
        self.profilers = [name for name in in_order(ran) if OFF.get(name) in ran]

    def ratio(self, item: str, profiler: str, metric: Metric) -> Ratio | None:
        with_, without = (self._runs.get((item, name), {}) for name in (profiler, OFF[profiler]))
        rounds = [round_ for round_ in with_ if round_ in without]
        on, off = ([metric.value(side[round_].figures) for round_ in rounds]
                   for side in (with_, without))
        if not rounds or min(off) <= 0 or min(on) <= 0:
            return None
        return Ratio(min(on) / min(off), median(a / b for a, b in zip(on, off)))

    def mean(self, profiler: str, metric: Metric, items: list[str] | None = None) -> Ratio | None:
        """The geometric mean over the items that have a ratio, the short one apart where there are
        others."""
        if items is None:
            items = self.common(profiler)
        if items != [SHORT]:
            items = [item for item in items if item != SHORT]
        ratios = [ratio for item in items if (ratio := self.ratio(item, profiler, metric))]
        if not ratios:
            return None
        return Ratio(_geometric([r.fastest for r in ratios]),
                     _geometric([r.typical for r in ratios]))

    def common(self, *profilers: str) -> list[str]:
        """The items that each of them has run."""
        return [item for item in self.items
                if all(self.ratio(item, name, CPU) for name in profilers)]

    def rows(self, metric: Metric) -> list[list[str]]:
        """A heading, a row an item, and the geometric means."""
        rows = [["", *(f"{name} / {OFF[name]}" for name in self.profilers)]]
        for item in self.items:
            rows.append([item, *(_text(self.ratio(item, name, metric)) for name in self.profilers)])
        rows.append([GEOMETRIC_MEAN, *(_text(self.mean(name, metric)) for name in self.profilers)])
        return rows

    def absolute_rows(self) -> list[list[str]]:
        """What the runs without a profile took: the least CPU time and the median resident set."""
        bases = [name for name in in_order(OFF.values())
                 if any(key[1] == name for key in self._runs)]
        rows = [["", *bases]]
        for item in self.items:
            rows.append([item, *(self._absolute(item, name) for name in bases)])
        return rows

    def _absolute(self, item: str, name: str) -> str:
        figures = [run.figures for run in self._runs.get((item, name), {}).values()]
        if not figures:
            return render.NOT_RUN
        return (f"{CPU.show(min(map(CPU.value, figures)))}, "
                f"{PEAK_RSS.show(median(map(PEAK_RSS.value, figures)))}")


def judge(overhead: Overhead) -> list[Verdict]:
    return [_time(overhead, SPARSE, 1.01), _resident(overhead, SPARSE, 1.01),
            _time(overhead, DENSE, 1.03), _time(overhead, TRACE, 2.0),
            _beside(overhead, SPARSE, 0.1), _beside(overhead, TRACE, 0.5)]


def _time(overhead: Overhead, profiler: str, limit: float) -> Verdict:
    mean = overhead.mean(profiler, CPU)
    return Verdict(f"CPU time, {profiler} / {OFF[profiler]}", mean and mean.fastest, limit)


def _resident(overhead: Overhead, profiler: str, limit: float) -> Verdict:
    mean = overhead.mean(profiler, PEAK_RSS)
    return Verdict(f"resident set, {profiler} / {OFF[profiler]}", mean and mean.typical, limit)


def _beside(overhead: Overhead, profiler: str, limit: float) -> Verdict:
    """The time that is added, to that which heaptrack adds in the same programs."""
    items = overhead.common(profiler, HEAPTRACK)
    ours, theirs = (overhead.mean(name, CPU, items) for name in (profiler, HEAPTRACK))
    value = None
    if ours and theirs and theirs.fastest > 1:
        value = max(0.0, ours.fastest - 1) / (theirs.fastest - 1)
    return Verdict(f"CPU time that {profiler} adds / that {HEAPTRACK} adds", value, limit)


def _geometric(values: list[float]) -> float:
    return math.exp(math.fsum(map(math.log, values)) / len(values))


def _text(ratio: Ratio | None) -> str:
    return f"{ratio.fastest:.3f} ({ratio.typical:.3f})" if ratio else render.NOT_RUN


def text(overhead: Overhead) -> str:
    parts = ["Without a profile: the least CPU time, the median resident set\n"
             + render.text(overhead.absolute_rows())]
    parts += [f"{metric.title}: with a profile / without, of the least of all rounds "
              f"(median of the rounds' ratios)\n{render.text(overhead.rows(metric))}"
              for metric in METRICS]
    rows = [["", "value", "at most", ""]]
    rows += [[verdict.text, "-" if verdict.value is None else f"{verdict.value:.3f}",
              f"{verdict.limit:g}", verdict.word] for verdict in judge(overhead)]
    parts.append("Geometric means:\n" + render.text(rows))
    return "\n\n".join(parts)
