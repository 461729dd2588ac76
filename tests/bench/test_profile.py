"""What profiling costs and tells: ratios and verdicts, what heaptrack and molt have written."""

import math
import os
import unittest
from pathlib import Path
from unittest import mock

from support import FakeItem, InTemporaryDirectory, failed_run, figures
from harness import overhead, profiled, profilers, results, sites, stacks
from harness.allocators import BadAllocator
from harness.metrics import CPU, PEAK_RSS
from harness.profilers import DENSE, DHAT, HEAPTRACK, SHORT, SPARSE, TRACE
from harness.stacks import Amount


def run(item: str, allocator: str, round_: int, cpu: float, rss: float = 1e6) -> results.Run:
    return results.Run(item, "program", allocator, round_,
                       figures(user=cpu, system=0.0, peak_rss=rss))


class Ratios(unittest.TestCase):
    def test_only_rounds_that_both_have_count(self):
        told = overhead.Overhead([run("a", "molt", 1, 0.5), run("a", "molt", 3, 2.0),
                                  run("a", TRACE, 3, 3.0), run("a", TRACE, 6, 0.1)])
        self.assertEqual(told.ratio("a", TRACE, CPU), overhead.Ratio(1.5, 1.5))

    def test_the_fastest_and_the_median_of_pairs(self):
        told = overhead.Overhead([
            *(run("a", "molt", n, cpu) for n, cpu in ((1, 1.0), (2, 2.0), (3, 4.0))),
            *(run("a", SPARSE, n, cpu) for n, cpu in ((1, 3.0), (2, 2.0), (3, 2.0)))])
        self.assertEqual(told.ratio("a", SPARSE, CPU), overhead.Ratio(2.0, 1.0))

    def test_the_mean_is_geometric_and_leaves_the_short_item_out(self):
        told = overhead.Overhead([run(item, name, 1, cpu) for item, name, cpu in (
            ("a", "molt", 1.0), ("a", TRACE, 2.0), ("b", "molt", 1.0), ("b", TRACE, 8.0),
            (SHORT, "molt", 1.0), (SHORT, TRACE, 100.0))])
        self.assertAlmostEqual(told.mean(TRACE, CPU).fastest, 4.0)

    def test_who_has_the_short_item_alone_has_its_mean(self):
        told = overhead.Overhead([run(SHORT, "glibc", 1, 1.0), run(SHORT, DHAT, 1, 50.0),
                                  run("a", "glibc", 1, 1.0)])
        self.assertAlmostEqual(told.mean(DHAT, CPU).fastest, 50.0)

    def test_what_has_failed_does_not_count_and_is_told(self):
        told = overhead.Overhead([run("a", "molt", 1, 1.0), run("a", TRACE, 1, 1.0),
                                  failed_run("a", TRACE)])
        self.assertIsNone(told.ratio("a", TRACE, CPU))
        self.assertEqual(told.failures, [f"a under {TRACE}: exit status 1"])


class Verdicts(unittest.TestCase):
    def words(self, *, sparse=1.0, dense=1.0, trace=1.0, heaptrack=3.0, rss=1.0) -> list[str]:
        told = overhead.Overhead([
            run("a", "molt", 1, 1.0), run("a", "glibc", 1, 1.0),
            run("a", SPARSE, 1, sparse, rss * 1e6), run("a", DENSE, 1, dense),
            run("a", TRACE, 1, trace), run("a", HEAPTRACK, 1, heaptrack)])
        return [verdict.word for verdict in overhead.judge(told)]

    def test_each_limit(self):
        self.assertEqual(self.words(), ["met"] * 6)
        for number, changed in enumerate((
                {"sparse": 1.011}, {"rss": 1.011}, {"dense": 1.031},
                {"trace": 2.1, "heaptrack": 9.0},
                {"sparse": 1.009, "heaptrack": 1.08}, {"trace": 1.6, "heaptrack": 2.1})):
            with self.subTest(**changed):
                words = self.words(**changed)
                self.assertEqual([i for i, word in enumerate(words) if word == "UNMET"], [number])

    def test_what_has_not_run_is_not_met(self):
        words = [v.word for v in overhead.judge(overhead.Overhead([run("a", "molt", 1, 1.0)]))]
        self.assertEqual(words, ["not measured"] * 6)

    def test_the_resident_set_is_judged_by_the_median(self):
        told = overhead.Overhead([
            *(run("a", "molt", n, 1.0, 1e6) for n in (1, 2, 3)),
            *(run("a", SPARSE, n, 1.0, rss) for n, rss in ((1, 1e6), (2, 2e6), (3, 2e6)))])
        self.assertEqual(told.ratio("a", SPARSE, PEAK_RSS), overhead.Ratio(1.0, 2.0))
        self.assertEqual(overhead.judge(told)[1].value, 2.0)


class Profilers(InTemporaryDirectory):
    def setUp(self):
        super().setUp()
        # A mock's name is no attribute unless it is set afterwards.
        def allocators(names, peers):
            told = mock.Mock(path=Path("/lib/lib.so"), package="")
            told.name = names[0]
            return [told]
        patch = mock.patch.object(profilers, "find_allocators", allocators)
        patch.start()
        self.addCleanup(patch.stop)

    def test_each_comes_with_what_it_is_measured_against(self):
        found, missing = profilers.find_profilers([TRACE], "", self.directory)
        self.assertEqual(([profiler.name for profiler in found], missing), (["molt", TRACE], {}))

    def test_an_unknown_name(self):
        with self.assertRaisesRegex(BadAllocator, "did you mean heaptrack"):
            profilers.find_profilers(["heaptrak"], "", self.directory)

    def test_what_is_not_installed_is_named_with_its_package(self):
        with mock.patch.object(profilers, "PRELOADED", self.directory / "none"):
            found, missing = profilers.find_profilers([HEAPTRACK], "", self.directory)
        self.assertEqual([profiler.name for profiler in found], ["glibc"])
        self.assertRegex(missing[HEAPTRACK], "Debian package heaptrack")

    def test_it_begins_with_an_empty_directory(self):
        trace = profilers.find_profilers([TRACE], "", self.directory)[0][1]
        for _ in range(2):
            trace.prepare()
            self.assertEqual(list(trace.directory.iterdir()), [])
            (trace.directory / "molt").touch()
        self.assertEqual(trace.environment(), {
            "LD_PRELOAD": "/lib/lib.so", "MOLT": f"trace,prof_out={trace.directory}/molt"})

    def test_who_is_slow_runs_seldom_and_but_one_item(self):
        tell = {profiler.name: profiler
                for profiler in profilers.find_profilers([], "", self.directory)[0]}
        item, short = FakeItem(["true"], name="a"), FakeItem(["true"], name=SHORT)
        rounds = {name: [n for n in range(7) if tell[name].takes_part(item, n)]
                  for name in (SPARSE, TRACE)}
        self.assertEqual(rounds, {SPARSE: [0, 1, 2, 3, 4, 5, 6], TRACE: [0, 3, 6]})
        if DHAT in tell:
            self.assertEqual([n for n in range(7) if tell[DHAT].takes_part(item, n)], [])
            self.assertEqual([n for n in range(7) if tell[DHAT].takes_part(short, n)], [3, 6])
            self.assertEqual(tell[DHAT].command(["true"])[0], "valgrind")
            self.assertNotIn("LD_PRELOAD", tell[DHAT].environment())

    def test_the_items_are_of_one_process_each(self):
        names = [item.name for item in profiled.ITEMS]
        self.assertEqual(len(set(names)), len(names))
        self.assertIn(SHORT, names)
        self.assertFalse({"gcc", "g++", "git", "perl", "ruby"} & set(names))


PROGRAM = os.path.realpath("/usr/bin/true")  # a file that is there, whose addresses begin at 0

RAW = f"""v 10400 3
x d {PROGRAM}
m 1 -
m 1 x 1000 0 100 200 100
m 3 /no/such.so 5000 0 100
t 1010 0
t 5020 1
t 9999 0
+ 10 2 aa
+ 20 2 bb
- aa
- cc
+ 8 3 dd
"""


class Recorded(InTemporaryDirectory):
    def write(self, text: str) -> Path:
        path = self.directory / "recorded"
        path.write_text(text)
        return path

    def test_heaptracks_raw_data(self):
        self.assertEqual(stacks.of_heaptrack(self.write(RAW)), {
            (("/no/such.so", 0x20), (PROGRAM, 0x10)): Amount(2, 0x30, 1, 0x20),
            (("?", 0x9999),): Amount(1, 8, 1, 8)})

    def molt(self, heading: str) -> str:
        return (f"heap profile: 1: 64 [03: 192] @ {heading}\n# pid: 1\n"
                "# requested: 60 [180], temporary: 0, lifetimes:\n"
                "1: 64 [3: 192] @ 0x1210 0x1221\n"
                "\nMAPPED_LIBRARIES:\n"
                f"1000-1200 r--p 00000000 fe:00 1  {PROGRAM}\n"
                f"1200-1300 r-xp 00000200 fe:00 1  {PROGRAM}\n"
                "2000-3000 rw-p 00000000 00:00 0 \n")

    def test_molts_trace(self):
        self.assertEqual(stacks.of_molt(self.write(self.molt("heapprofile"))),
                         {((PROGRAM, 0x210), (PROGRAM, 0x220)): Amount(3, 180, 1, 60)})

    def test_samples_stand_for_more(self):
        amount, = stacks.of_molt(self.write(self.molt("heap_v2/128"))).values()
        self.assertAlmostEqual(amount.bytes, 180 / (1 - math.exp(-0.5)))
        self.assertAlmostEqual(amount.live_calls, 1 / (1 - math.exp(-0.5)))

    def test_folded_stacks_go_to_the_innermost_function_that_is_known(self):
        text = ("main<12>;f (a.c);f(int)::{lambda};g[inline] 3\n"
                "main;f;operator new(unsigned long) 4\n")
        self.assertEqual(sites._of_folded(text, ["f", "g"]), {"g": 3, "f": 4})


class Top(unittest.TestCase):
    TRUTH = {name: Amount(1000, size) for name, size in
             zip("abcdef", (9e6, 8e6, 7e6, 6e6, 5e6, 4.99e6))}

    def is_top(self, names: str, **changed: float) -> bool:
        truth = self.TRUTH | {name: Amount(1000, size) for name, size in changed.items()}
        return sites.is_top({name: Amount(1, 1e6) for name in names}, truth, 65536)

    def test_the_same(self):
        self.assertTrue(self.is_top("abcde"))

    def test_one_that_is_nearly_as_large(self):
        self.assertTrue(self.is_top("abcdf"))

    def test_one_that_is_much_smaller(self):
        self.assertFalse(self.is_top("abcdf", f=1e5))

    def test_one_that_nobody_has_allocated(self):
        self.assertFalse(self.is_top("abcdx"))


if __name__ == "__main__":
    unittest.main()
