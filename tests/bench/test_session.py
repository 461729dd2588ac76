"""Sessions: who fails, fails alone and for a reason; what is measured is only the command."""

import os
import re
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path
from unittest import mock

from support import (DECLARATIONS, GOOD_LIBRARY, MALLOC, REST, USES_MALLOC, FakeItem,
                     InTemporaryDirectory, compiled, good_allocator, compile_library, patience, wait_for)
from harness import results, session
from harness.allocators import Allocator
from harness.item import ROOT, Unavailable, Wrong
from harness.session import Session

BROKEN = re.sub("void free.*", "void free(void *p) { __builtin_trap(); }", GOOD_LIBRARY)

# Writes the name of each process that it is loaded into.
SPY = GOOD_LIBRARY + """
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
__attribute__((constructor)) static void tell(void)
{
    FILE *file = fopen("loaded", "a");
    fprintf(file, "%s\\n", program_invocation_short_name);
    fclose(file);
}
"""


class InSession(InTemporaryDirectory):
    def setUp(self):
        super().setUp()
        self.work = self.directory / "work"
        self.session = Session(self.directory)

    def measure(self, item, allocator=None, round_=1):
        return self.session.measure(self.prepared(item), allocator or good_allocator(), round_)

    def warm_up(self, item, allocator=None):
        return self.session.warm_up(self.prepared(item), allocator or good_allocator())

    def shell(self, script: str, **options) -> FakeItem:
        return FakeItem(["sh", "-c", script], **options)

    def preloaded(self, script: str, work=None, **options) -> FakeItem:
        """A script, and its client, that do nothing in the first run, without an allocator."""
        works = iter([lambda directory: {}, work or (lambda directory: {})])
        return self.shell('[ -n "$LD_PRELOAD" ] || exit 0; ' + script,
                          work=lambda directory: next(works)(directory), **options)

    def working_pids(self) -> list[int]:
        path = self.work / "pids"
        return [int(word) for word in
                wait_for(lambda: path.exists() and path.read_text(encoding="utf-8")).split()]


class ARun(InSession):
    def test_a_run_has_all_basic_figures(self):
        run = self.measure(FakeItem([compiled(USES_MALLOC)]))
        self.assertEqual(run.failure, "")
        self.assertEqual(set(run.figures), set(results.BASIC))

    def test_a_run_says_what_it_was(self):
        item = FakeItem([ROOT / "bench/run", "list"], name="one")
        with mock.patch.object(session, "MEASURE", compiled("int main(void) {}")):
            run = self.measure(item, round_=3)
        self.assertEqual((run.item, run.group, run.allocator, run.round),
                         ("one", "workload", "good", 3))
        self.assertEqual(run.command, "bench/run list")
        self.assertEqual(run.digest, good_allocator().digest)
        self.assertRegex(run.time, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertEqual(run.machine["cores"], str(os.cpu_count()))

    def test_the_commands_and_the_clients_figures_are_kept(self):
        item = self.shell("echo 42", read=lambda output: {"answer": float(output)},
                          work=lambda directory: {"p99": 7.0})
        run = self.measure(item)
        self.assertEqual(run.figures["answer"], 42)
        self.assertEqual(run.figures["p99"], 7)

    def test_the_resident_set_over_time_is_recorded(self):
        run = self.session.record_series(self.prepared(FakeItem(["sleep", "0.1"])),
                                         good_allocator())
        self.assertEqual(run.failure, "")
        self.assertEqual(run.round, 0)
        self.assertGreater(len(run.series), 3)


class Failures(InSession):
    def assert_fails(self, item, reason: str) -> None:
        run = self.measure(item)
        self.assertRegex(run.failure or "no failure", reason)

    def test_an_exit_status_fails_with_the_last_line_of_the_errors(self):
        self.assert_fails(self.preloaded("echo first >&2; echo last >&2; exit 3"),
                          "^exit status 3: last$")

    def test_a_signal_fails_by_its_name(self):
        self.assert_fails(self.preloaded("kill -SEGV $$"), r"^killed by signal 11 \(Segm.*\)")

    def test_a_run_that_takes_too_long_fails(self):
        begin = time.monotonic()
        self.assert_fails(self.preloaded("echo $$ >pids; sleep 9999", limit=0.3), "^took too long")
        self.assertLess(time.monotonic() - begin, patience(5))
        self.assert_gone(self.working_pids())

    def test_a_command_that_is_not_there_fails(self):
        self.assert_fails(FakeItem(["/no/such/command"]), "did not run: .*/no/such/command: No")

    def test_an_answer_that_differs_fails(self):
        answers = iter(["right", "right", "wrong"])
        item = FakeItem(["true"])
        item.answer = lambda directory, output: next(answers)
        self.assertEqual(self.measure(item).failure, "")
        self.assert_fails(item, "^another answer than under the system's malloc: wrong for right$")

    def test_an_allocator_with_a_wrong_answer_fails_even_if_it_is_the_first(self):
        bad = self.directory / "libbad.so"
        bad.write_bytes(compile_library(GOOD_LIBRARY).read_bytes())
        item = self.shell('case "$LD_PRELOAD" in *bad*) echo wrong ;; *) echo right ;; esac')
        self.assertRegex(self.warm_up(item, Allocator("bad", bad)).failure, "another answer")
        self.assertEqual(self.warm_up(item).failure, "")

    def test_an_item_that_fails_without_an_allocator_says_so(self):
        item = self.shell('[ -n "$LD_PRELOAD" ]')
        self.assert_fails(item, "^under the system's malloc: exit status 1")

    def test_output_that_cannot_be_read_fails(self):
        self.assert_fails(self.preloaded("echo rubbish",
                                         read=lambda output: {"n": float(output or 1)}),
                          "^unreadable output: could not convert .*rubbish")

    def test_an_answer_that_was_not_written_fails(self):
        item = FakeItem(["true"])
        answers = iter(["right"])
        item.answer = lambda directory, output: (next(answers, None)
                                                 or (directory / "absent").read_text())
        self.assert_fails(item, "^unreadable output: .*absent")

    def test_a_broken_allocator_fails(self):
        program = FakeItem([compiled(USES_MALLOC)])
        self.assertRegex(self.warm_up(program, Allocator("broken", compile_library(BROKEN))).failure,
                         "^killed by signal")
        self.assertEqual(self.warm_up(program).failure, "")


class Clients(InSession):
    def test_a_client_that_finds_something_wrong_fails_the_run_and_ends_the_command(self):
        def work(directory: Path) -> dict:
            self.pids = self.working_pids()
            raise Wrong("the server said no")

        begin = time.monotonic()
        run = self.measure(self.preloaded("sleep 9999 & echo $$ $! >pids; wait", work=work))
        self.assertEqual(run.failure, "the server said no")
        self.assertLess(time.monotonic() - begin, patience(5))
        self.assert_gone(self.pids)

    def test_a_client_that_hangs_until_the_limit_fails_the_run(self):
        def work(directory: Path) -> dict:
            wait_for((directory / "pipe").exists)
            with open(directory / "pipe", "rb") as pipe:
                pipe.read()  # until the command ends
            return {"p99": 1.0}

        os.mkfifo(self.prepared(FakeItem([])).directory / "pipe")
        begin = time.monotonic()
        run = self.measure(self.preloaded("exec sleep 9999 >pipe", work=work, limit=0.3))
        self.assertRegex(run.failure, "^took too long")
        self.assertLess(time.monotonic() - begin, patience(5))

    def test_a_lost_connection_fails_the_run(self):
        def work(directory: Path) -> dict:
            raise ConnectionResetError("connection reset")

        self.assertRegex(self.measure(self.preloaded("sleep 9999", work=work)).failure,
                         "^the client: connection reset")

    def test_a_command_that_outlives_its_client_is_waited_for(self):
        run = self.measure(FakeItem(["sleep", "0.2"], work=lambda directory: {"p99": 1.0}))
        self.assertEqual(run.failure, "")
        self.assertGreaterEqual(run.figures["wall"], 0.2)


    def test_an_interrupt_ends_the_command_however_early_it_comes(self):
        def interrupt(timer) -> None:
            self.pids = self.working_pids()
            raise KeyboardInterrupt

        with (mock.patch.object(session.threading.Timer, "start", interrupt),
              self.assertRaises(KeyboardInterrupt)):
            self.measure(self.shell("sleep 9999 & echo $$ $! >pids; wait"))
        self.assert_gone(self.pids)


class Takeover(InSession):
    def test_an_allocator_that_takes_over_warms_up(self):
        self.assertEqual(self.warm_up(FakeItem([compiled(USES_MALLOC)])).failure, "")

    def test_an_allocator_that_does_not_take_over_fails_though_the_run_succeeds(self):
        program = FakeItem([compiled(USES_MALLOC)])
        half = Allocator("half", compile_library(DECLARATIONS + MALLOC + REST))
        self.assertRegex(self.warm_up(program, half).failure, "has free from .*libc.so.6")

    def test_a_static_program_fails(self):
        program = FakeItem([compiled(USES_MALLOC, "-static")])
        self.assertRegex(self.warm_up(program).failure, "no process has malloc from")

    def test_one_refusal_does_not_touch_the_next(self):
        program = FakeItem([compiled(USES_MALLOC)])
        self.warm_up(program, Allocator("none", compile_library("int nothing;")))
        self.assertEqual(self.warm_up(program).failure, "")


class Surroundings(InSession):
    def variables(self, **options) -> dict[str, str]:
        seen = {}
        item = FakeItem(["env"], read=lambda output: seen.update(
            line.split("=", 1) for line in output.decode().splitlines()) or {}, **options)
        item.answer = lambda directory, output: "the same"
        self.assertEqual(self.measure(item).failure, "")
        return seen

    def test_no_variable_of_the_users_reaches_the_command(self):
        users = {"MALLOC_CONF": "narenas:1", "MOLT": "x", "GLIBC_TUNABLES": "glibc.malloc.check=1",
                 "MIMALLOC_VERBOSE": "1", "LD_LIBRARY_PATH": "/nowhere", "LANG": "C"}
        with mock.patch.dict(os.environ, users):
            self.assertEqual(set(self.variables()), {"PATH", "LC_ALL", "TZ", "HOME", "LD_PRELOAD"})

    def test_the_home_is_the_items_directory(self):
        self.assertEqual(self.variables()["HOME"], str(self.work))

    def test_the_items_own_variables_reach_the_command(self):
        self.assertEqual(self.variables(environment={"LEVEL": "9"})["LEVEL"], "9")

    def test_the_preloaded_library_reaches_only_the_command(self):
        run = self.measure(FakeItem(["sleep", "0"]), Allocator("spy", compile_library(SPY)))
        self.assertEqual(run.failure, "")
        self.assertEqual((self.work / "loaded").read_text(encoding="utf-8"), "sleep\n")

    def test_huge_pages_are_left_as_they_are_unless_told(self):
        reads = FakeItem(["grep", "THP_enabled", "/proc/self/status"],
                         read=lambda output: {"thp": float(output.split()[1])})
        self.assertEqual(self.measure(reads).figures["thp"], 1)
        self.session = Session(self.directory, no_thp=True)
        self.assertEqual(self.measure(reads).figures["thp"], 0)


class Preparing(InSession):
    def prepare(self, *items) -> tuple[list[str], dict[str, str]]:
        with mock.patch.object(session, "INPUTS", self.directory):
            ready, skipped = session.prepare(list(items), lambda text: None)
        return [prepared.item.name for prepared in ready], skipped

    def test_an_item_whose_program_is_not_installed_is_skipped_with_the_reason(self):
        item = FakeItem(["true"], name="absent")
        item.needs = ("sh", "no-such-program")
        self.assertEqual(self.prepare(item, FakeItem(["true"], name="present")),
                         (["present"], {"absent": "no-such-program is not installed"}))

    def test_an_item_that_cannot_be_prepared_is_skipped_with_the_reason(self):
        item = FakeItem(["true"])
        item.prepare = mock.Mock(side_effect=Unavailable("no such input"))
        self.assertEqual(self.prepare(item), ([], {"fake": "no such input"}))


class Rounds(InSession):
    """Rounds with sessions that only take notes."""

    ALLOCATORS = [Allocator(name, Path("/nowhere")) for name in ("molt", "one", "two")]

    def run_rounds(self, items, count, fails=lambda *run: "", series=()):
        from harness import rounds
        from harness.progress import Progress

        self.notes = []

        def made(stage):
            def run(_, prepared, allocator, round_=0):
                self.notes.append((stage, prepared.item.name, allocator.name, round_))
                series = [(0.0, 1)] if stage == "series" else []
                return results.Run(prepared.item.name, "workload", allocator.name, round_,
                                   dict.fromkeys(results.BASIC, 1.0), series=series,
                                   failure=fails(prepared.item.name, allocator.name, round_))
            return run

        fake = type("FakeSession", (), {"__init__": lambda self, scratch: None,
                                        "warm_up": made("warm-up"), "measure": made("measure"),
                                        "record_series": made("series")})
        self.path = self.directory / "out.jsonl"
        writer = results.Writer(self.path)
        with mock.patch.object(rounds, "Session", fake), mock.patch.object(Progress, "stage"):
            session = rounds.Rounds([self.prepared(item) for item in items], self.ALLOCATORS,
                                    writer, Progress())
            self.runs = session.runs
            try:
                session.run(count, series)
            finally:
                writer.close()

    def test_the_warm_up_is_not_counted(self):
        self.run_rounds([FakeItem([])], 2)
        self.assertEqual([note[0] for note in self.notes], ["warm-up"] * 3 + ["measure"] * 6)
        self.assertEqual([run.round for run in self.runs], [1, 1, 1, 2, 2, 2])

    def test_every_allocator_comes_at_every_place(self):
        self.run_rounds([FakeItem([])], 5)
        order = [note[2] for note in self.notes]
        rounds = [tuple(order[i:i + 3]) for i in range(0, len(order), 3)]
        self.assertEqual(len(set(rounds)), 6, "all orders of three")
        for place in range(3):
            names = [round_[place] for round_ in rounds]
            self.assertEqual({name: names.count(name) for name in names},
                             {"molt": 2, "one": 2, "two": 2})

    def test_the_allocators_of_an_item_run_one_after_the_other(self):
        self.run_rounds([FakeItem([], name="a"), FakeItem([], name="b")], 2)
        self.assertEqual([note[1] for note in self.notes], ["a", "a", "a", "b", "b", "b"] * 3)

    def test_who_fails_runs_no_more_and_the_others_go_on(self):
        self.run_rounds([FakeItem([], name="a"), FakeItem([], name="b")], 3,
                        lambda *run: "broken" if run == ("a", "one", 0) else "")
        counted = [run[1:3] for run in self.notes if run[0] == "measure"]
        self.assertEqual(counted.count(("a", "one")), 0)
        for other in (("a", "molt"), ("a", "two"), ("b", "one"), ("b", "molt"), ("b", "two")):
            self.assertEqual(counted.count(other), 3)
        self.assertEqual([run.failure for run in self.runs if run.allocator == "one"
                          and run.item == "a"], ["broken"])

    def test_who_fails_in_a_later_round_runs_no_more(self):
        self.run_rounds([FakeItem([])], 5, lambda *run: "broken" if run[1:] == ("two", 2) else "")
        self.assertEqual([run.round for run in self.runs if run.allocator == "two"], [1, 2])

    def test_the_memory_over_time_comes_last(self):
        self.run_rounds([FakeItem([])], 1, series=("fake",))
        self.assertEqual([note[0] for note in self.notes[-3:]], ["series"] * 3)
        self.assertEqual(len(self.runs), 6)

    def test_without_memory_over_time_the_counted_runs_stand(self):
        self.run_rounds([FakeItem([])], 1, lambda *run: "broken" if len(self.notes) > 6 else "",
                        series=("fake",))
        self.assertEqual([run.failure for run in self.runs], [""] * 3)

    def test_every_run_is_in_the_file(self):
        self.run_rounds([FakeItem([])], 2, lambda *run: "broken" if run[1] == "one" else "")
        self.assertEqual(results.read(self.path), self.runs)

    def test_an_interrupted_session_leaves_the_runs_until_then(self):
        def interrupt(item, allocator, round_):
            if (allocator, round_) == ("one", 2):
                raise KeyboardInterrupt
            return ""

        with self.assertRaises(KeyboardInterrupt):
            self.run_rounds([FakeItem([])], 3, interrupt)
        left = results.read(self.path)
        self.assertEqual(left, self.runs)
        self.assertEqual({run.round for run in left}, {1, 2})


class Interrupted(InSession):
    """bench/run itself, with a peer that is molt's equal."""

    def processes(self, leader: int) -> list[int]:
        """All processes of the session that the process has begun."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                text = stat.read_text(encoding="utf-8")
            except OSError:
                continue
            if int(text.rpartition(")")[2].split()[3]) == leader:
                found.append(int(stat.parent.name))
        return found

    def start(self, output: Path) -> subprocess.Popen:
        """With SIGINT as in a shell's foreground, wherever the test itself runs."""
        good = compile_library(GOOD_LIBRARY)
        process = subprocess.Popen(
            [sys.executable, ROOT / "bench/run", "--only", "shortlived@2", "-n", "1000",
             "--peer", "good", "-o", output],
            env=os.environ | {"PEERS": f"good={good} molt={good}"}, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_an_interrupted_run_leaves_a_valid_file_and_no_process(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number=number):
                output = self.directory / f"{number}.jsonl"
                process = self.start(output)
                wait_for(lambda: process.poll() is not None
                         or output.exists() and output.stat().st_size, 30)
                pids = wait_for(lambda: self.processes(process.pid)[1:])
                process.send_signal(number)
                text, _ = process.communicate(timeout=patience(60))
                self.assertIn("Wall time", text)
                self.assertTrue(results.read(output))
                self.assert_gone(pids + self.processes(process.pid))


if __name__ == "__main__":
    unittest.main()
