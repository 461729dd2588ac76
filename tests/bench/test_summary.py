"""Summaries of small sessions whose figures can be checked by hand."""

import contextlib
import io
import unittest

from support import failed_run, figures, runs_of
from harness import render
from harness.estimates import Estimate
from harness.main import print_summary
from harness.metrics import CPU, FAULTS, PEAK_OVER_LIVE, PEAK_RSS, WALL
from harness.results import Run
from harness.summary import Summary

SIX = [1.0, 1.01, 1.02, 1.03, 1.04, 1.05]


def scaled(factor: float) -> list[float]:
    return [factor * value for value in SIX]


def session(**walls: dict[str, list[float]]) -> list[Run]:
    """Runs of allocators: session(molt={"item": [1.0, 2.0]}, ...)."""
    return [run for name, items in walls.items() for item, values in items.items()
            for run in runs_of(item, name, values)]


class Cells(unittest.TestCase):
    def setUp(self):
        self.summary = Summary(session(jemalloc={"a": [2.0, 4.0, 3.0]}, molt={"a": [1.5, 1.2, 1.8]},
                                       glibc={"a": [6.0, 5.0, 7.0]}))
        self.row = self.summary.table(WALL).rows[0]

    def test_a_cell_has_the_median_and_the_fastest(self):
        cell = self.row.cells["jemalloc"]
        self.assertEqual(cell.median, Estimate(3.0))
        self.assertEqual((cell.fastest, cell.runs), (2.0, 3))

    def test_a_cell_has_the_ratio_to_the_baseline(self):
        self.assertAlmostEqual(self.row.cells["molt"].ratio.value, 0.5)
        self.assertAlmostEqual(self.row.cells["glibc"].ratio.value, 2.0)
        self.assertIsNone(self.row.cells["jemalloc"].ratio)

    def test_the_best_peer_has_the_lowest_median_molt_apart(self):
        self.assertEqual(self.row.best_peer, "jemalloc")
        self.assertAlmostEqual(self.row.against_best.value, 0.5)

    def test_three_runs_are_not_significant(self):
        self.assertFalse(self.row.is_significant)
        self.assertFalse(any(cell.is_significant for cell in self.row.cells.values()))

    def test_molt_comes_first(self):
        self.assertEqual(self.summary.allocators[0], "molt")

    def test_warm_ups_and_series_do_not_count(self):
        other = Run("a", "workload", "molt", 0, figures(99.0), series=[(0.0, 1)])
        summary = Summary(runs_of("a", "molt", [1.0]) + [other])
        self.assertEqual(summary.sample("a", "molt", WALL), [1.0])
        self.assertEqual(summary.series, {("a", "molt"): [(0.0, 1)]})

    def test_derived_metrics(self):
        runs = runs_of("a", "molt", [1.0], user=2.0, system=3.0, peak_rss=50e6,
                       start_rss=10e6, peak_live=20e6)
        self.assertEqual(Summary(runs).sample("a", "molt", CPU), [5.0])
        self.assertEqual(Summary(runs).sample("a", "molt", PEAK_OVER_LIVE), [2.0])

    def test_an_item_without_the_metric_has_no_row(self):
        self.assertEqual(self.summary.table(PEAK_OVER_LIVE).rows, [])

    def test_zero_values_have_no_ratio_and_do_no_harm(self):
        summary = Summary(runs_of("a", "molt", SIX, minor_faults=0.0)
                          + runs_of("a", "jemalloc", SIX, minor_faults=5.0)
                          + runs_of("b", "molt", SIX, minor_faults=5.0)
                          + runs_of("b", "jemalloc", SIX, minor_faults=0.0))
        table = summary.table(FAULTS)
        self.assertIsNone(table.rows[0].cells["molt"].ratio)
        self.assertIsNone(table.rows[1].cells["molt"].ratio)
        self.assertEqual((table.mean_items, table.means), (0, {}))
        self.assertEqual(render.rows_of(summary, table)[1][:3], ["a", "5", "-"])


class Significance(unittest.TestCase):
    def row(self, molt: list[float], jemalloc: list[float]):
        return Summary(session(molt={"a": molt}, jemalloc={"a": jemalloc})).table(WALL).rows[0]

    def text(self, molt: list[float], jemalloc: list[float]) -> list[str]:
        """The row with a second peer, which is three times as slow."""
        summary = Summary(session(molt={"a": molt}, jemalloc={"a": jemalloc},
                                  glibc={"a": scaled(3)}))
        heading, row, *_ = render.rows_of(summary, summary.table(WALL))
        return [cell for name, cell in zip(heading, row) if name != "glibc"]

    def test_six_runs_apart_are_significant(self):
        row = self.row(scaled(0.5), SIX)
        self.assertTrue(row.is_significant)
        self.assertTrue(row.cells["molt"].is_significant)
        self.assertNotIn("~", "".join(self.text(scaled(0.5), SIX)))

    def test_a_difference_that_is_not_significant_is_marked(self):
        row = self.text(scaled(1.001), SIX)
        self.assertEqual(row[2], "1.00 ~")
        self.assertRegex(row[4], r"^1\.00 \[.*\] ~$")

    def test_too_few_runs_are_neither_significant_nor_marked_as_the_same(self):
        for molt, jemalloc in ((SIX[:5], SIX), (SIX, SIX[:5]), (scaled(9)[:5], SIX),
                               (scaled(9), SIX[:5])):
            self.assertFalse(self.row(molt, jemalloc).is_significant)
            self.assertNotIn("~", "".join(self.text(molt, jemalloc)))
            self.assertNotIn("[", "".join(self.text(molt, jemalloc)))

    def test_what_molt_loses_is_said(self):
        summary = Summary(session(
            molt={"won": scaled(0.5), "lost": scaled(2), "even": scaled(1.001)},
            jemalloc={"won": SIX, "lost": SIX, "even": SIX},
            glibc={"won": scaled(3), "lost": scaled(3), "even": scaled(3)}))
        self.assertEqual(render.notes_of(summary, summary.table(WALL)), [
            "Against the best peer of each: better 1, worse 1, no significant difference 1.",
            "Worse: lost 2.00 (jemalloc)."])

    def test_below_six_rounds_nothing_is_called_better_or_worse(self):
        summary = Summary(session(molt={"a": scaled(2)[:5]}, jemalloc={"a": SIX[:5]}))
        self.assertEqual(render.notes_of(summary, summary.table(WALL)), [])


class OnePeer(unittest.TestCase):
    """Who is best among the peers is no question then."""

    def setUp(self):
        self.summary = Summary(session(molt={"a": scaled(0.5), "b": scaled(2), "c": scaled(0.5)},
                                       glibc={"a": SIX, "b": SIX, "c": SIX}))

    def test_there_is_no_column_of_the_best_peer(self):
        heading, *rows = render.rows_of(self.summary, self.summary.table(WALL))
        self.assertEqual(heading, ["", "glibc", "molt"])
        self.assertEqual({len(row) for row in rows}, {3})

    def test_molts_column_has_the_intervals(self):
        _, first, *_, mean = render.rows_of(self.summary, self.summary.table(WALL))
        self.assertRegex(first[2], r"^0\.50 \[0\.4\d, 0\.5\d\]$")
        self.assertRegex(mean[2], r"^0\.79 \[0\.\d\d, 0\.\d\d\]$")

    def test_the_peer_is_named(self):
        self.assertEqual(render.notes_of(self.summary, self.summary.table(WALL)), [
            "Against glibc: better 2, worse 1, no significant difference 0.",
            "Worse: b 2.00 (glibc)."])

    def test_a_second_peer_that_failed_everything_does_not_count(self):
        summary = Summary(session(molt={"a": SIX}, glibc={"a": SIX}) + [failed_run("a", "broken")])
        self.assertEqual(render.rows_of(summary, summary.table(WALL))[0],
                         ["", "glibc", "molt", "broken"])


class Printed(unittest.TestCase):
    def test_there_are_tables_of_wall_time_cpu_time_and_memory(self):
        summary = Summary(session(molt={"a": SIX, "b": SIX}, glibc={"a": SIX, "b": SIX}))
        with contextlib.redirect_stdout(io.StringIO()) as text:
            print_summary(summary, {"c": "no such program"})
        for metric in (WALL, CPU, PEAK_RSS):
            self.assertEqual(text.getvalue().count(f"\n{metric.title}: glibc's median"), 1)
        self.assertTrue(text.getvalue().endswith("skipped: c: no such program\n"))


class Conclusion(unittest.TestCase):
    def test_it_is_one_sentence_on_time_cpu_and_memory(self):
        summary = Summary(session(molt={"a": scaled(0.5), "b": scaled(1.5), "c": scaled(0.9)},
                                  glibc={"a": SIX, "b": SIX, "c": SIX}))
        self.assertEqual(
            render.conclusion_of(summary),
            "In 3 items molt took, beside glibc, 0.88 of its wall time (less in 2), 1.00 of its CPU "
            "time (less in 0) and 1.00 of its peak resident set (less in 0); geometric means.")

    def test_an_item_that_molt_failed_is_not_in_it(self):
        summary = Summary(session(molt={"a": scaled(0.5)}, glibc={"a": SIX, "b": SIX})
                          + [failed_run("b", "molt")])
        self.assertTrue(render.conclusion_of(summary).startswith(
            "In 1 item molt took, beside glibc, 0.50 of its wall time (less in 1), "))

    def test_there_is_none_without_both(self):
        for runs in (session(molt={"a": SIX}), session(glibc={"a": SIX}), []):
            self.assertEqual(render.conclusion_of(Summary(runs)), "")


class Means(unittest.TestCase):
    def test_the_mean_is_of_the_items_that_all_have_run(self):
        summary = Summary(session(jemalloc={"a": SIX, "b": SIX, "c": SIX},
                                  molt={"a": scaled(2), "b": scaled(0.5), "c": scaled(100)},
                                  glibc={"a": scaled(3), "b": scaled(3)}))
        table = summary.table(WALL)
        self.assertEqual(table.mean_items, 2)
        self.assertAlmostEqual(table.means["molt"].value, 1)
        self.assertAlmostEqual(table.means["glibc"].value, 3)
        self.assertAlmostEqual(table.best_mean.value, 1)

    def test_an_item_that_one_allocator_failed_is_left_out_for_all(self):
        runs = session(jemalloc={"a": SIX, "b": SIX}, molt={"a": scaled(2), "b": scaled(50)},
                       glibc={"a": SIX, "b": SIX[:3]})
        summary = Summary(runs + [failed_run("b", "glibc")])
        table = summary.table(WALL)
        self.assertEqual(table.mean_items, 1)
        self.assertAlmostEqual(table.means["molt"].value, 2)

    def test_a_mean_of_one_item_is_not_shown(self):
        summary = Summary(session(jemalloc={"a": SIX}, molt={"a": scaled(2)}))
        self.assertEqual(render.rows_of(summary, summary.table(WALL))[-1][0], "a")

    def test_an_allocator_that_failed_everything_does_not_take_the_means_from_the_others(self):
        runs = session(jemalloc={"a": SIX, "b": SIX}, molt={"a": scaled(2), "b": scaled(2)})
        summary = Summary(runs + [failed_run("a", "broken"), failed_run("b", "broken")])
        table = summary.table(WALL)
        self.assertEqual(table.mean_items, 2)
        self.assertAlmostEqual(table.means["molt"].value, 2)
        self.assertNotIn("broken", table.means)
        heading, *_, last = render.rows_of(summary, table)
        self.assertEqual(last[heading.index("broken")], render.FAILED)

    def test_the_mean_against_the_best_peer_takes_the_best_of_each_item(self):
        summary = Summary(session(jemalloc={"a": SIX, "b": scaled(4)},
                                  glibc={"a": scaled(4), "b": SIX},
                                  molt={"a": scaled(2), "b": scaled(2)}))
        table = summary.table(WALL)
        self.assertEqual([row.best_peer for row in table.rows], ["jemalloc", "glibc"])
        self.assertAlmostEqual(table.best_mean.value, 2)

    def test_the_mean_does_not_depend_on_the_order_of_the_items(self):
        items = {"a": scaled(2), "b": scaled(3), "c": scaled(0.7)}
        orders = [items, dict(reversed(items.items()))]
        means = [Summary(session(jemalloc=dict.fromkeys(order, SIX), molt=order))
                 .table(WALL).means["molt"] for order in orders]
        self.assertEqual(*means)


class Failures(unittest.TestCase):
    def setUp(self):
        runs = session(jemalloc={"a": scaled(2)}, molt={"a": scaled(3)}, glibc={"a": [0.01] * 6})
        self.summary = Summary(runs + [failed_run("a", "glibc", "another answer")])
        self.table = self.summary.table(WALL)

    def test_who_failed_does_not_win_however_fast(self):
        self.assertNotIn("glibc", self.table.rows[0].cells)
        self.assertEqual(self.table.rows[0].best_peer, "jemalloc")

    def test_who_failed_is_named_with_the_reason(self):
        self.assertEqual(render.failures_of(self.summary), ["a under glibc: another answer"])

    def test_the_cell_of_who_failed_says_so(self):
        heading, row, *_ = render.rows_of(self.summary, self.table)
        self.assertEqual(row[heading.index("glibc")], render.FAILED)

    def test_molt_that_failed_is_compared_with_nothing(self):
        summary = Summary(session(jemalloc={"a": SIX}, molt={"a": scaled(0.1)})
                          + [failed_run("a", "molt")])
        table = summary.table(WALL)
        self.assertIsNone(table.rows[0].against_best)
        self.assertEqual(render.rows_of(summary, table)[1][2], render.FAILED)

    def test_the_baseline_that_failed_leaves_the_others_without_ratios(self):
        summary = Summary(session(jemalloc={"b": SIX}, molt={"a": SIX, "b": SIX})
                          + [failed_run("a", "jemalloc")])
        rows = {row[0]: row for row in render.rows_of(summary, summary.table(WALL))}
        self.assertEqual(rows["a"][1:3], [render.FAILED, render.NOT_RUN])

    def test_a_session_in_which_all_failed_can_be_shown(self):
        summary = Summary([failed_run("a", "molt"), failed_run("a", "jemalloc")])
        self.assertEqual(summary.table(WALL).rows, [])
        self.assertEqual(summary.rounds(), 0)
        self.assertEqual(len(render.failures_of(summary)), 2)

    def test_no_runs_at_all_can_be_shown(self):
        summary = Summary([])
        self.assertEqual(render.rows_of(summary, summary.table(WALL)), [["", "molt"]])


class Baseline(unittest.TestCase):
    def test_it_is_jemalloc(self):
        self.assertEqual(Summary(session(glibc={"a": SIX}, jemalloc={"a": SIX})).baseline,
                         "jemalloc")

    def test_without_jemalloc_it_is_the_first_peer(self):
        summary = Summary(session(molt={"a": SIX}, glibc={"a": scaled(2)}, other={"a": SIX}))
        self.assertEqual(summary.baseline, "glibc")
        self.assertAlmostEqual(summary.table(WALL).means["molt"].value, 0.5)

    def test_without_a_jemalloc_that_works_it_is_the_first_peer(self):
        runs = session(molt={"a": SIX}, glibc={"a": scaled(2)})
        self.assertEqual(Summary(runs + [failed_run("a", "jemalloc")]).baseline, "glibc")

    def test_molt_alone_is_compared_with_nothing(self):
        summary = Summary(session(molt={"a": SIX}))
        table = summary.table(PEAK_RSS)
        self.assertEqual(summary.baseline, "molt")
        self.assertEqual((table.means, table.best_mean), ({}, None))
        self.assertEqual(len(render.rows_of(summary, table)), 2)


class Text(unittest.TestCase):
    def test_columns_are_aligned(self):
        self.assertEqual(render.text([["", "one"], ["a name", "2"]]), "        one\na name    2")

    def test_markdown_has_a_rule_below_the_heading(self):
        self.assertEqual(render.markdown([["", "one"], ["a", "2"]]),
                         "|  | one |\n| --- | ---: |\n| a | 2 |")


if __name__ == "__main__":
    unittest.main()
