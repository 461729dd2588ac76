"""Two files of results, side by side: two builds of molt, or of any other allocator."""

from . import estimates, render
from .metrics import CPU, FAULTS, PEAK_RSS, WALL, Metric
from .results import Run
from .summary import Summary

METRICS = (WALL, CPU, PEAK_RSS, FAULTS)


def compare(before: list[Run], after: list[Run], allocator: str) -> str:
    """A table a metric over the items that both have; after / before, below 1 is better."""
    old, new = Summary(before), Summary(after)
    items = [item for item in old.items if item in new.items]
    parts = []
    for metric in METRICS:
        rows = _rows(old, new, items, allocator, metric)
        if len(rows) > 1:
            parts.append(f"{metric.title}, {allocator}\n{render.text(rows)}")
    alone = [item for item in {*old.items, *new.items} if item not in items]
    if alone:
        parts.append("Only in one of the files: " + ", ".join(sorted(alone)))
    return "\n\n".join(parts) or f"The files have no item in common that {allocator} has run."


def _rows(old: Summary, new: Summary, items, allocator: str, metric: Metric) -> list[list[str]]:
    rows = [["", "before", "after", "after / before", "p"]]
    ratios = []
    for item in items:
        a, b = (side.sample(item, allocator, metric) for side in (old, new))
        if not a or not b or min(a + b) <= 0:
            continue
        ratio = estimates.ratio_estimate(b, a)
        ratios.append(ratio)
        rows.append([item, metric.show(estimates.median_estimate(a).value),
                     metric.show(estimates.median_estimate(b).value),
                     render.interval(ratio) + _mark(a, b), _p_text(a, b)])
    if ratios:
        mean = estimates.geometric_mean(ratios)
        rows.append([f"geometric mean of {len(ratios)}", "", "", render.interval(mean), ""])
    return rows


def _mark(a: list[float], b: list[float]) -> str:
    same = estimates.is_enough(a, b) and not estimates.is_significant(a, b)
    return " " + render.SAME if same else ""


def _p_text(a: list[float], b: list[float]) -> str:
    if not estimates.is_enough(a, b):
        return f"fewer than {estimates.MIN_RUNS} runs"
    return f"{estimates.mann_whitney(a, b):.3f}"
