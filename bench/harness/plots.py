"""Plots of a summary as SVG, by gnuplot: the same runs make the same bytes."""

import math
import subprocess
from dataclasses import dataclass

from .allocators import MOLT
from .estimates import Estimate
from .item import Wrong
from .summary import Row, Summary, Table

# Colours that the colour-blind can tell apart too. An allocator has the same colour and mark in all
# plots and in all sessions; those of PEERS take the spare ones in turn.
STYLES = {
    MOLT: ("#d55e00", 7),
    "glibc": ("#6b6b6b", 9),
    "jemalloc": ("#0072b2", 5),
    "mimalloc": ("#009e73", 13),
    "tcmalloc": ("#cc79a7", 11),
    "tbbmalloc": ("#56b4e9", 15),
}
SPARE_STYLES = [("#a07800", 4), ("#332288", 6), ("#882255", 8), ("#117733", 10), ("#000000", 12)]

FONT = "sans-serif"
FONT_SIZE = 12
LETTER_WIDTH = 7.2  # pixels, about, at that size; gnuplot reckons with as much
WIDTH = 860

# The ratio plot, in pixels.
ROW_HEIGHT = 22
HEAD, FOOT = 98, 54  # title, legend and upper scale; lower scale and its label
LABELS = 150  # left of the scale
SPREAD = 0.62  # of a row's height is taken by the points of its allocators

# Where scales have a tick if there is room for it, the most wanted first.
TICKS = [1, 10, 0.1, 2, 0.5, 5, 0.2, 1.5, 0.7, 3, 0.3, 20, 50, 100, 0.05, 0.02, 0.01, 0.8, 1.2, 0.9,
         1.1, 0.6, 1.3, 4, 7, 1.4, 0.95, 1.05, 0.85, 1.15, 0.4, 0.98, 1.02, 30]
TICK_ROOM = 38  # pixels


@dataclass(frozen=True)
class Scale:
    """A logarithmic axis around 1 that holds all the values."""

    low: float
    high: float
    length: float  # pixels

    def place(self, value: float) -> float:
        """Pixels from the low end."""
        return math.log(value / self.low) / math.log(self.high / self.low) * self.length

    def ticks(self) -> str:
        taken: list[float] = []
        for tick in TICKS:
            room = min((abs(self.place(tick) - self.place(t)) for t in taken), default=math.inf)
            if self.low <= tick <= self.high and room >= TICK_ROOM:
                taken.append(tick)
        return ", ".join(f'"{tick:g}" {tick:g}' for tick in sorted(taken))


def scale_of(values: list[float], length: float, margin: float) -> Scale:
    """`margin` is the part of the length that stays free at either end."""
    low, high = (math.log(edge) for edge in (min(*values, 0.97), max(*values, 1.03)))
    free = (high - low) * margin / (1 - 2 * margin)
    return Scale(math.exp(low - free), math.exp(high + free), length)


def styles_of(summary: Summary) -> dict[str, tuple[str, int]]:
    others = [name for name in summary.allocators if name not in STYLES]
    spare = {name: SPARE_STYLES[i % len(SPARE_STYLES)] for i, name in enumerate(others)}
    return STYLES | spare


# ---- Ratios of all items -------------------------------------------------------------------------


def ratios(summary: Summary, table: Table) -> str:
    """A line an item, and on it a point with its interval for each allocator but the baseline."""
    groups = _grouped(summary, table)
    names = [name for name in summary.allocators if name != summary.baseline]
    lines = sum(1 + len(rows) for _, rows in groups)
    height = HEAD + ROW_HEIGHT * lines + FOOT
    found = [cell.ratio for row in table.rows for cell in row.cells.values() if cell.ratio]
    scale = scale_of([edge for ratio in found for edge in _edges(ratio)],
                     WIDTH - LABELS - 30, 0.02)
    script = [*_terminal(WIDTH, height), *_frame(table, summary.baseline, scale, height, lines)]
    points: dict[str, list[str]] = {name: [] for name in names}
    line = 0
    for group, rows in groups:
        script.append(f"set label {_quoted(title_of(group))} right at graph 0, first {line} "
                      f"offset -1.2, 0 font '{FONT}:Bold,{FONT_SIZE}'")
        script.append(_band(line, "#e3e8ee"))
        for number, row in enumerate(rows):
            line += 1
            if number % 2:
                script.append(_band(line, "#f6f6f6"))
            script.append(f"set ytics add ({_quoted(row.item)} {line})")
            for place, name in enumerate(names):
                cell = row.cells.get(name)
                if cell and cell.ratio:
                    y = line + SPREAD * ((place + 0.5) / len(names) - 0.5)
                    points[name].append(_point(cell.ratio, y))
        line += 1
    return _draw(script + _plot_of_points(points, styles_of(summary)))


def _frame(table: Table, baseline: str, scale: Scale, height: int, lines: int) -> list[str]:
    label = f"ratio to {baseline}: left of 1 is less {_noun(table)}"
    return [
        f"set label {_quoted(table.metric.title)} center at screen 0.5, "
        f"screen {1 - 18 / height:.5f} font '{FONT}:Bold,15'",
        f"set xlabel {_quoted(label)}",
        f"set lmargin at screen {LABELS / WIDTH:.5f}",
        f"set rmargin at screen {1 - 30 / WIDTH:.5f}",
        f"set tmargin at screen {1 - HEAD / height:.5f}",
        f"set bmargin at screen {FOOT / height:.5f}",
        "set logscale x",
        f"set xrange [{scale.low:.6g}:{scale.high:.6g}]",
        f"set yrange [{lines - 0.5}:-0.5]",
        f"set xtics ({scale.ticks()}) scale 0.5",
        f"set x2range [{scale.low:.6g}:{scale.high:.6g}]",
        "set logscale x2",
        f"set x2tics ({scale.ticks()}) scale 0.5",
        "set ytics scale 0 ()",
        "set grid xtics noytics linetype 1 linewidth 1 linecolor '#dddddd'",
        f"set key at screen 0.5, screen {1 - 50 / height:.5f} center center horizontal "
        "Left reverse samplen 0.5",
        "set arrow from 1, graph 0 to 1, graph 1 nohead front linewidth 1.5 linecolor '#333333'",
    ]


def _band(line: int, colour: str) -> str:
    return (f"set object rectangle from graph 0, first {line - 0.5} to graph 1, first {line + 0.5} "
            f"behind fillcolor '{colour}' fillstyle solid noborder")


def _plot_of_points(points: dict[str, list[str]], styles: dict[str, tuple[str, int]]) -> list[str]:
    """The legend in the allocators' order; molt's points last, so that none covers them."""
    script, drawn = [], []
    for number, name in enumerate(points):
        script += [f"$points{number} << END", *points[name], "END"]
    for number, name in reversed(list(enumerate(points))):
        colour, mark = styles[name]
        drawn.append(f"$points{number} using 1:2:3:4 with xerrorbars notitle "
                     f"linecolor '{colour}' linewidth {1.6 if name == MOLT else 1} "
                     f"pointtype {mark} pointsize {_size(name)}")
    for name in points:
        colour, mark = styles[name]
        drawn.append(f"keyentry with points linecolor '{colour}' pointtype {mark} "
                     f"pointsize {_size(name) * 1.4:.2f} title {_quoted(name)}")
    return [*script, "set errorbars 0", "plot " + ", ".join(drawn)]


def _size(name: str) -> float:
    return 0.75 if name == MOLT else 0.45


def _point(ratio: Estimate, y: float) -> str:
    low, high = _edges(ratio)
    return f"{ratio.value:.6g} {y:.4f} {low:.6g} {high:.6g}"


def _edges(estimate: Estimate) -> tuple[float, float]:
    """Of the interval, or the value itself where there is none."""
    if estimate.low is None or estimate.high is None:
        return estimate.value, estimate.value
    return estimate.low, estimate.high


def _grouped(summary: Summary, table: Table) -> list[tuple[str, list[Row]]]:
    groups: dict[str, list[Row]] = {}
    for row in table.rows:
        groups.setdefault(summary.groups[row.item], []).append(row)
    return list(groups.items())


def title_of(group: str) -> str:
    return f"{group.capitalize()}s"


def _noun(table: Table) -> str:
    return "memory" if "rss" in table.metric.name else "time"


# ---- Time against memory -------------------------------------------------------------------------

CORNER_SIZE = 620
CORNER_EDGES = (76, 24, 52, 56)  # left, right, top, bottom

Box = tuple[float, float, float, float]  # left, bottom, right, top; pixels

# How a name is aligned, and how far it stands off its point.
LABEL_SIDES = [("left", 13, 0), ("right", -13, 0), ("left", 11, 14), ("right", -11, -14),
               ("left", 11, -14), ("right", -11, 14), ("center", 0, 18), ("center", 0, -18)]


def corner(summary: Summary, time: Table, memory: Table) -> str:
    """A point an allocator at its geometric means; the corner at the lower left is the best."""
    left, right, top, bottom = CORNER_EDGES
    ones = {summary.baseline: Estimate(1.0)}
    times, sizes = time.means | ones, memory.means | ones
    means = {name: (times[name], sizes[name])
             for name in summary.allocators if name in times and name in sizes}
    x = scale_of([edge for mean, _ in means.values() for edge in _edges(mean)],
                 CORNER_SIZE - left - right, 0.14)
    y = scale_of([edge for _, mean in means.values() for edge in _edges(mean)],
                 CORNER_SIZE - top - bottom, 0.1)
    script = [
        *_terminal(CORNER_SIZE, CORNER_SIZE),
        f"set title {_quoted(f'Geometric means of {time.mean_items} items')} "
        f"font '{FONT}:Bold,15'",
        f"set xlabel {_quoted(f'wall time, ratio to {summary.baseline}')}",
        f"set ylabel {_quoted(f'peak resident set, ratio to {summary.baseline}')} offset -0.5, 0",
        f"set lmargin at screen {left / CORNER_SIZE:.5f}",
        f"set rmargin at screen {1 - right / CORNER_SIZE:.5f}",
        f"set tmargin at screen {1 - top / CORNER_SIZE:.5f}",
        f"set bmargin at screen {bottom / CORNER_SIZE:.5f}",
        "set logscale xy",
        f"set xrange [{x.low:.6g}:{x.high:.6g}]",
        f"set yrange [{y.low:.6g}:{y.high:.6g}]",
        f"set xtics ({x.ticks()}) scale 0.5",
        f"set ytics ({y.ticks()}) scale 0.5",
        "set grid xtics ytics linetype 1 linewidth 1 linecolor '#e4e4e4'",
        "set arrow from 1, graph 0 to 1, graph 1 nohead back linecolor '#333333' dashtype 2",
        "set arrow from graph 0, first 1 to graph 1, first 1 nohead back linecolor '#333333' "
        "dashtype 2",
        "set label 'less time, less memory' at graph 0.02, graph 0.03 left textcolor '#6b6b6b'",
        "set errorbars 0",
        "unset key",
    ]
    return _draw(script + _corner_labels(x, y, means, styles_of(summary))
                 + _corner_points(means, styles_of(summary)))


def _corner_points(means, styles: dict[str, tuple[str, int]]) -> list[str]:
    script, drawn = [], []
    for number, (name, (time, memory)) in enumerate(means.items()):
        colour, mark = styles[name]
        values = [time.value, memory.value, *_edges(time), *_edges(memory)]
        script += [f"$point{number} << END", " ".join(f"{v:.6g}" for v in values), "END"]
        drawn.append(f"$point{number} using 1:2:3:4:5:6 with xyerrorbars linecolor '{colour}' "
                     f"linewidth 1.5 pointtype {mark} pointsize {1.9 if name == MOLT else 1.2}")
    return [*script, "plot " + ", ".join(drawn)]


def _corner_labels(x: Scale, y: Scale, means: dict[str, tuple[Estimate, Estimate]],
                   styles: dict[str, tuple[str, int]]) -> list[str]:
    """A name beside each point: where it covers no point, no other name and no line."""
    places = {name: (x.place(time.value), y.place(memory.value))
              for name, (time, memory) in means.items()}
    covered = [(px - 8, py - 8, px + 8, py + 8) for px, py in places.values()]
    covered += [(x.place(1) - 2, 0, x.place(1) + 2, y.length),
                (0, y.place(1) - 2, x.length, y.place(1) + 2)]
    script = []
    for name, place in places.items():
        box, side = min(_label_boxes(place, len(name) * LETTER_WIDTH * 1.1),
                        key=lambda option: sum(_overlap(option[0], other) for other in covered))
        covered.append(box)
        anchor = {"left": box[0], "center": (box[0] + box[2]) / 2, "right": box[2]}[side]
        weight = ":Bold" if name == MOLT else ""
        script.append(
            f"set label {_quoted(name)} {side} front at graph {anchor / x.length:.5f}, "
            f"graph {(box[1] + box[3]) / 2 / y.length:.5f} textcolor '{styles[name][0]}' "
            f"font '{FONT}{weight},13'")
    return script


def _label_boxes(place: tuple[float, float], width: float) -> list[tuple[Box, str]]:
    """Where a name of that width may stand around a point, the most wanted first."""
    boxes = []
    for side, dx, dy in LABEL_SIDES:
        x, y = place[0] + dx, place[1] + dy
        left = {"left": x, "center": x - width / 2, "right": x - width}[side]
        boxes.append(((left, y - 8, left + width, y + 8), side))
    return boxes


def _overlap(a: Box, b: Box) -> float:
    """The area that two boxes share."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, width) * max(0.0, height)


# ---- Memory over time ----------------------------------------------------------------------------


def series(summary: Summary, item: str) -> str:
    """The resident set over time: a line an allocator, up to its end."""
    styles = styles_of(summary)
    names = [name for name in summary.allocators if (item, name) in summary.series]
    script = [
        *_terminal(WIDTH, 380),
        f"set title {_quoted(item)} font '{FONT}:Bold,15'",
        "set xlabel 'seconds'",
        "set ylabel 'resident set, MiB'",
        "set xrange [0:*]",
        "set yrange [0:*]",
        "set grid linetype 1 linewidth 1 linecolor '#e4e4e4'",
        "set tics scale 0.5",
        "set key outside right top Left reverse samplen 2",
    ]
    drawn = []
    for number, name in enumerate(names):
        points = [f"{ms / 1000:.6g} {size / 2**20:.6g}" for ms, size in summary.series[item, name]]
        script += [f"$series{number} << END", *points, "END"]
    for number, name in reversed(list(enumerate(names))):
        drawn.append(f"$series{number} with lines notitle linecolor '{styles[name][0]}' "
                     f"linewidth {_line_width(name)}")
    for name in names:
        drawn.append(f"keyentry with lines linecolor '{styles[name][0]}' "
                     f"linewidth {_line_width(name)} title {_quoted(name)}")
    return _draw([*script, "plot " + ", ".join(drawn)])


def _line_width(name: str) -> float:
    return 2.8 if name == MOLT else 1.4


# ---- gnuplot -------------------------------------------------------------------------------------


def _terminal(width: int, height: int) -> list[str]:
    """A white ground, since a page may be dark; no markup in texts: names have @ and _."""
    return [f"set terminal svg size {width}, {height} fixed font '{FONT},{FONT_SIZE}' "
            "background 'white' noenhanced",
            "set border linecolor '#888888'",
            "set tics nomirror textcolor '#222222'"]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _draw(script: list[str]) -> str:
    """gnuplot's output, without the user's own settings."""
    try:
        done = subprocess.run(["gnuplot", "-d"], input="\n".join(script) + "\n", text=True,
                              capture_output=True, encoding="utf-8", check=False)
    except FileNotFoundError as error:
        raise Wrong("gnuplot is not installed (Debian package gnuplot-nox)") from error
    if done.returncode or not done.stdout.rstrip().endswith("</svg>"):
        raise Wrong(f"gnuplot failed: {done.stderr.strip()[-300:]}")
    # Without markup gnuplot 5.4 takes the weight for a part of the family's name.
    return done.stdout.replace(f'"{FONT}:Bold"', f'"{FONT}" font-weight="bold"')
