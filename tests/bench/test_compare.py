"""Two files of results, side by side."""

import unittest

from support import runs_of
from harness.compare import compare

SIX = [1.0, 1.01, 1.02, 1.03, 1.04, 1.05]


def scaled(factor: float) -> list[float]:
    return [factor * value for value in SIX]


class Compare(unittest.TestCase):
    def wall_rows(self, text: str) -> dict[str, str]:
        lines = text.split("\n\n")[0].splitlines()
        self.assertEqual(lines[0], "Wall time, molt")
        return {" ".join(line.split()[:1]): " ".join(line.split()) for line in lines[2:]}

    def test_a_ratio_below_one_is_better(self):
        rows = self.wall_rows(compare(runs_of("a", "molt", scaled(2)), runs_of("a", "molt", SIX),
                                      "molt"))
        self.assertRegex(rows["a"], r"^a 2\.050 s 1\.025 s 0\.50 \[0\.\d\d, 0\.\d\d\] 0\.002$")

    def test_a_difference_that_is_not_significant_is_marked(self):
        rows = self.wall_rows(compare(runs_of("a", "molt", SIX), runs_of("a", "molt", SIX), "molt"))
        self.assertRegex(rows["a"], r" 1\.00 \[.*\] ~ 1\.000$")

    def test_too_few_runs_are_said_and_nothing_is_marked(self):
        rows = self.wall_rows(compare(runs_of("a", "molt", SIX[:5]),
                                      runs_of("a", "molt", scaled(9)), "molt"))
        self.assertRegex(rows["a"], r" 9\.\d\d fewer than 6 runs$")

    def test_the_mean_is_of_the_items_of_both(self):
        before = runs_of("a", "molt", SIX) + runs_of("b", "molt", SIX) + runs_of("c", "molt", SIX)
        after = (runs_of("a", "molt", scaled(2)) + runs_of("b", "molt", scaled(8))
                 + runs_of("d", "molt", SIX))
        text = compare(before, after, "molt")
        self.assertRegex(self.wall_rows(text)["geometric"], r"^geometric mean of 2 4\.00 \[")
        self.assertTrue(text.endswith("\n\nOnly in one of the files: c, d"))

    def test_another_allocator_can_be_compared(self):
        before = runs_of("a", "molt", SIX) + runs_of("a", "glibc", SIX)
        after = runs_of("a", "molt", SIX) + runs_of("a", "glibc", scaled(3))
        self.assertIn("Wall time, glibc", compare(before, after, "glibc"))
        self.assertIn(" 3.0", compare(before, after, "glibc"))

    def test_values_of_zero_are_left_out(self):
        text = compare(runs_of("a", "molt", SIX, minor_faults=0.0), runs_of("a", "molt", SIX),
                       "molt")
        self.assertNotIn("Page faults", text)
        self.assertIn("Wall time", text)

    def test_files_without_a_common_item_say_so(self):
        self.assertIn("Only in one of the files: a, b",
                      compare(runs_of("a", "molt", SIX), runs_of("b", "molt", SIX), "molt"))

    def test_an_allocator_that_has_not_run_is_named(self):
        self.assertEqual(compare(runs_of("a", "molt", SIX), runs_of("a", "molt", SIX), "jemalloc"),
                         "The files have no item in common that jemalloc has run.")


if __name__ == "__main__":
    unittest.main()
