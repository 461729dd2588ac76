"""Reports of made-up runs whose figures are known."""

import itertools
import os
import re
from dataclasses import replace
from pathlib import Path
from unittest import mock

import support
from harness import plots, report, results
from harness.estimates import Estimate
from harness.item import Wrong
from harness.results import BadResults, Run

README = "above\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nbelow\n"
MACHINE = {"cpu": "Z80 | 4 MHz", "cores": "1", "memory": "2097152 kB", "kernel": "6.1",
           "hypervisor": "KVM", "thp": "madvise", "glibc": "2.36", "distribution": "Debian 12"}
WALLS = {"molt": 0.5, "glibc": 2.0, "jemalloc": 1.0}
SERIES = Run("fast@1", "workload", "molt", 0, support.figures(), series=[(0, 1), (9, 2**20)])


def runs_of(item: str, group: str, walls: dict[str, float], count: int, **figures) -> list[Run]:
    """Nearly equal runs: their order is known, and their ratios to two digits."""
    return [Run(item, group, name, number + 1,
                support.figures(wall * (1 + number / 10000), **figures), command=f"work {item}",
                version=f"{name}-1", digest="0123456789ab", machine=MACHINE, load=number / 4,
                time=f"2025-11-2{number % 2}T10:00:00Z")
            for number in range(count) for name, wall in walls.items()]


def three_items(count: int = 6) -> list[Run]:
    """molt is the best in one, the worst in another, and in the third just like jemalloc."""
    return [*runs_of("fast@1", "workload", WALLS, count),
            *runs_of("slow_2", "workload", {"molt": 4.0, "glibc": 2.0, "jemalloc": 1.0}, count),
            *runs_of("same", "program", {"molt": 1.0, "glibc": 2.0, "jemalloc": 1.0}, count)]


class ReportCase(support.InTemporaryDirectory):
    def write(self, runs: list[Run], readme: Path | None = None) -> str:
        """The report's text; `self.written` are the files."""
        path = self.directory / "made.jsonl"
        path.unlink(missing_ok=True)
        writer = results.Writer(path)
        for run in runs:
            writer.add(run)
        writer.close()
        self.written = report.write(path, readme)
        return (self.directory / "made.md").read_text(encoding="utf-8")

    def readme(self, text: str = README) -> Path:
        path = self.directory / "README.md"
        path.write_text(text, encoding="utf-8")
        return path

    def section(self, text: str, heading: str) -> str:
        """From the heading to the next of its level."""
        level = heading.partition(" ")[0]
        return re.split(f"^{level} ", text.partition(heading + "\n")[2], flags=re.M)[0]


class Markdown(ReportCase):
    def test_head_tells_the_circumstances(self):
        text = self.write(three_items())
        self.assertIn("# Allocators compared, 2025-11-20 to 2025-11-21\n", text)
        for line in ("| CPU | Z80 \\| 4 MHz |", "| memory | 2.0 GiB |", "| rounds | 6 |",
                     "| hypervisor | KVM |", "| transparent huge pages | madvise |", "| items | 3 |",
                     "| load average when a run began | 0.00 to 1.25 |",
                     "| jemalloc | jemalloc-1 | 0123456789ab |"):
            self.assertIn(line + "\n", text)

    def test_head_tells_of_two_machines_and_of_two_builds(self):
        first, *others = three_items()
        text = self.write([*others, replace(first, machine=MACHINE | {"kernel": "6.2"},
                                            digest="another")])
        self.assertIn("| kernel | 6.1, 6.2 |\n", text)
        self.assertIn("| molt | molt-1 | 0123456789ab |\n| molt | molt-1 | another |\n", text)

    def test_overview_has_the_geometric_means(self):
        overview = self.section(self.write(three_items()), "## Overview")
        self.assertRegex(overview, r"Wall time: workloads \| 2 \| 1.41 \| 2.00 \| 1.00 \| 1.41 \[")
        self.assertRegex(overview, r"Wall time: programs \| 1 \| 1.00 \| 2.00 \| 1.00 \| 1.00 \[")
        self.assertRegex(overview, r"Wall time: all \| 3 \| 1.26 \| 2.00 \| 1.00 \| 1.26 \[")
        self.assertRegex(overview, r"Peak resident set: all \| 3 \| 1.00 \| 1.00 \| 1.00 \| 1.00 ")
        self.assertNotIn("Left out", overview)

    def test_means_leave_out_what_not_all_have_run(self):
        runs = [run for run in three_items()
                if (run.item, run.allocator) != ("slow_2", "glibc")]
        overview = self.section(self.write(runs), "## Overview")
        self.assertRegex(overview, r"Wall time: all \| 2 \| 0.71 \| 2.00 \| 1.00 ")
        self.assertIn("Left out: slow_2.", overview)

    def test_who_failed_everything_has_no_mean_and_takes_none_from_others(self):
        failed = [support.failed_run(item, "tcmalloc") for item in ("fast@1", "slow_2", "same")]
        overview = self.section(self.write([*failed, *three_items()]), "## Overview")
        self.assertIn("| | items | molt | glibc | jemalloc | tcmalloc |".replace("| |", "|  |"),
                      overview)
        self.assertIn("| Wall time: all | 3 | 1.26 | 2.00 | 1.00 | failed | ", overview)
        corner = (self.directory / "made-corner.svg").read_text(encoding="utf-8")
        self.assertIn("glibc", corner)
        self.assertNotIn("tcmalloc", corner)

    def test_losses_stand_with_their_intervals(self):
        losses = self.section(self.write(three_items()), "## Where molt loses")
        wall = self.section(losses, "### Wall time")
        self.assertIn("better 1, worse 1, no significant difference 1.", wall)
        self.assertIn("| slow_2 | 4.00 [4.00, 4.00] | jemalloc | 1.000 s | 4.001 s |", wall)
        self.assertNotIn("fast@1", wall)

    def test_losses_begin_with_the_worst(self):
        runs = [*runs_of("mild", "workload", {"molt": 2.0, "jemalloc": 1.0}, 6),
                *runs_of("bad", "workload", {"molt": 9.0, "jemalloc": 1.0}, 6)]
        wall = self.section(self.write(runs), "### Wall time")
        self.assertLess(wall.index("| bad |"), wall.index("| mild |"))

    def test_tables_have_ratios_and_the_medians_folded(self):
        table = self.section(self.write(three_items()), "### Workloads: wall time")
        self.assertIn("| fast@1 | 1.000 s | 0.50 | 2.00 | jemalloc | 0.50 [0.50, 0.50] |", table)
        self.assertIn("<details><summary>Medians with their intervals</summary>", table)
        self.assertIn("| fast@1 | 0.500 s [0.500 s, 0.500 s] | 2.000 s [2.000 s, 2.001 s] |", table)

    def test_latencies_and_memory_over_live_where_an_item_has_them(self):
        runs = [*runs_of("lat", "workload", WALLS, 6, p50=20.0, start_rss=2e6, peak_live=8e6,
                         peak_rss=18e6), *three_items()]
        text = self.write(runs)
        self.assertIn("| lat | 20 ns |", self.section(text, "### Workloads: latency, p50"))
        self.assertNotIn("fast@1", self.section(text, "### Workloads: latency, p50"))
        over = self.section(text, "### Workloads: peak resident set over peak live bytes")
        self.assertIn("| lat | 2.00 |", over)
        self.assertNotIn("Programs: latency", text)

    def test_failures_and_refusals_stand_as_they_are(self):
        refused = Run("same", "program", "glibc", 0, time="2025-11-20T00:00:00Z",
                      failure="x has malloc from <b>|`libc`,\nnot from y")
        text = self.write([refused, *three_items()])
        self.assertIn("    FAILED: same under glibc: x has malloc from <b>|`libc`, not from y\n",
                      self.section(text, "## Failures"))
        self.assertIn("| same | 1.000 s | 1.00 ~ | failed |", text)
        self.assertLess(text.index("## Workloads"), text.index("## Programs"))

    def test_no_failure_is_said_too(self):
        self.assertIn("None", self.section(self.write(three_items()), "## Failures"))

    def test_few_rounds_call_nothing_significant(self):
        text = self.write(three_items(5), self.readme())
        sentence = "Fewer than 6 rounds: no difference is called significant."
        self.assertEqual(text.count(sentence), 2)
        self.assertIn(sentence, (self.directory / "README.md").read_text(encoding="utf-8"))
        self.assertNotIn("worse", self.section(text, "## Where molt loses").lower())
        self.assertNotIn(" [", self.section(text, "### Workloads: wall time"))

    def test_rounds_that_an_interruption_cost_are_told(self):
        runs = [run for run in three_items(7) if run.item != "same" or run.round < 7]
        self.assertIn("| rounds | 7, fewer of same |\n", self.write(runs))

    def test_commands_are_told(self):
        self.assertIn("    fast@1: work fast@1\n", self.write(three_items()))

    def test_molt_alone_makes_a_report_without_comparison(self):
        text = self.write(runs_of("fast", "workload", {"molt": 1.0}, 6))
        self.assertIn("No means", text)
        self.assertIn("No peer has run.", text)
        self.assertEqual([path.name for path in self.written], ["made.md"])

    def test_nothing_but_failures_makes_a_report(self):
        text = self.write([support.failed_run("a", "molt"), support.failed_run("a", "glibc")])
        self.assertIn("FAILED: a under glibc: exit status 1", text)


class Files(ReportCase):
    def test_same_results_make_the_same_bytes(self):
        runs = [*three_items(), SERIES]
        self.write(runs, self.readme())
        before = {path: path.read_bytes() for path in self.written}
        self.write(runs, self.directory / "README.md")
        self.assertEqual(before, {path: path.read_bytes() for path in self.written})

    def test_what_is_written_is_returned(self):
        text = self.write([*three_items(), SERIES], self.readme())
        self.assertEqual({path.name for path in self.written},
                         {path.name for path in self.directory.iterdir()} - {"made.jsonl"})
        self.assertEqual({path.name for path in self.written},
                         {"made.md", "README.md", "made-time.svg", "made-rss.svg",
                          "made-corner.svg", "made-series-fast-1.svg"})
        for path in self.written:
            if path.suffix == ".svg":
                self.assertIn(f"]({path.name})", text)

    def test_bad_files_are_bad_results(self):
        good = '{"item":"a","group":"workload","allocator":"molt","round":0,"failure":"x"}\n'
        for content in ("", "\n", good + good[:20], "[1]\n", '{"item":"a"}\n'):
            with self.subTest(content=content), self.assertRaises(BadResults):
                path = self.directory / "bad.jsonl"
                path.write_text(content, encoding="utf-8")
                report.write(path, None)
        with self.assertRaises(BadResults):
            report.write(self.directory / "none.jsonl", None)

    def test_without_gnuplot_nothing_is_written(self):
        with mock.patch.dict(os.environ, PATH=str(self.directory)):
            with self.assertRaisesRegex(Wrong, "gnuplot-nox"):
                self.write(three_items())
        self.assertEqual([path.name for path in self.directory.iterdir()], ["made.jsonl"])


class Readme(ReportCase):
    def test_only_what_is_between_the_markers_changes(self):
        readme = self.readme(README.replace("\n", "\r\n"))
        self.write(three_items(), readme)
        text = readme.read_bytes().decode()
        self.assertTrue(text.startswith("above\r\n<!-- bench:begin -->\r\n"))
        self.assertTrue(text.endswith("<!-- bench:end -->\r\nbelow\r\n"))
        self.assertNotIn("old", text)

    def test_published_table_is_short(self):
        readme = self.readme()
        runs = three_items()
        for number in range(9):
            walls = {"molt": 2.0 + number, "jemalloc": 1.0}
            runs += runs_of(f"item{number}", "trace", walls, 6)
        self.write(runs, readme)
        text = readme.read_text(encoding="utf-8")
        self.assertLessEqual(len(text.splitlines()), 30)
        self.assertIn("worse 10, no significant difference 1. Worse: item8 10.00 (jemalloc)", text)
        self.assertIn("item4 6.00 (jemalloc), and 5 more.", text)

    def test_links_are_relative_to_the_readme(self):
        (self.directory / "a b").mkdir()
        readme = self.directory / "a b" / "README.md"
        readme.write_text(README, encoding="utf-8")
        self.write(three_items(), readme)
        text = readme.read_text(encoding="utf-8")
        self.assertIn("](../made-corner.svg)", text)
        self.assertIn("](../made.md)", text)

    def test_links_are_quoted(self):
        self.assertEqual(report._link(Path("/x/a b/made.md"), Path("/x")), "a%20b/made.md")

    def test_missing_or_doubled_markers_are_wrong_and_nothing_is_written(self):
        begin, end = report.BEGIN + "\n", report.END + "\n"
        for text in ("", begin, end, end + begin, begin + begin + end, begin + end + end,
                     f"text {begin}{end}"):
            with self.subTest(text=text), self.assertRaisesRegex(Wrong, "bench:begin"):
                self.write(three_items(), self.readme(text))
            self.assertFalse((self.directory / "made.md").exists())
            self.assertEqual((self.directory / "README.md").read_text(encoding="utf-8"), text)


class Plots(ReportCase):
    def setUp(self):
        super().setUp()
        self.scripts: list[str] = []  # what gnuplot was given
        run = plots.subprocess.run

        def noted(*arguments, **options):
            self.scripts.append(options["input"])
            return run(*arguments, **options)

        patch = mock.patch.object(plots.subprocess, "run", noted)
        patch.start()
        self.addCleanup(patch.stop)

    def svg(self, ending: str) -> str:
        return (self.directory / f"made{ending}.svg").read_text(encoding="utf-8")

    def test_names_stand_as_they_are(self):
        runs = runs_of("it's_a@{^2}", "workload", WALLS | {"p_'2'@x": 1.5}, 6)
        self.write(runs)
        self.assertIn("it's_a@{^2}", re.sub("&#39;|&apos;", "'", self.svg("-time")))
        self.assertIn("p_'2'@x", re.sub("&#39;|&apos;", "'", self.svg("-corner")))

    def test_colours_belong_to_names_and_the_ground_is_white(self):
        self.write(three_items())
        colours = {ending: set(re.findall(r"rgb\([\d,]+\)", self.svg(ending).replace(" ", "")))
                   for ending in ("-time", "-corner")}
        for found in colours.values():
            self.assertIn("rgb(213,94,0)", found)  # molt
            self.assertIn("rgb(107,107,107)", found)  # glibc
        self.assertIn('fill="#ffffff"', self.svg("-time"))

    def test_scale_holds_its_values_and_one(self):
        for values in ([0.5, 2.0], [1.0], [3.0, 4.0], [0.001, 900.0]):
            scale = plots.scale_of(values, 600, 0.05)
            for value in [*values, 1.0]:
                self.assertTrue(0 <= scale.place(value) <= 600, (values, value))
            self.assertIn('"1" 1', scale.ticks())

    def test_ticks_keep_their_distance(self):
        scale = plots.scale_of([0.3, 3.0], 600, 0.02)
        places = [scale.place(float(tick.split('"')[1])) for tick in scale.ticks().split(", ")]
        self.assertGreater(len(places), 5)
        self.assertGreaterEqual(min(b - a for a, b in zip(places, places[1:])), plots.TICK_ROOM)

    def test_names_in_the_corner_keep_off_each_other(self):
        scale = plots.scale_of([0.5, 2.0], 500, 0.1)
        means = {name: (Estimate(1.0 + i / 100), Estimate(0.9)) for i, name in enumerate("abc")}
        labels = plots._corner_labels(scale, scale, means, dict.fromkeys(means, ("#000000", 1)))
        found = [re.search(r"at graph ([\d.]+), graph ([\d.]+)", label) for label in labels]
        spots = [(500 * float(match[1]), 500 * float(match[2])) for match in found]
        for (x, y), (u, v) in itertools.combinations(spots, 2):
            self.assertTrue(abs(x - u) >= 7 or abs(y - v) >= 14, spots)

    def test_points_lie_at_their_ratios_and_molt_covers_the_others(self):
        self.write(three_items())
        drawn = self.scripts[0].splitlines()
        self.assertTrue(any(line.startswith("0.5 ") for line in drawn))
        self.assertTrue(any(line.startswith("2 ") for line in drawn))
        plot = drawn[-1]
        self.assertLess(plot.index("$points1 using"), plot.index("$points0 using"))
        self.assertIn("title 'molt', keyentry", plot)

    def test_series_are_in_seconds_and_mebibytes(self):
        other = replace(SERIES, allocator="glibc", series=[(0, 1), (1500, 3 * 2**20)])
        self.write([*three_items(), SERIES, other])
        self.assertIn("1.5 3\n", self.scripts[-1])
        self.assertIn("0.009 1\n", self.scripts[-1])
        self.assertEqual(self.scripts[-1].count(" title '"), 3)  # the plot's, and two lines'

    def test_gnuplot_errors_are_wrong(self):
        with self.assertRaisesRegex(Wrong, "gnuplot failed"):
            plots._draw(["set nonsense"])
