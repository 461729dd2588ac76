"""Who did not take over malloc is refused: with real libraries, programs and processes."""

import subprocess
import unittest
from pathlib import Path

from support import (DECLARATIONS, FREE, GOOD_LIBRARY, MALLOC, REST, USES_MALLOC,
                     InTemporaryDirectory, compiled, compile_library)
from harness import takeover

OWN_MALLOC = DECLARATIONS + MALLOC + FREE + REST + USES_MALLOC

LOOKS_UP = """
#include <dlfcn.h>
__attribute__((constructor)) static void look_up(void)
{
    dlsym(RTLD_NEXT, "malloc");
}
"""

USES_ALIGNED = """
#include <stdlib.h>
int main(void)
{
    void *p;
    return posix_memalign(&p, 64, 1000);
}
"""

USES_SIZE = """
#include <malloc.h>
#include <stdlib.h>
int main(void)
{
    void *p = malloc(10);
    int size = malloc_usable_size(p);
    free(p);
    return size < 10;
}
"""

# Not position-independent, the address of a function is that of the program's jump to it.
FIXED = ("-no-pie", "-fno-pic")
TAKES_ADDRESS = """
#include <stdlib.h>
int main(void)
{
    void *(*volatile take)(size_t) = malloc;
    free(take(10));
}
"""

# A plug-in that takes malloc from its own library, whatever else is loaded.
OPENS_DEEP = """
#include <dlfcn.h>
int main(int count, char **arguments)
{
    void *plugin = dlopen(arguments[1], RTLD_NOW | RTLD_DEEPBIND);
    void (*work)(void) = (void (*)(void))dlsym(plugin, "work");
    work();
}
"""
PLUGIN = "#include <stdlib.h>\nvoid work(void) { free(malloc(10)); }\n"


class Takeover(InTemporaryDirectory):
    def refusal(self, preloaded: Path, *command, behind: Path | None = None) -> str | None:
        """Runs the command as a warm-up does, and returns why it is refused."""
        logs = self.directory / "bindings"
        environment = {"PATH": "/usr/bin:/bin", "LD_PRELOAD": str(preloaded)}
        done = subprocess.run([str(word) for word in command],
                              env=environment | takeover.debug_environment(logs),
                              capture_output=True)
        self.assertEqual(done.returncode, 0, "a refused run ends as well as any: " + repr(done))
        return takeover.refusal(logs, preloaded, behind)

    def assert_refused(self, reason: str, preloaded: Path, *command) -> None:
        self.assertRegex(self.refusal(preloaded, *command) or "not refused", reason)

    def test_a_library_that_takes_over_is_not_refused(self):
        self.assertIsNone(self.refusal(compile_library(GOOD_LIBRARY), compiled(USES_MALLOC)))

    def test_a_library_by_a_link_is_not_refused(self):
        link = self.directory / "libalias.so"
        link.symlink_to(compile_library(GOOD_LIBRARY))
        self.assertIsNone(self.refusal(link, compiled(USES_MALLOC)))

    def test_a_library_that_looks_up_the_malloc_it_replaces_is_not_refused(self):
        self.assertIsNone(self.refusal(compile_library(GOOD_LIBRARY + LOOKS_UP), compiled(USES_MALLOC)))

    def libc(self) -> Path:
        told = subprocess.run(["ldd", compiled(USES_MALLOC)], capture_output=True, text=True)
        return Path(next(word for word in told.stdout.split() if word.endswith("/libc.so.6")))

    def test_glibc_preloaded_is_not_refused(self):
        self.assertIsNone(self.refusal(self.libc(), compiled(USES_MALLOC)))

    def test_who_tells_sizes_in_its_place_is_refused(self):
        self.assert_refused("has malloc_usable_size from .*libc.so.6",
                            compile_library(GOOD_LIBRARY), compiled(USES_SIZE))

    def test_what_is_behind_a_library_may_tell_sizes(self):
        self.assertIsNone(self.refusal(compile_library(GOOD_LIBRARY), compiled(USES_SIZE),
                                       behind=self.libc()))

    def test_what_is_behind_a_library_may_not_take_blocks_back(self):
        half = compile_library(DECLARATIONS + MALLOC + REST)
        self.assertRegex(self.refusal(half, compiled(USES_SIZE), behind=self.libc()),
                         "has free from .*libc.so.6")

    def test_a_library_without_free_is_refused(self):
        half = compile_library(DECLARATIONS + MALLOC + REST)
        self.assert_refused(f"has free from .*libc.so.6, not from {half}", half,
                            compiled(USES_MALLOC))

    def test_a_library_without_calloc_and_realloc_is_refused(self):
        self.assert_refused("has (calloc|realloc) from .*libc.so.6",
                            compile_library(DECLARATIONS + MALLOC + FREE), compiled(USES_MALLOC))

    def test_a_library_without_the_aligned_malloc_that_is_used_is_refused(self):
        self.assert_refused("has posix_memalign from .*libc.so.6", compile_library(GOOD_LIBRARY),
                            compiled(USES_ALIGNED))

    def test_a_library_that_exports_nothing_is_refused(self):
        hidden = compile_library(DECLARATIONS + "static " + MALLOC)
        self.assert_refused("has (malloc|free|calloc|realloc) from .*libc.so.6", hidden,
                            compiled(USES_MALLOC))

    def test_a_file_that_is_no_library_is_refused(self):
        text = self.directory / "libtext.so"
        text.write_text("no ELF\n")
        self.assert_refused("from .*libc.so.6, not from .*libtext.so", text, compiled(USES_MALLOC))

    def test_a_library_that_is_not_there_is_refused(self):
        self.assert_refused("from .*libc.so.6", self.directory / "none.so", compiled(USES_MALLOC))

    def test_a_static_program_is_refused(self):
        good = compile_library(GOOD_LIBRARY)
        self.assert_refused(f"^no process has malloc from {good}$", good,
                            compiled(USES_MALLOC, "-static"))

    def test_a_program_with_a_malloc_of_its_own_is_refused(self):
        own = compiled(OWN_MALLOC)
        self.assert_refused(f"has (malloc|free|calloc|realloc) from {own}", compile_library(GOOD_LIBRARY),
                            own)

    def test_a_fixed_program_through_whose_table_others_call_malloc_is_not_refused(self):
        self.assertIsNone(self.refusal(compile_library(GOOD_LIBRARY), compiled(TAKES_ADDRESS, *FIXED)))

    def test_a_fixed_program_under_a_library_that_exports_nothing_is_refused(self):
        self.assert_refused("from .*libc.so.6", compile_library("int nothing;"),
                            compiled(TAKES_ADDRESS, *FIXED))

    def test_a_fixed_program_with_a_malloc_of_its_own_is_refused(self):
        own = compiled(OWN_MALLOC, *FIXED)
        self.assert_refused(f"from {own}", compile_library(GOOD_LIBRARY), own)

    def test_a_program_linked_with_another_malloc_takes_the_preloaded_one(self):
        other = compile_library(GOOD_LIBRARY + "int other;")
        self.assertIsNone(self.refusal(compile_library(GOOD_LIBRARY),
                                       compiled(USES_MALLOC, "-Wl,--no-as-needed", str(other))))

    def test_a_program_that_keeps_the_malloc_it_is_linked_with_is_refused(self):
        other = compile_library(GOOD_LIBRARY + "int other;")
        self.assert_refused(f"from {other}, not from", compile_library("int nothing;"),
                            compiled(USES_MALLOC, "-Wl,--no-as-needed", str(other)))

    def test_a_plugin_with_another_malloc_is_refused(self):
        other = compile_library(GOOD_LIBRARY + "int other;")
        plugin = compile_library(PLUGIN, "-Wl,--no-as-needed", str(other))
        self.assert_refused(f"{plugin} has (malloc|free) from {other}", compile_library(GOOD_LIBRARY),
                            compiled(OPENS_DEEP), plugin)

    def test_several_processes_that_all_have_it_are_not_refused(self):
        program = compiled(USES_MALLOC)
        self.assertIsNone(self.refusal(compile_library(GOOD_LIBRARY), "sh", "-c",
                                       f"{program} & {program}; wait; exec {program}"))

    def test_a_child_that_lacks_it_is_refused(self):
        program = compiled(USES_MALLOC)
        self.assert_refused("has (malloc|free|calloc|realloc) from .*libc.so.6",
                            compile_library(GOOD_LIBRARY), "sh", "-c",
                            f"{program}; env -u LD_PRELOAD {program}; {program}")

    def test_a_child_with_a_malloc_of_its_own_is_refused(self):
        own = compiled(OWN_MALLOC)
        self.assert_refused(f"from {own}", compile_library(GOOD_LIBRARY), "sh", "-c", f"{own}; true")


if __name__ == "__main__":
    unittest.main()
