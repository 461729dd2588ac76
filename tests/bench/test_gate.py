"""The gate's verdicts, what it measures, and the instructions that it counts."""

import json
import shutil
import unittest
from unittest import mock

from support import (DECLARATIONS, GOOD_LIBRARY, MALLOC, REST, TOUCHES_64_MIB, USES_MALLOC,
                     FakeItem, InTemporaryDirectory, compiled, good_allocator, compile_library)
from harness import counts, gate, workloads
from harness.allocators import Allocator
from harness.item import Wrong

# A malloc that takes about a hundred instructions more.
SLOW = GOOD_LIBRARY.replace("return __libc_malloc(n)",
                            "for (volatile int i = 0; i < 20; i++); return __libc_malloc(n)")


def judge(kind: str, now: dict, recorded: dict) -> list[tuple[bool, str]]:
    empty = {"instructions": {}, "peak_rss": {}}
    return gate.judge(empty | {kind: now}, empty | {kind: recorded})


class Verdicts(unittest.TestCase):
    def test_what_is_recorded_passes(self):
        self.assertEqual(judge("instructions", {"lifo": 50.0}, {"lifo": 50.0}),
                         [(True, "instructions of lifo: 50.0, recorded 50.0, 1.000")])

    def test_instructions_may_grow_by_two_percent(self):
        for now, passes in ((1020.0, True), (1021.0, False)):
            self.assertIs(judge("instructions", {"lifo": now}, {"lifo": 1000.0})[0][0], passes)

    def test_instructions_with_samples_may_vary_more(self):
        for now, passes in ((1060.0, True), (1061.0, False)):
            self.assertIs(judge("instructions", {"ring-64K": now}, {"ring-64K": 1000.0})[0][0], passes)

    def test_memory_may_grow_by_five_percent(self):
        for now, passes in ((1050.0, True), (1051.0, False)):
            self.assertIs(judge("peak_rss", {"tree": now}, {"tree": 1000.0})[0][0], passes)

    def test_what_fails_says_above_which_limit(self):
        self.assertEqual(judge("peak_rss", {"tree": 1100.0}, {"tree": 1000.0})[0][1],
                         "peak_rss of tree: 1,100.0, recorded 1,000.0, 1.100, above 1.05")

    def test_one_figure_that_fails_does_not_hide_the_others(self):
        verdicts = judge("instructions", {"a": 1.0, "b": 9.0, "c": 1.0},
                         {"a": 1.0, "b": 1.0, "c": 1.0})
        self.assertEqual([passes for passes, _ in verdicts], [True, False, True])

    def test_a_figure_that_was_not_measured_fails(self):
        self.assertEqual(judge("instructions", {}, {"lifo": 50.0}),
                         [(False, "instructions of lifo: not measured")])

    def test_a_figure_that_is_not_recorded_fails(self):
        self.assertEqual(judge("peak_rss", {"new": 50.0}, {}),
                         [(False, "peak_rss of new: not recorded")])

    def test_a_whole_kind_that_is_not_recorded_fails(self):
        verdicts = gate.judge({"instructions": {"lifo": 1.0}, "peak_rss": {"tree": 1.0}},
                              {"instructions": {"lifo": 1.0}})
        self.assertEqual([passes for passes, _ in verdicts], [True, False])

    def test_what_is_better_passes_and_is_remarked(self):
        passes, line = judge("instructions", {"lifo": 40.0}, {"lifo": 50.0})[0]
        self.assertTrue(passes)
        self.assertTrue(line.endswith("0.800, better: record it"), line)

    def test_an_item_may_have_a_limit_of_its_own(self):
        for now, expected in ((1090.0, True), (1110.0, False)):
            with self.subTest(now=now):
                self.assertEqual(judge("peak_rss", {"vectors@1": now}, {"vectors@1": 1000.0})[0][0], expected)

    def test_what_is_hardly_better_is_not_remarked(self):
        self.assertNotIn("better", judge("peak_rss", {"tree": 960.0}, {"tree": 1000.0})[0][1])


class Recorded(InTemporaryDirectory):
    def setUp(self):
        super().setUp()
        self.path = self.directory / "baseline.json"
        patch = mock.patch.object(gate, "BASELINE", self.path)
        patch.start()
        self.addCleanup(patch.stop)

    def test_what_is_recorded_is_read_back(self):
        now = {"instructions": {"lifo": 50.25}, "peak_rss": {"tree": 4096}}
        gate.write_baseline(now)
        self.assertEqual(gate.read_baseline(), now)

    def test_without_a_file_it_says_how_to_make_one(self):
        with self.assertRaisesRegex(Wrong, "baseline.json.*No such file.*gate --record"):
            gate.read_baseline()

    def test_a_damaged_file_is_named(self):
        for text in ("", "{", "[]", "3", '{"instructions": 3}', '{"peak_rss": {"tree": "big"}}',
                     '{"peak_rss": {"tree": 0}}', '{"peak_rss": {"tree": NaN}}'):
            with self.subTest(text=text):
                self.path.write_text(text)
                with self.assertRaisesRegex(Wrong, "baseline.json.*gate --record"):
                    gate.read_baseline()


class Measuring(InTemporaryDirectory):
    def measure(self, item, allocator=None) -> dict:
        with (mock.patch.object(gate, "find_allocators",
                                return_value=[allocator or good_allocator("molt")]),
              mock.patch.object(gate, "prepare", return_value=([self.prepared(item)], {})),
              mock.patch.object(counts, "count", return_value=12.3456)):
            return gate.measure([item], lambda text: None)

    def test_it_counts_every_loop_and_measures_every_item(self):
        now = self.measure(FakeItem([compiled(TOUCHES_64_MIB)], name="big"))
        loops = [*counts.LOOPS, *counts.OBJECT_LOOPS, *counts.PROFILE_LOOPS]
        self.assertEqual(now["instructions"], dict.fromkeys(loops, 12.35))
        self.assertEqual(list(now["peak_rss"]), ["big"])
        self.assertGreaterEqual(now["peak_rss"]["big"], 64 << 20)
        json.dumps(now)

    def test_an_item_that_fails_is_an_error(self):
        with self.assertRaisesRegex(Wrong, "fake: .*exit status 3"):
            self.measure(FakeItem(["sh", "-c", "exit 3"]))

    def test_a_library_that_does_not_take_over_is_an_error(self):
        half = Allocator("molt", compile_library(DECLARATIONS + MALLOC + REST))
        with self.assertRaisesRegex(Wrong, "fake: .* has free from"):
            self.measure(FakeItem([compiled(USES_MALLOC)]), half)

    def test_an_item_that_is_skipped_is_an_error(self):
        with (mock.patch.object(gate, "find_allocators", return_value=[good_allocator()]),
              mock.patch.object(gate, "prepare", return_value=([], {"tree": "no such input"})),
              mock.patch.object(counts, "count", return_value=1.0),
              self.assertRaisesRegex(Wrong, "no such input")):
            gate.measure([], lambda text: None)

    def test_its_items_exist(self):
        names = {item.name for item in workloads.WORKLOADS}
        self.assertEqual([name for name in gate.RSS_ITEMS if name not in names], [])


@unittest.skipUnless(shutil.which("valgrind"), "valgrind is not installed")
class Counts(unittest.TestCase):
    def test_counts_are_those_of_the_preloaded_allocator(self):
        fast = counts.count(good_allocator(), "lifo")
        slow = counts.count(Allocator("slow", compile_library(SLOW)), "lifo")
        self.assertGreater(fast, 10)
        self.assertLess(fast, 300)
        self.assertGreater(slow - fast, 50)

    def test_a_loop_may_have_an_option(self):
        variable = GOOD_LIBRARY.replace(
            "return __libc_malloc(n)",
            "for (volatile int i = getenv(\"MOLT\") ? 20 : 0; i > 0; i--); return __libc_malloc(n)")
        library = Allocator("slow", compile_library("char *getenv(const char *);\n" + variable))
        with mock.patch.dict(counts.PROFILE_LOOPS, {"option": ("lifo", "trace", counts.MANY)}):
            self.assertGreater(counts.count(library, "option") - counts.count(library, "lifo"), 50)

    def test_counts_repeat(self):
        first, second = (counts.count(good_allocator(), "lifo") for _ in range(2))
        self.assertAlmostEqual(first, second, delta=0.1)

    def test_a_library_that_does_not_take_over_is_not_counted(self):
        half = Allocator("half", compile_library(DECLARATIONS + MALLOC + REST))
        with self.assertRaisesRegex(Wrong, "lifo under half: .* has free from"):
            counts.count(half, "lifo")

    def test_a_library_that_crashes_is_not_counted(self):
        broken = compile_library(GOOD_LIBRARY.replace("{ __libc_free(p); }", "{ __builtin_trap(); }"))
        with self.assertRaisesRegex(Wrong, "lifo under broken"):
            counts.count(Allocator("broken", broken), "lifo")


if __name__ == "__main__":
    unittest.main()
