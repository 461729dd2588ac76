"""Files of results: what is written is read back, and a damaged file says where."""

import json
import unittest
from unittest import mock

from support import InTemporaryDirectory, failed_run, figures, runs_of
from harness import results
from harness.results import BadResults, Run, Writer, read


class Results(InTemporaryDirectory):
    def setUp(self):
        super().setUp()
        self.path = self.directory / "results.jsonl"

    def write(self, runs: list[Run]) -> None:
        writer = Writer(self.path)
        for run in runs:
            writer.add(run)
        writer.close()

    def assert_bad(self, text: str | bytes, reason: str) -> None:
        self.path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with self.assertRaisesRegex(BadResults, reason):
            read(self.path)

    def line(self, **changes) -> str:
        """A line of results with some keys changed, or left out if None."""
        line = {"item": "a", "group": "trace", "allocator": "molt", "round": 1,
                "figures": figures()} | changes
        return json.dumps({key: value for key, value in line.items() if value is not None}) + "\n"

    def test_what_is_written_is_read_back(self):
        full = Run("a", "program", "molt", 3, figures(0.5, p99=7.0), command="gs -q",
                   version="1.0-2", digest="0123456789ab", time="2026-01-02T03:04:05Z", load=0.25,
                   machine={"cpu": "x", "cores": "2"})
        runs = [full, *runs_of("b", "jemalloc", [1.0, 2.0]), failed_run("c", "tcmalloc")]
        self.write(runs)
        self.assertEqual(read(self.path), runs)

    def test_a_resident_set_over_time_is_read_back(self):
        run = Run("a", "program", "molt", 0, figures(), series=[(0.0, 4096), (5.0, 8192)])
        self.write([run])
        self.assertEqual([tuple(point) for point in read(self.path)[0].series], run.series)

    def test_a_run_is_in_the_file_at_once(self):
        writer = Writer(self.path)
        self.addCleanup(writer.close)
        for run in runs_of("a", "molt", [1.0, 2.0]):
            writer.add(run)
            self.assertEqual(read(self.path)[-1], run)

    def test_a_line_a_run(self):
        self.write(runs_of("a\nb", "molt", [1.0, 2.0, 3.0]))
        self.assertEqual(self.path.read_text(encoding="utf-8").count("\n"), 3)

    def test_an_existing_file_is_not_overwritten(self):
        self.path.write_text("precious")
        with self.assertRaises(FileExistsError):
            Writer(self.path)
        self.assertEqual(self.path.read_text(), "precious")

    def test_missing_directories_are_made(self):
        Writer(self.directory / "new/er/results.jsonl").close()
        self.assertTrue((self.directory / "new/er/results.jsonl").exists())

    def test_a_damaged_line_is_told_by_its_number(self):
        where = f"{self.path}:3: not a line of results"
        self.assert_bad(self.line() * 2 + self.line()[:40] + "\n" + self.line(), where)

    def test_a_line_cut_off_at_the_end_is_told_by_its_number(self):
        self.assert_bad(self.line() + self.line()[:-20], ":2: not a line")

    def test_lines_that_are_no_runs_are_bad(self):
        for line in ("[1, 2]", "3", "null", '"text"', "", "{}", '{"unknown": 1}'):
            with self.subTest(line=line):
                self.assert_bad(self.line() + line + "\n", ":2: not a line")

    def test_missing_keys_are_bad(self):
        for key in ("item", "group", "allocator", "round"):
            self.assert_bad(self.line(**{key: None}), f":1: .*{key}")

    def test_values_of_the_wrong_type_are_bad(self):
        for changes in ({"round": "1"}, {"figures": [1]}, {"item": 5}, {"allocator": ["molt"]},
                        {"failure": 1}, {"figures": figures() | {"wall": "fast"}},
                        {"figures": figures() | {"wall": None}},
                        {"figures": figures() | {"wall": float("nan")}}):
            with self.subTest(changes=changes):
                self.assert_bad(self.line(**changes), ":1: not a line")

    def test_a_missing_figure_is_bad(self):
        for name in results.BASIC:
            incomplete = {key: value for key, value in figures().items() if key != name}
            self.assert_bad(self.line(figures=incomplete), f":1: .*{name} is missing")

    def test_a_run_that_failed_needs_no_figures(self):
        self.path.write_text(self.line(figures=None, failure="exit status 1"))
        self.assertEqual(read(self.path)[0].failure, "exit status 1")

    def test_an_empty_file_is_bad(self):
        self.assert_bad("", f"{self.path}: no results")

    def test_a_file_that_is_no_text_is_bad(self):
        self.assert_bad(b"\xff\xfe\x00", str(self.path))

    def test_a_file_that_is_not_there_is_bad(self):
        with self.assertRaisesRegex(BadResults, "No such file"):
            read(self.path)


class Machine(unittest.TestCase):
    def test_the_machine_is_described_in_words(self):
        machine = results.machine()
        self.assertEqual(set(machine), {"cpu", "cores", "memory", "kernel", "hypervisor",
                                        "thp", "glibc", "distribution"})
        self.assertTrue(all(isinstance(value, str) for value in machine.values()))
        self.assertGreater(int(machine["cores"]), 0)
        self.assertRegex(machine["memory"], r"^\d+ kB$")

    def test_a_machine_that_tells_nothing_is_no_error(self):
        results.machine.cache_clear()
        self.addCleanup(results.machine.cache_clear)
        platform = results.platform
        with (mock.patch("builtins.open", side_effect=OSError),
              mock.patch.object(results.Path, "read_text", side_effect=OSError),
              mock.patch.object(platform, "freedesktop_os_release", side_effect=OSError),
              mock.patch.object(platform, "libc_ver", return_value=("", ""))):
            self.assertEqual(results.machine()["thp"], "")
            self.assertEqual(results.machine()["hypervisor"], "unknown")

    def hypervisor(self, flags: str, clocks: str = "", vendor: str = "") -> str:
        """What is said where the kernel tells this."""
        told = {"available_clocksource": clocks, "sys_vendor": vendor}
        with (mock.patch.object(results, "_first_line_value", return_value=flags),
              mock.patch.object(results, "_text", lambda path: told[path.rpartition("/")[2]])):
            return results._hypervisor()

    def test_the_hypervisor_is_named_if_it_is_known(self):
        self.assertEqual(self.hypervisor("fpu hypervisor", "tsc kvm-clock", "QEMU"), "KVM, QEMU")
        self.assertEqual(self.hypervisor("fpu hypervisor", "tsc", "VMware, Inc."), "VMware, Inc.")
        self.assertEqual(self.hypervisor("fpu hypervisor", "tsc"), "unknown")
        self.assertEqual(self.hypervisor("fpu sse", "tsc hpet", "Dell Inc."), "none")
        self.assertEqual(self.hypervisor("", "arch_sys_counter"), "unknown")  # of ARM


if __name__ == "__main__":
    unittest.main()
