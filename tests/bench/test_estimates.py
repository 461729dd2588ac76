"""Estimates against tables, textbook examples, brute force and simulation."""

import itertools
import math
import random
import unittest
from unittest import mock

import support  # noqa: F401
from harness import estimates
from harness.estimates import (Estimate, geometric_mean, is_significant, mann_whitney,
                               median_estimate, ratio_estimate)


def samples_with_u(n: int, m: int, u: int) -> tuple[list[float], list[float]]:
    """Samples without ties in which u of the n*m pairs have the first value above the second."""
    below = [min(m, max(0, u - i * m)) for i in range(n)]
    return [count + 0.5 + i / 1000 for i, count in enumerate(below)], [j + 1.0 for j in range(m)]


def brute_force(a: list[float], b: list[float]) -> float:
    """The share of all ways to choose len(a) of the values whose U is as extreme."""
    both = a + b

    def distance(chosen) -> float:
        first = [both[i] for i in chosen]
        second = [both[i] for i in range(len(both)) if i not in chosen]
        u = sum((x > y) + (x == y) / 2 for x in first for y in second)
        return abs(u - len(first) * len(second) / 2)

    observed = distance(range(len(a)))
    every = [distance(set(c)) for c in itertools.combinations(range(len(both)), len(a))]
    return sum(d >= observed for d in every) / len(every)


class MannWhitney(unittest.TestCase):
    # Two-sided, 5 %; from the usual printed tables.
    CRITICAL = {(6, 6): 5, (6, 7): 6, (6, 8): 8, (7, 7): 8, (8, 8): 13, (9, 9): 17, (10, 6): 11,
                (10, 10): 23, (12, 8): 22, (15, 15): 64, (20, 20): 127}

    def test_the_critical_values_are_those_of_the_tables(self):
        for (n, m), critical in self.CRITICAL.items():
            with self.subTest(n=n, m=m):
                self.assertLess(mann_whitney(*samples_with_u(n, m, critical)), 0.05)
                self.assertGreaterEqual(mann_whitney(*samples_with_u(n, m, critical + 1)), 0.05)

    def test_it_agrees_with_the_example_of_scipys_manual(self):
        self.assertAlmostEqual(mann_whitney([19, 22, 16, 29, 24], [20, 11, 17, 12]), 1 / 9, 12)

    def test_it_agrees_with_the_example_of_rs_manual(self):
        x = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
        y = [1.15, 0.88, 0.90, 0.74, 1.21]
        self.assertAlmostEqual(mann_whitney(x, y), 2 * 0.1272, 3)

    def test_samples_apart_have_the_smallest_p(self):
        self.assertAlmostEqual(mann_whitney([1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]), 2 / 924)

    def test_ties_are_exact(self):
        chance = random.Random(1)
        for _ in range(30):
            a = [chance.randrange(4) for _ in range(4)]
            b = [chance.randrange(4) for _ in range(5)]
            with self.subTest(a=a, b=b):
                self.assertAlmostEqual(mann_whitney(a, b), brute_force(a, b), 12)

    def test_all_equal_is_no_difference(self):
        self.assertEqual(mann_whitney([3.0] * 10, [3.0] * 10), 1.0)
        self.assertEqual(mann_whitney([3.0] * 40, [3.0] * 40), 1.0)

    def test_it_is_the_same_from_either_side(self):
        for n, m in ((6, 9), (40, 35)):
            a, b = samples_with_u(n, m, n * m // 5)
            self.assertAlmostEqual(mann_whitney(a, b), mann_whitney(b, a), 12)

    def test_neither_order_nor_scale_matters(self):
        chance = random.Random(2)
        a = [chance.random() for _ in range(10)]
        b = [chance.random() + 0.3 for _ in range(10)]
        expected = mann_whitney(a, b)
        self.assertEqual(mann_whitney(sorted(a), sorted(b, reverse=True)), expected)
        self.assertEqual(mann_whitney([x * 1e9 for x in a], [x * 1e9 for x in b]), expected)

    def test_the_normal_approximation_is_close_where_it_takes_over(self):
        half = estimates.EXACT_LIMIT // 2
        spread = [samples_with_u(half, half, u) for u in range(200, half * half // 2, 20)]
        tied = [([round(x / 3) for x in a], [round(x / 3) for x in b]) for a, b in spread]
        for a, b in spread + tied:
            exact = mann_whitney(a, b)
            with mock.patch.object(estimates, "EXACT_LIMIT", 0):
                self.assertAlmostEqual(mann_whitney(a, b), exact, delta=0.004)

    def test_equal_distributions_are_seldom_called_different(self):
        chance = random.Random(3)
        alarms = sum(is_significant([chance.random() for _ in range(8)],
                                    [chance.random() for _ in range(8)]) for _ in range(2000))
        self.assertGreater(alarms, 0.03 * 2000)
        self.assertLess(alarms, 0.06 * 2000)


class TooFewRuns(unittest.TestCase):
    A, B = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5], [1e6, 1.1e6, 1.2e6, 1.3e6, 1.4e6, 1.5e6]

    def test_six_runs_on_either_side_can_be_significant(self):
        self.assertTrue(is_significant(self.A, self.B))

    def test_fewer_than_six_runs_are_never_significant(self):
        for count in range(1, 6):
            many = [value + i for i in range(5) for value in self.B]
            self.assertFalse(is_significant(self.A[:count], many))
            self.assertFalse(is_significant(many, self.A[:count]))

    def test_fewer_than_six_runs_have_no_intervals(self):
        for count in range(1, 6):
            for estimate in (median_estimate(self.A[:count]),
                             ratio_estimate(self.A[:count], self.B),
                             ratio_estimate(self.B, self.A[:count])):
                self.assertIsNone(estimate.low)
                self.assertIsNone(estimate.high)


class Medians(unittest.TestCase):
    def test_the_intervals_are_between_the_known_ranks(self):
        # From tables of the binomial distribution.
        for count, (low, high) in {6: (1, 6), 8: (1, 8), 9: (2, 8), 10: (2, 9), 12: (3, 10),
                                   15: (4, 12), 20: (6, 15), 30: (10, 21)}.items():
            with self.subTest(count=count):
                estimate = median_estimate([float(rank) for rank in range(count, 0, -1)])
                self.assertEqual(estimate, Estimate((count + 1) / 2, low, high))

    def test_the_intervals_cover_the_median_often_enough(self):
        for count, most in ((6, 0.98), (10, 0.99), (20, 0.97)):
            chance = random.Random(count)
            covered = 0
            for _ in range(4000):
                estimate = median_estimate([chance.lognormvariate(0, 1) for _ in range(count)])
                covered += estimate.low <= 1 <= estimate.high
            with self.subTest(count=count):
                self.assertGreaterEqual(covered / 4000, 0.95)
                self.assertLessEqual(covered / 4000, most)


class Ratios(unittest.TestCase):
    def test_the_ratio_is_the_median_of_all_pairs(self):
        self.assertAlmostEqual(ratio_estimate([2, 4], [1, 2]).value, 2)  # 1, 2, 2, 4

    def test_a_constant_factor_is_found(self):
        b = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5]
        self.assertAlmostEqual(ratio_estimate([1.25 * x for x in b], b).value, 1.25)

    def test_the_interval_excludes_one_exactly_if_the_test_is_significant(self):
        for n, m in ((6, 6), (6, 10), (8, 12), (10, 10), (20, 20), (31, 30), (50, 40)):
            for u in range(n * m + 1):
                a, b = samples_with_u(n, m, u)
                estimate = ratio_estimate(a, b)
                self.assertEqual(not estimate.low <= 1 <= estimate.high, is_significant(a, b),
                                 (n, m, u))

    def test_the_other_way_round_is_the_inverse(self):
        a, b = samples_with_u(10, 8, 20)
        there, back = ratio_estimate(a, b), ratio_estimate(b, a)
        self.assertAlmostEqual(there.low, 1 / back.high, 12)
        self.assertAlmostEqual(there.high, 1 / back.low, 12)

    def test_neither_order_nor_unit_matters(self):
        a, b = samples_with_u(10, 10, 30)
        expected = ratio_estimate(a, b)
        self.assertEqual(ratio_estimate(a[::-1], b[::-1]), expected)
        scaled = ratio_estimate([1024 * x for x in a], [1024 * x for x in b])
        self.assertEqual(scaled, expected)

    def test_the_intervals_cover_the_factor_often_enough(self):
        chance = random.Random(4)
        covered = 0
        for _ in range(2000):
            a = [1.3 * chance.lognormvariate(0, 0.2) for _ in range(8)]
            b = [chance.lognormvariate(0, 0.2) for _ in range(8)]
            estimate = ratio_estimate(a, b)
            covered += estimate.low <= 1.3 <= estimate.high
        self.assertGreaterEqual(covered / 2000, 0.95)
        self.assertLessEqual(covered / 2000, 0.98)


class GeometricMeans(unittest.TestCase):
    def test_known_values(self):
        mean = geometric_mean([Estimate(2.0), Estimate(0.5), Estimate(8.0)])
        self.assertAlmostEqual(mean.value, 2)
        self.assertIsNone(mean.low)

    def test_a_gain_and_its_inverse_cancel_out(self):
        self.assertAlmostEqual(geometric_mean([Estimate(1.25), Estimate(0.8)]).value, 1)

    def test_order_does_not_matter(self):
        ratios = [Estimate(x, 0.9 * x, 1.1 * x) for x in (0.3, 1.7, 0.9, 1.1, 12.0)]
        for order in itertools.permutations(ratios):
            self.assertEqual(geometric_mean(list(order)), geometric_mean(ratios))

    def test_a_common_factor_is_the_means_factor(self):
        ratios = [Estimate(x, 0.9 * x, 1.1 * x) for x in (0.5, 1.5, 2.5)]
        tripled = [Estimate(3 * r.value, 3 * r.low, 3 * r.high) for r in ratios]
        one, three = geometric_mean(ratios), geometric_mean(tripled)
        for field in ("value", "low", "high"):
            self.assertAlmostEqual(getattr(three, field), 3 * getattr(one, field), 12)

    def test_the_interval_of_one_ratio_stays_as_wide(self):
        mean = geometric_mean([Estimate(1.0, 0.8, 1.25)])
        self.assertAlmostEqual(mean.low, 0.8)
        self.assertAlmostEqual(mean.high, 1.25)

    def test_the_interval_narrows_with_the_root_of_the_count(self):
        mean = geometric_mean([Estimate(1.0, 0.8, 1.25)] * 4)
        self.assertAlmostEqual(math.log(mean.high), math.log(1.25) / 2)

    def test_one_ratio_without_an_interval_leaves_the_mean_without(self):
        self.assertIsNone(geometric_mean([Estimate(1.0, 0.8, 1.25), Estimate(1.0)]).low)


if __name__ == "__main__":
    unittest.main()
