"""A file of results as a report: Markdown and plots beside it, and a short table for the README.

The same file makes the same bytes, so that a report in the repository changes only with its runs.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from . import plots, render, results
from .allocators import MOLT
from .estimates import MIN_RUNS
from .item import Wrong
from .metrics import CPU, METRICS, MIN_LIVE, PEAK_RSS, WALL, Metric
from .results import Run
from .summary import Summary, Table

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
OVERVIEW = (WALL, CPU, PEAK_RSS)
WORST = 5  # so many losses a metric in the README; the report has all

METHOD = f"""\
Every item runs once per round under each allocator, one right after the other, in an order that
rotates from round to round. The first round warms up and is not counted. A value is the median of
the rounds with its 95 % interval between order statistics; a ratio is the median of all pairwise
ratios (Hodges–Lehmann) with the 95 % interval of Moses. Lower is better in all tables. `~`: no
significant difference (two-sided exact Mann–Whitney test, p ≥ 0.05). There is no correction for the
number of comparisons: of a hundred equal pairs some five will be called different. "Best peer" is
the one with the lowest median on that item, chosen after the fact: another one from item to item,
and a harder comparison than with any of them alone. The interval of a geometric mean covers the
noise of these runs; it says nothing about other programs.

Resident set over live bytes: what the work added to the resident set, over the bytes that it had
asked for and not yet freed; 1.00 would be no overhead at all. It is given from {MIN_LIVE >> 20} MiB
of live bytes on. The maximal latency is a single event, often the scheduler's."""

FEW_ROUNDS = f"**Fewer than {MIN_RUNS} rounds: no difference is called significant.**"


def write(path: Path, readme: Path | None) -> list[Path]:
    """Writes the report of the results at `path`, all of it or nothing; returns what it wrote."""
    report = Report(path, results.read(path))
    files = {report.markdown_path: report.markdown()} | report.plots()
    if readme:
        files[readme] = _published(readme, report)
    for target, text in files.items():
        target.write_bytes(text.encode())
    return list(files)


@dataclass(frozen=True)
class Group:
    title: str
    tables: dict[str, Table]  # by the metric's name; those that have rows


class Report:
    """What the texts and the plots of one file of results share."""

    def __init__(self, path: Path, runs: list[Run]):
        self._path = path
        self._runs = runs
        self.summary = Summary(runs)
        names = dict.fromkeys(self.summary.groups[item] for item in self.summary.items)
        self.groups = [self._group(plots.title_of(name), [
            item for item in self.summary.items if self.summary.groups[item] == name])
            for name in names]
        self.all = self._group("All", self.summary.items)
        self.series = {item: self._beside(f"-series-{_file_name(item)}.svg")
                       for item, _ in self.summary.series}
        self.markdown_path = self._beside(".md")

    def _group(self, title: str, items: list[str]) -> Group:
        tables = {metric.name: self.summary.table(metric, items) for metric in METRICS}
        return Group(title, {name: table for name, table in tables.items() if table.rows})

    def _beside(self, ending: str) -> Path:
        return self._path.with_name(self._path.stem + ending)

    # ---- Plots -----------------------------------------------------------------------------------

    @property
    def corner_path(self) -> Path | None:
        """None if no item has run under all allocators: there are no means then."""
        tables = [self.all.tables.get(metric.name) for metric in (WALL, PEAK_RSS)]
        return self._beside("-corner.svg") if all(t and t.means for t in tables) else None

    def ratio_path(self, metric: Metric) -> Path | None:
        """None if nothing has run both under the baseline and under another allocator."""
        table = self.all.tables.get(metric.name)
        if not table or not any(cell.ratio for row in table.rows for cell in row.cells.values()):
            return None
        return self._beside({"wall": "-time.svg", "peak_rss": "-rss.svg"}[metric.name])

    def plots(self) -> dict[Path, str]:
        """Each plot's SVG by its file."""
        tables = self.all.tables
        files = {path: plots.ratios(self.summary, tables[metric.name])
                 for metric in (WALL, PEAK_RSS) if (path := self.ratio_path(metric))}
        if self.corner_path:
            files[self.corner_path] = plots.corner(
                self.summary, tables[WALL.name], tables[PEAK_RSS.name])
        return files | {path: plots.series(self.summary, item)
                        for item, path in self.series.items()}

    # ---- The report ------------------------------------------------------------------------------

    def markdown(self) -> str:
        parts = [f"# Allocators compared, {_span(self._days())}", *self._head(), *self._overview(),
                 *self._losses(), *self._tables(), *self._memory_over_time(), *self._failures(),
                 *self._commands()]
        return "\n\n".join(parts) + "\n"

    def _head(self) -> list[str]:
        rows = [["", ""]] + [[name, value] for name, value in self._circumstances() if value]
        versions = dict.fromkeys((run.allocator, run.version, run.digest) for run in self._runs)
        known = [["allocator", "version", "SHA-256 of the library"]] + [
            [*version] for name in self.summary.allocators for version in versions
            if version[0] == name]
        return [_table(rows, "---"), _table(known, "---"),
                "To repeat it: `make bench`. This text and the plots are made from "
                f"[{self._path.name}]({quote(self._path.name)}) by `bench/run report`.",
                METHOD, *self._few_rounds()]

    def _circumstances(self) -> list[tuple[str, str]]:
        def of_machine(name: str) -> str:
            return _listed(run.machine.get(name, "") for run in self._runs)

        loads = [run.load for run in self._runs]
        return [("CPU", of_machine("cpu")), ("cores", of_machine("cores")),
                ("memory", _gibibytes(of_machine("memory"))), ("kernel", of_machine("kernel")),
                ("hypervisor", of_machine("hypervisor")),
                ("transparent huge pages", of_machine("thp")), ("glibc", of_machine("glibc")),
                ("distribution", of_machine("distribution")),
                ("load average when a run began", f"{min(loads):.2f} to {max(loads):.2f}"),
                ("items", str(len(self.summary.items))),
                ("rounds", self._rounds())]

    def _rounds(self) -> str:
        most = self.summary.rounds()
        short = [row.item for row in self._rows(WALL)
                 if any(cell.runs < most for cell in row.cells.values())]
        return f"{most}" + (f", fewer of {_listed(short)}" if short else "")

    def _rows(self, metric: Metric):
        table = self.all.tables.get(metric.name)
        return table.rows if table else []

    def _days(self) -> list[str]:
        return [run.time[:10] for run in self._runs if run.time]

    def _few_rounds(self) -> list[str]:
        return [FEW_ROUNDS] if self.summary.rounds() < MIN_RUNS else []

    def _overview(self) -> list[str]:
        rows = self.overview_rows(OVERVIEW)
        if len(rows) == 1:
            return ["## Overview", "No means: they need items that two allocators or more have all "
                                   "completed."]
        parts = ["## Overview",
                 f"Geometric means of the ratios to {self.summary.baseline}, in each line over the "
                 "same items for all: those that every allocator has completed."
                 + self._left_out(),
                 _table(rows)]
        if self.corner_path:
            parts.append(_image("Time against memory", self.corner_path, self._path.parent))
        return parts + [_image(f"{metric.title}, ratios", path, self._path.parent)
                        for metric in (WALL, PEAK_RSS) if (path := self.ratio_path(metric))]

    def _left_out(self) -> str:
        items = [row.item for row in self._rows(WALL) if not self.summary.is_complete(row)]
        items += [item for item in self.summary.items
                  if item not in {row.item for row in self._rows(WALL)}]
        return f" Left out: {_listed(items)}." if items else ""

    def overview_rows(self, metrics) -> list[list[str]]:
        """A heading, and for each metric the means of every group and of all."""
        names = self.summary.allocators
        several = len(self.summary.peers) > 1
        rows = [["", "items", *names] + ([f"{MOLT} / best peer"] if several else [])]
        groups = [*self.groups, self.all] if len(self.groups) > 1 else self.groups
        for metric in metrics:
            for group in groups:
                table = group.tables.get(metric.name)
                if table and table.means:
                    means = {self.summary.baseline: "1.00"} | {
                        name: f"{mean.value:.2f}" for name, mean in table.means.items()}
                    rows.append([f"{metric.title}: {group.title.lower()}", str(table.mean_items),
                                 *(means.get(name, render.FAILED) for name in names)]
                                + ([render.interval(table.best_mean)] if several else []))
        return rows

    def _losses(self) -> list[str]:
        parts = [f"## Where {MOLT} loses"]
        for metric in OVERVIEW:
            table = self.all.tables.get(metric.name)
            notes = render.notes_of(self.summary, table) if table else []
            if notes:
                parts += [f"### {metric.title}", notes[0], *_table_of_losses(table)]
        return parts if len(parts) > 1 else [*parts, *(self._few_rounds() or ["No peer has run."])]

    def _tables(self) -> list[str]:
        parts = []
        for group in self.groups:
            parts += [f"## {group.title}",
                      f"The column of {self.summary.baseline} has its medians, the others' columns "
                      "have ratios to it."]
            for table in group.tables.values():
                parts += [f"### {group.title}: {_first_small(table.metric.title)}",
                          _table(render.rows_of(self.summary, table)),
                          _folded("Medians with their intervals",
                                  _table(self._median_rows(table)))]
        return parts

    def _median_rows(self, table: Table) -> list[list[str]]:
        names = self.summary.allocators
        return [["", *names]] + [
            [row.item, *(_median_text(table.metric, row.cells.get(name)) for name in names)]
            for row in table.rows]

    def _memory_over_time(self) -> list[str]:
        if not self.series:
            return []
        return ["## Resident set over time", "One run of each, apart from the rounds.",
                *(_image(item, path, self._path.parent) for item, path in self.series.items())]

    def _failures(self) -> list[str]:
        failures = render.failures_of(self.summary)
        if not failures:
            return ["## Failures", "None: every allocator took over malloc in every item, and gave "
                                   "the same answers."]
        return ["## Failures",
                "An allocator that fails on an item, gives another answer there, or is refused "
                "because it did not take over malloc does not run it again, and none of its runs "
                "of that item count.",
                _verbatim(f"FAILED: {line}" for line in failures)]

    def _commands(self) -> list[str]:
        commands = {run.item: run.command for run in self._runs if run.command}
        if not commands:
            return []
        return ["## Commands", _folded("What was run", _verbatim(
            f"{item}: {command}" for item, command in commands.items()))]

    # ---- The README ------------------------------------------------------------------------------

    def short(self, directory: Path) -> str:
        """The published table, with links as seen from the directory."""
        where = _where(self._runs[0].machine)
        link = _link(self.markdown_path, directory)
        parts = [f"{_span(self._days())}{' on ' + where if where else ''}; "
                 f"{self.summary.rounds()} rounds. Ratios to {self.summary.baseline}, geometric "
                 "means; below 1 is less time or less memory."]
        rows = self.overview_rows((WALL, PEAK_RSS))
        parts += [_table(rows)] if len(rows) > 1 else []
        for metric in (WALL, PEAK_RSS):
            table = self.all.tables.get(metric.name)
            notes = render.notes_of(self.summary, table, WORST) if table else []
            parts += [f"{metric.title}. " + " ".join(notes)] if notes else []
        parts += self._few_rounds()
        if self.corner_path:
            parts.append(_image("Time against memory", self.corner_path, directory))
        return "\n\n".join([*parts, f"[All items, intervals and failures]({link})."])


def _published(readme: Path, report: Report) -> str:
    """The README's text with the part between the markers made anew."""
    try:
        lines = readme.read_bytes().decode().splitlines(keepends=True)
    except UnicodeDecodeError as error:
        raise Wrong(f"{readme}: {error}") from error
    marks = [line.strip() for line in lines]
    if marks.count(BEGIN) != 1 or marks.count(END) != 1 or marks.index(BEGIN) > marks.index(END):
        raise Wrong(f"{readme}: needs a line {BEGIN} and after it a line {END}, each once")
    before, after = lines[: marks.index(BEGIN) + 1], lines[marks.index(END):]
    return "".join([*before, report.short(readme.parent) + "\n", *after])


# ---- Pieces of Markdown --------------------------------------------------------------------------


def _table(rows: list[list[str]], align: str = "---:") -> str:
    """As `render.markdown`; a bar in a name or version would end its cell."""
    return render.markdown([[cell.replace("|", "\\|") for cell in row] for row in rows], align)


def _table_of_losses(table: Table) -> list[str]:
    lost = table.lost()
    if not lost:
        return []
    show = table.metric.show
    return [_table([["", f"{MOLT} / best peer", "best peer", "its median", f"{MOLT}'s"]] + [
        [row.item, render.interval(row.against_best), row.best_peer,
         show(row.cells[row.best_peer].median.value), show(row.cells[MOLT].median.value)]
        for row in lost])]


def _median_text(metric: Metric, cell) -> str:
    if not cell:
        return render.NOT_RUN
    median = cell.median
    if median.low is None:
        return metric.show(median.value)
    return f"{metric.show(median.value)} [{metric.show(median.low)}, {metric.show(median.high)}]"


def _image(text: str, path: Path, directory: Path) -> str:
    return f"![{text}]({_link(path, directory)})"


def _link(path: Path, directory: Path) -> str:
    return quote(Path(os.path.relpath(path, directory)).as_posix())


def _folded(title: str, text: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"


def _verbatim(lines) -> str:
    """An indented block: whatever the lines hold, none of it is markup."""
    return "\n".join("    " + " ".join(line.split()) for line in lines)


def _listed(values) -> str:
    return ", ".join(filter(None, dict.fromkeys(values)))


def _span(days: list[str]) -> str:
    if not days:
        return "date unknown"
    return min(days) if min(days) == max(days) else f"{min(days)} to {max(days)}"


def _where(machine: dict[str, str]) -> str:
    """What a figure depends on most."""
    under, thp = machine.get("hypervisor"), machine.get("thp")
    return ", ".join(filter(None, (
        machine.get("cpu"), under and f"hypervisor {under}", thp and f"huge pages {thp}",
        machine.get("distribution"))))


def _first_small(title: str) -> str:
    """For the middle of a line; CPU stays as it is."""
    return title if title[:2].isupper() else title[0].lower() + title[1:]


def _gibibytes(memory: str) -> str:
    """Of "16384000 kB", as the kernel has it."""
    return re.sub(r"(\d+) kB", lambda found: f"{int(found[1]) / 2**20:.1f} GiB", memory)


def _file_name(item: str) -> str:
    return re.sub(r"[^a-z0-9-]", "-", item)
