"""From runs to what is reported: for each metric a row an item, a cell an allocator."""

from dataclasses import dataclass, field

from . import estimates
from .allocators import BASELINE, MOLT, in_order
from .estimates import Estimate
from .metrics import Metric
from .results import Run


@dataclass(frozen=True)
class Cell:
    median: Estimate
    fastest: float
    runs: int
    ratio: Estimate | None = None  # to the baseline; None for the baseline itself
    is_significant: bool = False  # the difference to the baseline


@dataclass(frozen=True)
class Row:
    item: str
    cells: dict[str, Cell]
    best_peer: str = ""  # that with the lowest median, molt apart
    against_best: Estimate | None = None  # molt over the best peer
    is_significant: bool = False  # that difference


@dataclass
class Table:
    metric: Metric
    rows: list[Row] = field(default_factory=list)
    means: dict[str, Estimate] = field(default_factory=dict)  # geometric, of the ratios
    mean_items: int = 0  # how many items the means cover: those that every allocator has run
    best_mean: Estimate | None = None  # of molt over the best peer of each item

    def won(self) -> list[Row]:
        """Where molt is significantly better than the best peer; the largest difference first."""
        rows = [row for row in self.rows if row.is_significant and row.against_best.value < 1]
        return sorted(rows, key=lambda row: row.against_best.value)

    def lost(self) -> list[Row]:
        """Where it is significantly worse."""
        rows = [row for row in self.rows if row.is_significant and row.against_best.value > 1]
        return sorted(rows, key=lambda row: -row.against_best.value)


class Summary:
    """The counted runs of a session, by item and allocator, in the order of their appearance."""

    def __init__(self, runs: list[Run]):
        counted_first = sorted(runs, key=lambda run: run.round == 0)
        self.items = list(dict.fromkeys(run.item for run in counted_first))
        self.groups = {run.item: run.group for run in runs}
        self.allocators = in_order(run.allocator for run in counted_first)
        self.failures = {(run.item, run.allocator): run.failure for run in runs if run.failure}
        self._figures: dict[tuple[str, str], list[dict[str, float]]] = {}
        for run in runs:
            if run.round > 0 and (run.item, run.allocator) not in self.failures:
                self._figures.setdefault((run.item, run.allocator), []).append(run.figures)
        self._ran = {allocator for _, allocator in self._figures}
        self.series = {(run.item, run.allocator): run.series for run in runs if run.series}

    @property
    def peers(self) -> list[str]:
        """Who has run beside molt."""
        return [name for name in self.allocators if name != MOLT and name in self._ran]

    @property
    def baseline(self) -> str:
        """jemalloc, or the first peer that has run."""
        return BASELINE if BASELINE in self.peers else (self.peers or [MOLT])[0]

    def sample(self, item: str, allocator: str, metric: Metric) -> list[float]:
        values = [metric.value(figures) for figures in self._figures.get((item, allocator), [])]
        return [value for value in values if value is not None]

    def rounds(self) -> int:
        return max((len(runs) for runs in self._figures.values()), default=0)

    def table(self, metric: Metric, items: list[str] | None = None) -> Table:
        """The rows of the items that have the metric, and the means of those that all have run."""
        table = Table(metric)
        for item in items if items is not None else self.items:
            row = self._row(item, metric)
            if row.cells:
                table.rows.append(row)
        self._add_means(table)
        return table

    def _row(self, item: str, metric: Metric) -> Row:
        samples = {name: self.sample(item, name, metric) for name in self.allocators}
        samples = {name: sample for name, sample in samples.items() if sample}
        base = samples.get(self.baseline)
        cells = {name: _cell(sample, base if name != self.baseline else None)
                 for name, sample in samples.items()}
        peers = [name for name in cells if name != MOLT]
        if MOLT not in cells or not peers:
            return Row(item, cells)
        best = min(peers, key=lambda name: cells[name].median.value)
        ratio, significant = _compare(samples[MOLT], samples[best])
        return Row(item, cells, best, ratio, significant)

    def is_complete(self, row: Row) -> bool:
        """Whether every allocator has the figure: only then does the row count for the means. Who
        has failed everything has none, and does not take them from the others."""
        return all(name in row.cells and (name == self.baseline or row.cells[name].ratio)
                   for name in self._ran)

    def _add_means(self, table: Table) -> None:
        complete = [row for row in table.rows if self.is_complete(row)]
        table.mean_items = len(complete)
        if not complete or len(self._ran) < 2:
            return
        for name in self.allocators:
            if name in self._ran and name != self.baseline:
                ratios = [row.cells[name].ratio for row in complete]
                table.means[name] = estimates.geometric_mean([r for r in ratios if r])
        against = [row.against_best for row in complete if row.against_best]
        if len(against) == len(complete):
            table.best_mean = estimates.geometric_mean(against)


def _cell(sample: list[float], base: list[float] | None) -> Cell:
    ratio, significant = _compare(sample, base) if base else (None, False)
    return Cell(estimates.median_estimate(sample), min(sample), len(sample), ratio, significant)


def _compare(sample: list[float], base: list[float]) -> tuple[Estimate | None, bool]:
    if min(sample) <= 0 or min(base) <= 0:
        return None, False
    return estimates.ratio_estimate(sample, base), estimates.is_significant(sample, base)
