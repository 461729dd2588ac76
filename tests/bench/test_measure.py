"""bench/measure: its figures are plausible, and nothing of what it starts outlives it."""

import json
import os
import signal
import subprocess
import sys
import time
import unittest

from support import (MEASURE, TOUCHES_64_MIB, InTemporaryDirectory, compiled, is_alive, patience, wait_for)

MIB = 1 << 20

WORKS_FOR_200_MS = """
#include <time.h>
int main(void)
{
    while (clock() < CLOCKS_PER_SEC / 5)
        for (volatile int i = 0; i < 100000; i++)
            ;
}
"""

CALLS_THE_KERNEL = """
#include <sys/syscall.h>
#include <unistd.h>
int main(void)
{
    for (int i = 0; i < 2000000; i++)
        syscall(SYS_getppid);
}
"""

TELLS_THP = """
#include <stdio.h>
#include <sys/prctl.h>
int main(void)
{
    printf("%d\\n", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
}
"""

# Starts the command of its arguments while 300 MiB of its own are resident.
BIG_PARENT = """
import subprocess, sys
ballast = bytearray(b"x") * (300 << 20)
sys.exit(subprocess.run(sys.argv[1:]).returncode)
"""

STARTS_AND_SLEEPS = """
import subprocess, sys, time
print(subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL).pid, flush=True)
time.sleep(9999)
"""

LEAVES_PIDS = "sleep 9999 & echo $$ $! >pids; wait"


class Measure(InTemporaryDirectory):
    def run_measure(self, *words, **options) -> subprocess.CompletedProcess:
        return subprocess.run([str(word) for word in (MEASURE, *words)], cwd=self.directory,
                              capture_output=True, text=True, timeout=patience(30), **options)

    def figures(self, *words) -> dict[str, float]:
        path = self.directory / "figures"
        self.run_measure("-o", path, *words)
        return json.loads(path.read_text(encoding="utf-8"))

    def pids(self) -> list[int]:
        """What LEAVES_PIDS has written, as soon as it has."""
        path = self.directory / "pids"
        text = wait_for(lambda: path.exists() and path.read_text(encoding="utf-8"))
        return [int(word) for word in text.split()]


class Figures(Measure):
    def test_a_sleep_takes_wall_time_alone(self):
        figures = self.figures("sleep", "0.2")
        self.assertGreaterEqual(figures["wall"], 0.2)
        self.assertLess(figures["wall"], patience(2))
        self.assertLess(figures["user"] + figures["system"], 0.1)

    def test_work_takes_cpu_time(self):
        figures = self.figures(compiled(WORKS_FOR_200_MS))
        self.assertGreaterEqual(figures["user"] + figures["system"], 0.19)
        self.assertLess(figures["user"] + figures["system"], 0.4)
        self.assertGreater(figures["user"], figures["system"])
        self.assertGreaterEqual(figures["wall"], 0.19)

    def test_system_calls_take_system_time(self):
        self.assertGreater(self.figures(compiled(CALLS_THE_KERNEL))["system"], 0.02)

    def test_64_mib_that_are_touched_are_the_peak(self):
        peak = self.figures(compiled(TOUCHES_64_MIB))["peak_rss"]
        self.assertGreaterEqual(peak, 64 * MIB)
        self.assertLessEqual(peak, 70 * MIB)

    def test_a_big_parent_does_not_show_in_the_peak(self):
        path = self.directory / "figures"
        for command, least, most in ((compiled(TOUCHES_64_MIB), 64, 70), ("true", 0, 8)):
            subprocess.run([sys.executable, "-c", BIG_PARENT, MEASURE, "-o", path, command],
                           check=True)
            peak = json.loads(path.read_text(encoding="utf-8"))["peak_rss"]
            self.assertGreaterEqual(peak, least * MIB)
            self.assertLessEqual(peak, most * MIB)

    def test_every_page_touched_is_a_fault(self):
        faults = self.figures("-H", compiled(TOUCHES_64_MIB))["minor_faults"]
        self.assertGreaterEqual(faults, 64 * MIB // os.sysconf("SC_PAGESIZE"))

    def test_children_that_were_waited_for_count(self):
        program = compiled(WORKS_FOR_200_MS)
        figures = self.figures("sh", "-c", f"{program}; {program}; {compiled(TOUCHES_64_MIB)}; :")
        self.assertGreaterEqual(figures["user"] + figures["system"], 0.38)
        self.assertGreaterEqual(figures["peak_rss"], 64 * MIB)

    def test_the_figures_go_to_standard_output_without_o(self):
        done = self.run_measure("true")
        self.assertEqual(json.loads(done.stdout)["status"], 0)

    def test_the_output_of_the_command_stays_apart(self):
        done = self.run_measure("-o", self.directory / "figures", "--", "echo", "-t", "hello")
        self.assertEqual(done.stdout, "-t hello\n")

    def test_the_resident_set_over_time_reaches_the_peak(self):
        path = self.directory / "series"
        self.run_measure("-r", path, compiled(TOUCHES_64_MIB))
        points = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
        times = [int(ms) for ms, _ in points]
        self.assertEqual(times, sorted(times))
        self.assertGreater(len(points), 5)
        self.assertGreaterEqual(times[-1], 30)
        self.assertLess(int(points[0][1]), 64 * MIB)
        self.assertGreaterEqual(max(int(size) for _, size in points), 64 * MIB)
        self.assertLessEqual(max(int(size) for _, size in points), 70 * MIB)


class TheCommandsSurroundings(Measure):
    def test_a_variable_is_for_the_command_alone(self):
        # An invalid preload would make measure itself complain on standard error as well.
        done = self.run_measure("-o", "figures", "-e", "LD_PRELOAD=/nowhere.so", "-e", "A=b=c",
                                "sh", "-c", "echo $LD_PRELOAD $A")
        self.assertEqual(done.stdout, "/nowhere.so b=c\n")
        self.assertEqual(done.stderr.count("/nowhere.so"), 1)

    def test_transparent_huge_pages_are_off_with_h_alone(self):
        self.assertEqual(self.run_measure("-o", "figures", compiled(TELLS_THP)).stdout, "0\n")
        self.assertEqual(self.run_measure("-o", "figures", "-H", compiled(TELLS_THP)).stdout,
                         "1\n")

    def test_huge_pages_stay_off_in_the_commands_children(self):
        done = self.run_measure("-o", "figures", "-H", "sh", "-c", f"{compiled(TELLS_THP)}; :")
        self.assertEqual(done.stdout, "1\n")

    def test_no_signal_is_blocked_in_the_command(self):
        done = self.run_measure("-o", "figures", "grep", "SigBlk", "/proc/self/status")
        self.assertEqual(int(done.stdout.split()[1], 16), 0)


class Ends(Measure):
    def test_the_exit_status_is_the_commands(self):
        for status in (0, 3, 255):
            done = self.run_measure("sh", "-c", f"exit {status}")
            self.assertEqual(done.returncode, status)
            self.assertEqual(json.loads(done.stdout)["status"], status)

    def test_a_signal_is_128_and_its_number(self):
        done = self.run_measure("sh", "-c", "kill -SEGV $$")
        self.assertEqual(done.returncode, 128 + signal.SIGSEGV)
        self.assertEqual(json.loads(done.stdout)["status"], 128 + signal.SIGSEGV)

    def test_a_missing_command_is_127_without_figures(self):
        done = self.run_measure("-o", "figures", "/no/such/command")
        self.assertEqual(done.returncode, 127)
        self.assertIn("/no/such/command: No such file", done.stderr)
        self.assertFalse((self.directory / "figures").exists())

    def test_misuse_is_2_and_says_the_usage(self):
        for words in ([], ["--"], ["-x", "true"], ["-t", "0", "true"], ["-t", "-1", "true"],
                      ["-t", "1s", "true"], ["-t", "nan", "true"], ["-t", "inf", "true"],
                      ["-t", "", "true"], ["-e", "NAME", "true"], ["-e", "=value", "true"],
                      ["-o"]):
            with self.subTest(words=words):
                done = self.run_measure(*words)
                self.assertEqual(done.returncode, 2)
                self.assertIn("usage: measure", done.stderr)

    def test_figures_that_cannot_be_written_are_an_error(self):
        done = self.run_measure("-o", "/no/such/directory/figures", "true")
        self.assertEqual(done.returncode, 127)
        self.assertIn("/no/such/directory/figures", done.stderr)

    def test_a_limit_ends_the_whole_group(self):
        begin = time.monotonic()
        done = self.run_measure("-t", "0.2", "sh", "-c", LEAVES_PIDS)
        self.assertEqual(done.returncode, 124)
        self.assertEqual(json.loads(done.stdout)["status"], 124)
        self.assertLess(time.monotonic() - begin, patience(5))
        self.assertEqual(len(self.pids()), 2)
        self.assert_gone(self.pids())

    def test_a_command_within_its_limit_is_left_alone(self):
        self.assertEqual(self.run_measure("-t", "20", "sleep", "0.1").returncode, 0)

    def test_what_the_command_leaves_behind_is_ended(self):
        done = self.run_measure("sh", "-c", "sleep 9999 >&- 2>&- & echo $! >pids")
        self.assertEqual(done.returncode, 0)
        self.assert_gone(self.pids())

    def test_a_signal_to_measure_ends_the_command(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(number=number):
                (self.directory / "pids").unlink(missing_ok=True)
                process = subprocess.Popen([MEASURE, "sh", "-c", LEAVES_PIDS], cwd=self.directory,
                                           stdout=subprocess.DEVNULL)
                pids = self.pids()
                self.assertTrue(all(is_alive(pid) for pid in pids))
                process.send_signal(number)
                self.assertEqual(process.wait(10), 128 + number)
                self.assert_gone(pids)

    def test_measure_and_the_command_end_with_who_has_started_them(self):
        parent = subprocess.Popen([sys.executable, "-c", STARTS_AND_SLEEPS, MEASURE, "sh", "-c",
                                   LEAVES_PIDS], cwd=self.directory, stdout=subprocess.PIPE)
        measure = int(parent.stdout.readline())
        pids = self.pids()
        parent.kill()
        parent.communicate()
        self.assert_gone([measure, *pids])


if __name__ == "__main__":
    unittest.main()
