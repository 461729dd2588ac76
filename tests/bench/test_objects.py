"""bench/run objects: a little of everything runs, and what is made of its figures."""

import subprocess
import sys
import unittest
from pathlib import Path
from unittest import mock

from support import ROOT, InTemporaryDirectory, compiled, figures, patience
from harness import disassembly, objects, results, targets
from harness.allocators import find_allocators
from harness.item import Wrong
from harness.progress import Progress
from harness.results import Run, Writer
from harness.targets import Figures, Target

SAYS = 'int main(void) { __builtin_puts("{\\"figure\\": \\"x, ns\\", \\"value\\": 1.5}"); }'
FAILS = "int main(void) { return 3; }"


def run_of(subject: str, peer: str, round_: int = 1, **own: float) -> Run:
    return Run(subject, objects.GROUP, peer, round_, figures() | own)


class Quick(InTemporaryDirectory):
    def bench(self, *words) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, ROOT / "bench/run", "objects", *map(str, words)],
                              capture_output=True, text=True, timeout=patience(300))

    def test_a_little_of_everything(self):
        """Every target finds its figure, so no program and no name in the targets rots."""
        output = self.directory / "quick.jsonl"
        done = self.bench("--quick", "-o", output)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertNotIn("FAILED", done.stdout)
        self.assertNotIn("not measured", done.stdout)
        subjects = objects.subjects(True, objects.SIZES)
        run = {(run.item, run.allocator) for run in results.read(output)}
        self.assertEqual([subject.name for subject in subjects
                          if (subject.name, "molt") not in run], [])
        wanted = targets.judge(Figures(results.read(output)), targets.targets([1, 10]))
        self.assertEqual(len(wanted), len(targets.targets([1, 10])))

        again = self.bench("--from", output)
        self.assertEqual(again.returncode, 0, again.stderr)
        table = again.stdout.partition("\nThe work of each")[0]
        self.assertIn(table, done.stdout)

    def test_an_unknown_name_ends_it(self):
        for words in (("--only", "tre"), ("--peer", "bohem")):
            done = self.bench("--quick", *words)
            self.assertEqual(done.returncode, 2)
            self.assertIn("did you mean", done.stderr)


class Sessions(InTemporaryDirectory):
    """With programs of the test's own."""

    def setUp(self):
        super().setUp()
        patch = mock.patch.object(objects, "PROGRAMS", self.directory)
        patch.start()
        self.addCleanup(patch.stop)

    def program(self, name: str, source: str) -> None:
        (self.directory / name).symlink_to(compiled(source))

    def subject(self, *peers: str) -> objects.Subject:
        return objects.Subject("fake", "a fake", "fake", peers, (1,))

    def run_objects(self, subject: objects.Subject, rounds: int) -> list[Run]:
        plan, self.skipped = objects.plan([subject], [])
        writer = Writer(self.directory / "out.jsonl")
        self.addCleanup(writer.close)
        session = objects.Objects(plan, find_allocators(["molt"], "")[0], writer, Progress())
        with mock.patch.object(Progress, "stage"):
            session.run(rounds)
        return session.runs

    def test_figures_of_programs_are_figures_of_runs(self):
        self.program("fake-boehm", SAYS)
        runs = self.run_objects(self.subject("boehm"), 2)
        self.assertEqual([run.figures["x, ns"] for run in runs], [1.5, 1.5])
        self.assertEqual(results.read(self.directory / "out.jsonl"), runs)

    def test_a_peer_that_is_not_installed_is_skipped(self):
        self.program("fake-molt", SAYS)
        runs = self.run_objects(self.subject("molt", "boehm"), 1)
        self.assertEqual([run.allocator for run in runs], ["molt"])
        self.assertEqual(self.skipped, {"boehm": "not built: libgc-dev is not installed"})

    def test_without_a_python_there_is_no_cpython(self):
        with mock.patch.object(objects, "_python", return_value=""):
            self.assertEqual(objects.plan([self.subject("cpython")], []),
                             ([], {"cpython": "python3 is not installed"}))

    def test_what_needs_no_package_must_be_built(self):
        with self.assertRaisesRegex(Wrong, "fake: molt: not built: run make"):
            objects.plan([self.subject("molt")], [])

    def test_who_fails_runs_no_more_and_the_others_go_on(self):
        self.program("fake-molt", SAYS)
        self.program("fake-boehm", FAILS)
        runs = self.run_objects(self.subject("molt", "boehm"), 3)
        self.assertEqual(sorted(run.allocator for run in runs), ["boehm", "molt", "molt", "molt"])
        self.assertEqual([run.failure for run in runs if run.allocator == "boehm"],
                         ["status 3: no message"])

    def test_output_that_is_not_figures_is_an_error(self):
        for text in ("", "3\n", "{}\n", '{"figure": "x"}\n', '{"figure": "x", "value": "y"}\n',
                     '{"figure": "wall", "value": 1}\n', '{"figure": "x", "value": 1}\nerror\n'):
            with self.subTest(text=text), self.assertRaisesRegex(Wrong, "unreadable output"):
                objects.read_figures(text)


class Judging(unittest.TestCase):
    def verdict(self, runs: list[Run], **more) -> targets.Verdict:
        target = Target("1", "a target", ("tree", "ns", "molt"), 2, **more)
        return targets.judge(Figures(runs), [target])[0]

    def test_the_least_of_the_rounds_counts(self):
        verdict = self.verdict([run_of("tree", "molt", ns=value) for value in (9.0, 2.0, 8.0)])
        self.assertEqual((verdict.value, verdict.word), (2.0, "met"))

    def test_where_the_tail_is_the_point_the_median_counts(self):
        verdict = self.verdict([run_of("tree", "molt", ns=value) for value in (9.0, 2.0, 8.0)],
                               typical=True)
        self.assertEqual((verdict.value, verdict.word), (8.0, "UNMET"))

    def test_a_ratio(self):
        verdict = self.verdict([run_of("tree", "molt", ns=9.0), run_of("tree", "hand", ns=4.0)],
                               over=("tree", "ns", "hand"))
        self.assertEqual((verdict.value, verdict.word), (2.25, "UNMET"))

    def test_without_the_other_peer_a_ratio_is_not_measured(self):
        verdict = self.verdict([run_of("tree", "molt", ns=9.0)], over=("tree", "ns", "hand"))
        self.assertEqual((verdict.value, verdict.word), (None, "not measured"))
        self.assertFalse(verdict.is_met)

    def test_subjects_that_have_not_run_have_no_verdict(self):
        self.assertEqual(targets.judge(Figures([run_of("leaf", "molt", ns=1.0)]),
                                       [Target("1", "a target", ("tree", "ns", "molt"), 2)]), [])

    def test_failed_runs_are_told_and_do_not_count(self):
        told = Figures([run_of("tree", "molt", ns=1.0),
                        Run("tree", objects.GROUP, "boehm", 1, {"ns": 0.1}, failure="status 3")])
        self.assertEqual(told.failures, ["tree under boehm: status 3"])
        self.assertEqual(told.rows(), [["", "molt"], ["tree: ns", "1"]])

    def test_the_table_has_the_least_and_the_median(self):
        runs = [run_of("tree", "molt", ns=value) for value in (1.0, 3.0, 4.0)]
        runs.append(run_of("tree", "boehm", ns=2000.4))
        self.assertEqual(Figures(runs).rows(),
                         [["", "molt", "boehm"], ["tree: ns", "1 (3)", "2,000"]])

    def test_pauses_are_to_be_flat(self):
        key = {"pause, p50, us": 10.0, "pause, p99.9, us": 20.0, "molt_new, p99.9, us": 20.0,
               "unpaced pause, p99.9, us": 20.0}
        for largest, word in ((19.0, "met"), (21.0, "UNMET")):
            runs = [run_of("pauses@1M", "molt", **key), run_of("pauses@10M", "molt", **key),
                    run_of("pauses@50M", "molt", **key | {"pause, p50, us": largest})]
            verdicts = targets.judge(Figures(runs), targets.targets([50, 1, 10]))
            self.assertEqual(verdicts[-1].word, word)
            self.assertEqual(len(verdicts), 10)


class Paths(unittest.TestCase):
    def test_the_owners_path_ends_at_the_return_and_takes_no_jump(self):
        code = ["endbr64", "test %rdi,%rdi", "je 20 <code_retain+0x20>", "xor (%rdi),%rax",
                "addq $0x100000,(%rdi)", "ret", "jmp 30 <molt_retain_slow>"]
        self.assertEqual(disassembly.owners_path(code), code[1:5])

    def test_another_layout_is_not_counted(self):
        for code in (["test %rdi,%rdi", "jne 20", "ret"], ["jmp 20", "mov %rax,(%rdi)", "ret"],
                     ["call 20", "mov %rax,(%rdi)", "ret"], []):
            with self.subTest(code=code), self.assertRaisesRegex(Wrong, "the owner's path"):
                disassembly.owners_path(code)

    def test_a_program_without_the_functions_is_an_error(self):
        with self.assertRaisesRegex(Wrong, "no function code_retain"):
            disassembly.functions(compiled(SAYS))

    def test_a_file_that_is_not_there_is_an_error(self):
        with self.assertRaisesRegex(Wrong, "objdump"):
            disassembly.functions(Path("/nowhere"))


if __name__ == "__main__":
    unittest.main()
