"""What runs the tests: tests/all, tests/steps, tests/patience, tests/install, tests/programs/run."""

import os
import re
import select
import signal
import subprocess
import unittest
from pathlib import Path

import support
from support import ROOT

RUNS_BY_ITSELF = """#!/bin/sh
exec make -f '{makefile}' "$@"
"""

PARTS = r"""
totals: ; @echo '5 passed, 0 failed'
quiet: ; @true
units: ; @printf '%s\n' 'skipped test_pages: no huge pages' '99%: Checks: 10, Failures: 1, Errors: 1' \
    'tests/unit/test_bits.c:12:F:bits:test_first:0: Assertion' \
    'tests/unit/test_gc.c:9:E:gc:test_second:3: Test timeout expired'; false
cases: ; @printf '%s\n' 'ok a (0.1 s)' 'FAILED b (timeout)' '    FAILED inside' 'skipped c (no c)' \
    '1 passed, 1 failed, 1 skipped'; false
programs: ; @printf '%s\n' 'bash       ok (1 s)' 'nginx      FAILED' 'ruby       skipped (no ruby)' \
    '1 passed, 1 failed, 1 skipped'; false
models: ; @tests/steps 'echo 3 passed, 0 failed' 'exit 3' 'echo FAILED named; false' true
broken: ; @echo "x.c:1:2: error: ';' expected"; echo 'more of it'; false
silent: ; @echo 'a last word'; false
unnamed: ; @echo '1 passed, 2 failed'; false
gate: ; @echo 'ok   remote'; echo 'FAIL lifo: 5, recorded 4'; echo '1 passed, 1 failed'; false
"""


def heed_signals() -> None:
    """As in a shell's foreground, wherever the test itself runs."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


class RunnersCase(support.InTemporaryDirectory):
    def script(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)
        return path

    def run_in_root(self, *command, **variables) -> subprocess.CompletedProcess:
        environment = {name: str(value) for name, value in variables.items()}
        return subprocess.run([str(word) for word in command], cwd=ROOT, env=os.environ | environment,
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=support.patience(30), preexec_fn=heed_signals)


class TestAll(RunnersCase):
    def run_all(self, *parts: str) -> tuple[int, list[str]]:
        """The exit status, and the lines behind the last part's output."""
        makefile = self.script("Makefile", PARTS)
        make = self.script("make", RUNS_BY_ITSELF.format(makefile=makefile))
        done = self.run_in_root("tests/all", PARTS=" ".join(parts), MAKE=make)
        return done.returncode, done.stdout.rpartition("\n\n")[2].splitlines()

    def test_adds_up_the_totals(self):
        self.assertEqual(self.run_all("totals", "totals"), (0, ["10 passed, 0 failed, 0 skipped"]))

    def test_a_part_without_totals_is_one_test(self):
        self.assertEqual(self.run_all("quiet"), (0, ["1 passed, 0 failed, 0 skipped"]))

    def test_names_what_failed_and_what_was_skipped(self):
        self.assertEqual(self.run_all("units", "cases", "programs", "gate", "totals"), (1, [
            "skipped: units: test_pages: no huge pages",
            "skipped: cases: c (no c)",
            "skipped: programs: ruby (no ruby)",
            "failed: units: test_first (tests/unit/test_bits.c:12)",
            "failed: units: test_second, case 3 (tests/unit/test_gc.c:9)",
            "failed: cases: b (timeout)",
            "failed: programs: nginx",
            "failed: gate: lifo: 5, recorded 4",
            "15 passed, 5 failed, 3 skipped"]))

    def test_a_step_is_named_where_it_names_nothing_itself(self):
        self.assertEqual(self.run_all("models"), (1, [
            "failed: models: exit 3: exit 3", "failed: models: named",
            "4 passed, 2 failed, 0 skipped"]))

    def test_names_a_part_that_stops_early_by_what_it_said(self):
        self.assertEqual(self.run_all("broken", "silent", "unnamed", "quiet"), (1, [
            "failed: broken: x.c:1:2: error: ';' expected", "failed: silent: a last word",
            "failed: unnamed: 2 that say no name", "2 passed, 3 failed, 0 skipped"]))

    def test_a_target_that_is_none_has_failed(self):
        status, lines = self.run_all("nothing")
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed, 0 skipped"))

    def test_says_where_it_was_interrupted(self):
        process = subprocess.Popen(
            [ROOT / "tests/all"], cwd=ROOT, start_new_session=True, text=True, stdout=subprocess.PIPE,
            preexec_fn=heed_signals,
            env=os.environ | {"PARTS": "totals waits quiet", "MAKE": str(self.script(
                "make", '#!/bin/sh\ncase $* in *waits*) echo FAILED one; echo waiting; exec sleep 999 ;; esac\n'
                        'echo 3 passed, 0 failed\n'))})
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        for line in process.stdout:
            if line == "waiting\n":
                break
        os.killpg(process.pid, signal.SIGINT)
        text, _ = process.communicate(timeout=support.patience(10))
        self.assertEqual(text.splitlines()[-3:], ["failed: waits: one", "not finished: waits quiet",
                                                  "3 passed, 1 failed, 0 skipped"])
        self.assertEqual(process.returncode, 130)


class TestSteps(RunnersCase):
    def test_goes_on_after_a_failure(self):
        done = self.run_in_root("tests/steps", "false", "echo later", "kill -9 $$")
        self.assertEqual(done.returncode, 1)
        self.assertIn("-- false\n!! exit 1\n-- echo later\nlater\n-- kill -9 $$\n", done.stdout)
        self.assertIn("!! exit 137", done.stdout)

    def test_takes_variables_before_the_command(self):
        done = self.run_in_root("tests/steps", "A=1 sh -c 'echo $A'")
        self.assertEqual((done.returncode, done.stdout.splitlines()[1:]), (0, ["1"]))

    def test_prints_in_the_given_order(self):
        done = self.run_in_root("tests/steps", "echo 1; sleep 0.3; echo 2", "echo 3", "echo 4; exit 5")
        lines = [line for line in done.stdout.splitlines() if not re.match("--|   [0-9]+ s$", line)]
        self.assertEqual((done.returncode, lines), (1, ["1", "2", "3", "4", "!! exit 5"]))

    def test_its_end_is_that_of_the_steps(self):
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            with self.subTest(number=number):
                fifo = self.directory / f"fifo{number}"
                os.mkfifo(fifo)
                process = subprocess.Popen([ROOT / "tests/steps", f"exec 3>'{fifo}'; sleep 999; sleep 999"],
                                           start_new_session=True, stdout=subprocess.DEVNULL,
                                           preexec_fn=heed_signals)
                self.addCleanup(process.kill)
                with open(fifo, encoding="utf-8") as end:
                    process.send_signal(number)
                    ready, _, _ = select.select([end], [], [], support.patience(10))
                    self.assertEqual(ready, [end])  # no one has it open any more
                self.assertEqual(process.wait(timeout=support.patience(10)), 128 + number)


class TestPatience(RunnersCase):
    def test_grows_with_the_load_and_the_builds_slowness(self):
        environment = os.environ.copy()
        environment.pop("PATIENCE", None)
        one, four = (int(subprocess.check_output(["tests/patience", *times], cwd=ROOT, env=environment))
                     for times in ([], ["4"]))
        self.assertGreaterEqual(one, 5)
        self.assertGreaterEqual(four, 20)

    def test_can_be_told(self):
        self.assertEqual(self.run_in_root("tests/patience", "4", PATIENCE=7).stdout, "7\n")

    def test_no_alarm_is_without(self):
        found = [f"{path.relative_to(ROOT)}: {line.strip()}"
                 for path in (ROOT / "tests").rglob("*.[ch]*")
                 for line in path.read_text(encoding="utf-8").splitlines()
                 if re.search(r"\balarm\([1-9]", line)]
        self.assertEqual(found, [])


class TestInstall(RunnersCase):
    """apt-get, dpkg-query and sudo are the test's; the policy is a file in its directory."""

    def setUp(self):
        super().setUp()
        # A shell cannot trap what was ignored when it began, as under nohup.
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            self.addCleanup(signal.signal, number, signal.signal(number, signal.SIG_DFL))
        self.policy = self.directory / "policy-rc.d"
        self.asked = self.directory / "asked"
        self.script("dpkg-query", "#!/bin/sh\nexit 1\n")
        self.script("sudo", '#!/bin/sh\nexec "$@"\n')
        self.list = self.directory / "packages"
        self.list.write_text("# servers\nredis-server\n# optional\nchromium\n", encoding="utf-8")

    def install(self, apt: str = "") -> subprocess.CompletedProcess:
        """`apt` runs in each apt-get; what the policy says meanwhile is in self.asked."""
        self.script("apt-get", f"#!/bin/sh\n'{self.policy}' redis start; echo \"$1 $?\" >>'{self.asked}'\n"
                               f"{apt}\n")
        return self.run_in_root("tests/install", self.list, POLICY=self.policy,
                                PATH=f"{self.directory}:{os.environ['PATH']}")

    def answer(self) -> int:
        return subprocess.run([str(self.policy), "redis", "start"]).returncode

    def test_no_service_starts_meanwhile(self):
        done = self.install()
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(self.asked.read_text(encoding="utf-8").split("\n"),
                         ["update 101", "install 101", "install 101", ""])
        self.assertFalse(self.policy.exists())

    def test_a_policy_is_put_back(self):
        self.script("policy-rc.d", "#!/bin/sh\nexit 104\n")
        self.assertEqual(self.install().returncode, 0)
        self.assertIn("install 101", self.asked.read_text(encoding="utf-8"))
        self.assertEqual(self.answer(), 104)

    def test_ends_with_the_installation_however_that_ends(self):
        for apt, status in (("exit 100", 100), ("kill -TERM $PPID", 143), ("kill -INT $PPID", 130),
                            ("kill -HUP $PPID", 129)):
            for text in (None, "#!/bin/sh\nexit 104\n"):
                with self.subTest(apt=apt, text=text):
                    if text:
                        self.script("policy-rc.d", text)
                    self.assertEqual(self.install(apt).returncode, status)
                    self.assertEqual(self.policy.exists(), text is not None)
                    if text:
                        self.assertEqual(self.policy.read_text(encoding="utf-8"), text)
                    self.policy.unlink(missing_ok=True)

    def test_a_policy_that_was_left_behind_forbids_nothing_and_goes_with_the_next(self):
        for text, answer in ((None, 0), ("#!/bin/sh\nexit 104\n", 104)):
            with self.subTest(text=text):
                if text:
                    self.script("policy-rc.d", text)
                self.assertEqual(self.install("kill -KILL $PPID").returncode, -signal.SIGKILL)
                self.assertIn("molt", self.policy.read_text(encoding="utf-8"))
                self.assertEqual(self.answer(), answer)
                self.assertEqual(self.install().returncode, 0)
                self.assertEqual(self.policy.exists(), text is not None)

    def test_nothing_is_missing(self):
        self.script("dpkg-query", "#!/bin/sh\necho install ok installed\n")
        self.assertEqual((self.install().stdout, self.asked.exists()), ("", False))


class TestPrograms(RunnersCase):
    """Programs of the test's own, run by tests/programs/run."""

    def run_programs(self, **scripts: str) -> tuple[int, str]:
        for name, text in scripts.items():
            self.script(f"{name}.sh", text)
        done = self.run_in_root("tests/programs/run", "--from", self.directory,
                                support.compile_library(support.GOOD_LIBRARY))
        return done.returncode, done.stdout

    def test_one_that_fails_with_the_systems_malloc_is_skipped(self):
        status, text = self.run_programs(broken="echo reason >&2; exit 3\n", good="echo fine\n")
        self.assertEqual(status, 0, text)
        self.assertIn("skipped (with the system's malloc as well: exit status 3)\n    reason\n", text)
        self.assertTrue(text.endswith("1 passed, 0 failed, 1 skipped\n"), text)

    def test_one_that_is_not_installed_is_skipped(self):
        _, text = self.run_programs(absent="echo no such; exit 77\n")
        self.assertIn("skipped (no such)\n0 passed, 0 failed, 1 skipped\n", text)

    def test_one_that_fails_with_the_library_alone_has_failed(self):
        for script in ('test -z "$PRELOAD"\n', 'echo "$PRELOAD"\n'):
            with self.subTest(script=script):
                status, text = self.run_programs(bad=script)
                self.assertEqual(status, 1)
                self.assertTrue(text.endswith("0 passed, 1 failed, 0 skipped\n"), text)


if __name__ == "__main__":
    unittest.main()
