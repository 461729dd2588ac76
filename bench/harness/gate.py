"""The gate: fails when molt takes more instructions or more memory than what is recorded.

Counts and resident sets, never time: they hardly vary on a noisy machine. Transparent huge pages
are off, since whether the kernel finds one is chance."""

import json
import tempfile
from pathlib import Path

from . import counts
from .allocators import MOLT, find_allocators
from .item import ROOT, Item, Wrong
from .session import Session, prepare

BASELINE = ROOT / "bench/baseline.json"
INSTRUCTIONS_LIMIT = 1.02
# How many samples a loop has is chance, which moves its instructions by 1 %.
INSTRUCTIONS_LIMITS = dict.fromkeys(counts.PROFILE_LOOPS, 1.06)
PEAK_RSS_LIMIT = 1.05
# Where looks at the clock fall moves this peak by 8 % between runs of one build, and by 6 % between
# machines.
PEAK_RSS_LIMITS = {"vectors@1": 1.10}
# The least of some runs counts, since looks at the clock come at other places each time.
RSS_RUNS = 9

# One thread, and the same sequence of calls in every run.
RSS_ITEMS = ("aging@1", "growing@1", "lognormal@1", "vectors@1", "tree@1", "large@1")


def measure(items: list[Item], say) -> dict[str, dict[str, float]]:
    """The present figures: {"instructions": {loop: n}, "peak_rss": {item: bytes}}."""
    molt = find_allocators([MOLT], "")[0]
    instructions = {}
    for loop in (*counts.LOOPS, *counts.OBJECT_LOOPS, *counts.PROFILE_LOOPS):
        say(f"counting {loop}")
        instructions[loop] = round(counts.count(molt, loop), 2)
    ready, skipped = prepare(items, say)
    if skipped:
        raise Wrong(f"the gate needs all its items: {skipped}")
    peaks = {}
    with tempfile.TemporaryDirectory(prefix="molt-gate-") as scratch:
        session = Session(Path(scratch), no_thp=True)
        for prepared in ready:
            say(f"measuring {prepared.item.name}")
            first = session.warm_up(prepared, molt)
            runs = [session.measure(prepared, molt, i + 1) for i in range(RSS_RUNS)]
            failures = [run.failure for run in [first, *runs] if run.failure]
            if failures:
                raise Wrong(f"{prepared.item.name}: {failures[0]}")
            peaks[prepared.item.name] = min(run.figures["peak_rss"] for run in runs)
    return {"instructions": instructions, "peak_rss": peaks}


def judge(now: dict, recorded: dict) -> list[tuple[bool, str]]:
    """One verdict a figure: whether it passes, and a line on it."""
    verdicts = []
    limits = {"instructions": (INSTRUCTIONS_LIMIT, INSTRUCTIONS_LIMITS),
              "peak_rss": (PEAK_RSS_LIMIT, PEAK_RSS_LIMITS)}
    for kind, (limit, limits_of) in limits.items():
        for name in {**recorded.get(kind, {}), **now[kind]}:
            verdicts.append(_verdict(kind, name, now[kind].get(name),
                                     recorded.get(kind, {}).get(name), limits_of.get(name, limit)))
    return verdicts


def _verdict(kind: str, name: str, value, recorded, limit: float) -> tuple[bool, str]:
    if recorded is None or value is None:
        return False, f"{kind} of {name}: {'not recorded' if recorded is None else 'not measured'}"
    ratio = value / recorded
    passes = ratio <= limit
    remark = "" if passes else f", above {limit:.2f}"
    if ratio < 2 - limit:
        remark = ", better: record it"
    return passes, f"{kind} of {name}: {value:,.1f}, recorded {recorded:,.1f}, {ratio:.3f}{remark}"


def read_baseline() -> dict:
    try:
        recorded = json.loads(BASELINE.read_text(encoding="utf-8"))
        if not all(value > 0 for figures in recorded.values() for value in figures.values()):
            raise ValueError("a figure is not above zero")
        return recorded
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise Wrong(f"{BASELINE}: {error} (bench/run gate --record writes it)") from error


def write_baseline(now: dict) -> None:
    BASELINE.write_text(json.dumps(now, indent=2) + "\n", encoding="utf-8")
