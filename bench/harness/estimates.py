"""Estimates from a few noisy runs: medians, ratios, and how far to trust them.

Nothing here assumes a distribution. With fewer than MIN_RUNS runs on a side no interval of 95 %
exists, so none is given and nothing is called significant.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import median

MIN_RUNS = 6
ALPHA = 0.05
EXACT_LIMIT = 60  # runs in both samples together; above that the normal approximation is as good


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval; `low` and `high` are None with too few runs."""

    value: float
    low: float | None = None
    high: float | None = None


def median_estimate(sample: list[float]) -> Estimate:
    """The median, and the interval between the order statistics that covers it with 95 %."""
    ordered = sorted(sample)
    count = len(ordered)
    if count < MIN_RUNS:
        return Estimate(median(ordered))
    below = 0  # runs left out at either end
    tail = 1.0 / 2**count  # P(the median lies below the (below+1)th smallest)
    while True:
        tail_next = tail + math.comb(count, below + 1) / 2**count
        if 2 * tail_next > ALPHA:
            break
        below, tail = below + 1, tail_next
    return Estimate(median(ordered), ordered[below], ordered[count - 1 - below])


def mann_whitney(a: list[float], b: list[float]) -> float:
    """The two-sided p of the Mann-Whitney U test, exact also with ties up to EXACT_LIMIT runs."""
    doubled = _doubled_midranks(a + b)
    observed = sum(doubled[: len(a)])
    expected = len(a) * sum(doubled) / len(doubled)
    distance = abs(observed - expected)
    if len(doubled) > EXACT_LIMIT:
        return _normal_p(doubled, len(a), distance)
    ways = _ways_of_sums(tuple(sorted(doubled)), len(a))
    extreme = sum(n for total, n in ways.items() if abs(total - expected) >= distance - 1e-9)
    return min(1.0, extreme / math.comb(len(doubled), len(a)))


def ratio_estimate(a: list[float], b: list[float]) -> Estimate:
    """How much larger a is than b: the median of all pairwise ratios (Hodges-Lehmann on
    logarithms), with the interval that the Mann-Whitney test gives (Moses)."""
    ratios = sorted(x / y for x in a for y in b)
    if not is_enough(a, b):
        return Estimate(median(ratios))
    cut = _moses_cut(len(a), len(b))
    return Estimate(median(ratios), ratios[cut], ratios[len(ratios) - 1 - cut])


def is_enough(a: list[float], b: list[float]) -> bool:
    return len(a) >= MIN_RUNS and len(b) >= MIN_RUNS


def is_significant(a: list[float], b: list[float]) -> bool:
    """Whether the samples differ: never with fewer than MIN_RUNS runs on either side."""
    return is_enough(a, b) and mann_whitney(a, b) < ALPHA


def geometric_mean(ratios: list[Estimate]) -> Estimate:
    """The mean of independent ratios. Its interval takes each ratio's logarithm as normal with the
    width of its interval; it says nothing about other programs than these."""
    count = len(ratios)
    mean = math.fsum(math.log(r.value) for r in ratios) / count
    if any(r.low is None for r in ratios):
        return Estimate(math.exp(mean))
    half = math.sqrt(math.fsum((math.log(r.high / r.low) / 2) ** 2 for r in ratios)) / count
    return Estimate(math.exp(mean), math.exp(mean - half), math.exp(mean + half))


def _doubled_midranks(sample: list[float]) -> list[int]:
    """Twice the rank of each value, counted from 1; equal values share their mean rank."""
    first: dict[float, int] = {}
    last: dict[float, int] = {}
    for rank, value in enumerate(sorted(sample), 1):
        first.setdefault(value, rank)
        last[value] = rank
    return [first[value] + last[value] for value in sample]


@lru_cache(maxsize=256)
def _ways_of_sums(ranks: tuple[int, ...], size: int) -> dict[int, int]:
    """For each sum, how many subsets of `size` ranks have it."""
    ways: list[dict[int, int]] = [{0: 1}] + [{} for _ in range(size)]
    for rank in ranks:
        for taken in range(size, 0, -1):
            bigger = ways[taken]
            for total, n in ways[taken - 1].items():
                bigger[total + rank] = bigger.get(total + rank, 0) + n
    return ways[size]


def _normal_p(doubled: list[int], size: int, distance: float) -> float:
    count = len(doubled)
    mean = sum(doubled) / count
    variance = sum((rank - mean) ** 2 for rank in doubled) / (count - 1)
    spread = math.sqrt(variance * size * (count - size) / count)
    if spread == 0:
        return 1.0
    return math.erfc(max(0.0, distance - 1) / spread / math.sqrt(2))


@lru_cache(maxsize=64)
def _moses_cut(n: int, m: int) -> int:
    """How many of the n*m sorted ratios lie outside the interval at either end."""
    if n + m > EXACT_LIMIT:
        spread = math.sqrt(n * m * (n + m + 1) / 12)
        return max(0, math.floor((n * m - 1) / 2 - 1.959964 * spread))
    ways = _ways_of_sums(tuple(range(1, n + m + 1)), n)
    smallest = n * (n + 1) // 2
    total = math.comb(n + m, n)
    tail, cut = 0, 0
    while 2 * (tail + ways[smallest + cut]) / total <= ALPHA:
        tail += ways[smallest + cut]
        cut += 1
    return max(0, cut - 1)
