"""Tables of a summary as rows of text, for the terminal and for Markdown."""

from .allocators import MOLT
from .estimates import MIN_RUNS, Estimate
from .metrics import CPU, PEAK_RSS, WALL, Metric
from .summary import Row, Summary, Table

SAME = "~"  # not significantly different
FAILED = "failed"
NOT_RUN = "-"


def rows_of(summary: Summary, table: Table) -> list[list[str]]:
    """A heading, a row an item, and the geometric means.

    The baseline's column has the medians, the others' columns ratios to it. The best of several peers
    has columns; beside a single one molt's own column says all that they would."""
    baseline = summary.baseline
    others = [name for name in summary.allocators if name != baseline]
    judged = len(summary.peers) > 1 and any(row.against_best for row in table.rows)
    heading = ["", baseline, *others] + (["best peer", f"{MOLT} / best peer"] if judged else [])
    body = [[row.item, _base_text(summary, row, table), *_ratio_texts(summary, row, others)]
            + ([row.best_peer, _against_text(row)] if judged else [])
            for row in table.rows]
    if table.means and table.mean_items > 1:
        body.append([f"geometric mean of {table.mean_items}", "1.00",
                     *(_mean_text(summary, table, name) for name in others)]
                    + (["", interval(table.best_mean)] if judged else []))
    return [heading, *body]


def _mean_text(summary: Summary, table: Table, name: str) -> str:
    if name not in table.means:
        return FAILED
    mean = table.means[name]
    return interval(mean) if len(summary.peers) == 1 else f"{mean.value:.2f}"


def notes_of(summary: Summary, table: Table, limit: int | None = None) -> list[str]:
    """What molt loses, said as plainly as the rest; with a limit just so many of the worst."""
    won, lost = table.won(), table.lost()
    judged = [row for row in table.rows if row.against_best]
    if not judged or summary.rounds() < MIN_RUNS:
        return []
    peer = "the best peer of each" if len(summary.peers) > 1 else summary.baseline
    notes = [f"Against {peer}: better {len(won)}, worse {len(lost)}, "
             f"no significant difference {len(judged) - len(won) - len(lost)}."]
    if lost:
        shown = lost[:limit]
        more = f", and {len(lost) - len(shown)} more" if len(shown) < len(lost) else ""
        notes.append("Worse: " + ", ".join(
            f"{row.item} {row.against_best.value:.2f} ({row.best_peer})" for row in shown)
            + more + ".")
    return notes


def conclusion_of(summary: Summary) -> str:
    """One sentence on all items: molt beside the baseline. Nothing if either has run none."""
    tables = [table for metric in (WALL, CPU, PEAK_RSS)
              if MOLT in (table := summary.table(metric)).means]
    if not tables:
        return ""
    parts = [f"{table.means[MOLT].value:.2f} of its {_in_a_sentence(table.metric)} "
             f"(less in {_less(summary, table)})" for table in tables]
    count = tables[0].mean_items
    return (f"In {count} {'item' if count == 1 else 'items'} molt took, beside {summary.baseline}, "
            f"{', '.join(parts[:-1])}{' and ' if len(parts) > 1 else ''}{parts[-1]}; geometric means.")


def _in_a_sentence(metric: Metric) -> str:
    title = metric.title.partition(",")[0]
    return title if title.startswith("CPU") else title.lower()


def _less(summary: Summary, table: Table) -> int:
    """In how many of the items that count for the mean molt's figure is the lower one."""
    return sum(row.cells[MOLT].ratio.value < 1 for row in table.rows
               if summary.is_complete(row) and row.cells[MOLT].ratio)


def failures_of(summary: Summary) -> list[str]:
    return [f"{item} under {allocator}: {failure}"
            for (item, allocator), failure in summary.failures.items()]


def text(rows: list[list[str]]) -> str:
    """Aligned columns: the first to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                  for i, (cell, width) in enumerate(zip(row, widths))).rstrip()
        for row in rows)


def markdown(rows: list[list[str]], align: str = "---:") -> str:
    """`align` is that of all columns but the first: to the right for figures, "---" for words."""
    heading, *body = rows
    rule = ["---"] + [align] * (len(heading) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in [heading, rule, *body])


def _base_text(summary: Summary, row: Row, table: Table) -> str:
    cell = row.cells.get(summary.baseline)
    return table.metric.show(cell.median.value) if cell else _absent(summary, row, summary.baseline)


def _ratio_texts(summary: Summary, row: Row, names: list[str]) -> list[str]:
    texts = []
    for name in names:
        cell = row.cells.get(name)
        if not cell:
            texts.append(_absent(summary, row, name))
        elif not cell.ratio:
            texts.append(NOT_RUN)
        else:
            mark = "" if cell.is_significant or cell.ratio.low is None else " " + SAME
            alone = len(summary.peers) == 1
            texts.append((interval(cell.ratio) if alone else f"{cell.ratio.value:.2f}") + mark)
    return texts


def _absent(summary: Summary, row: Row, name: str) -> str:
    return FAILED if (row.item, name) in summary.failures else NOT_RUN


def _against_text(row: Row) -> str:
    if not row.against_best:
        return NOT_RUN
    same = "" if row.is_significant or row.against_best.low is None else " " + SAME
    return interval(row.against_best) + same


def interval(estimate: Estimate | None) -> str:
    if estimate is None:
        return NOT_RUN
    if estimate.low is None:
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"
