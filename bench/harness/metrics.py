"""What is compared: figures of a run, and how they are written. Lower is better in all."""

from collections.abc import Callable
from dataclasses import dataclass

Figures = dict[str, float]

MIN_LIVE = 4 * 2**20  # with fewer live bytes a process's own pages would drown the ratio


@dataclass(frozen=True)
class Metric:
    name: str
    title: str
    value: Callable[[Figures], float | None]  # None: this run has no such figure
    show: Callable[[float], str]  # with unit


def show_seconds(value: float) -> str:
    return f"{value:.3f} s" if value < 10 else f"{value:.1f} s"


def show_bytes(value: float) -> str:
    return f"{value / 2**20:.1f} MiB"


def show_nanoseconds(value: float) -> str:
    if value < 1e3:
        return f"{value:.0f} ns"
    return f"{value / 1e3:.1f} us" if value < 1e6 else f"{value / 1e6:.2f} ms"


def show_count(value: float) -> str:
    return f"{value:,.0f}"


def show_factor(value: float) -> str:
    return f"{value:.2f}"


def _figure(name: str) -> Callable[[Figures], float | None]:
    return lambda figures: figures.get(name)


def _cpu(figures: Figures) -> float:
    return figures["user"] + figures["system"]


def _over_live(resident: str, live: str) -> Callable[[Figures], float | None]:
    """Resident memory that the work has added, over the bytes that it asked for."""

    def value(figures: Figures) -> float | None:
        if figures.get(live, 0) < MIN_LIVE or resident not in figures or "start_rss" not in figures:
            return None
        return (figures[resident] - figures["start_rss"]) / figures[live]

    return value


WALL = Metric("wall", "Wall time", _figure("wall"), show_seconds)
CPU = Metric("cpu", "CPU time, user and system", _cpu, show_seconds)
PEAK_RSS = Metric("peak_rss", "Peak resident set", _figure("peak_rss"), show_bytes)
FAULTS = Metric("faults", "Page faults", _figure("minor_faults"), show_count)
PEAK_OVER_LIVE = Metric("peak_over_live", "Peak resident set over peak live bytes",
                        _over_live("peak_rss", "peak_live"), show_factor)
END_OVER_LIVE = Metric("end_over_live", "Resident set at the end over live bytes",
                       _over_live("end_rss", "live"), show_factor)
LATENCIES = [Metric(name, f"Latency, {name}", _figure(name), show_nanoseconds)
             for name in ("p50", "p99", "p99.9", "max")]

METRICS = [WALL, CPU, PEAK_RSS, PEAK_OVER_LIVE, END_OVER_LIVE, FAULTS, *LATENCIES]
