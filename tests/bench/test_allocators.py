"""Which allocators are compared, and what is said of those that cannot be."""

import unittest
from pathlib import Path
from unittest import mock

from support import InTemporaryDirectory
from harness import allocators
from harness.allocators import Allocator, BadAllocator, find_allocators, in_order, unknown

DEBIANS = list(allocators.DEBIAN)


class Finding(InTemporaryDirectory):
    """With Debian's libraries where the test says."""

    def setUp(self):
        super().setUp()
        self.absent: set[str] = set()
        (self.directory / "build").mkdir()
        self.file("build/libmolt.so")
        for patch in (mock.patch.object(allocators, "ROOT", self.directory),
                      mock.patch.object(allocators, "find_library", self.find_library)):
            patch.start()
            self.addCleanup(patch.stop)

    def file(self, name: str) -> Path:
        path = self.directory / name
        path.write_text(name)
        return path

    def find_library(self, soname: str) -> Path | None:
        return None if soname in self.absent else Path("/usr/lib") / soname

    def names(self, names: list[str], peers: str = "") -> list[str]:
        return [allocator.name for allocator in find_allocators(names, peers)]

    def assert_bad(self, reason: str, names: list[str], peers: str = "") -> None:
        with self.assertRaisesRegex(BadAllocator, reason):
            find_allocators(names, peers)

    def test_without_names_it_is_all(self):
        self.assertEqual(self.names([]), ["molt", *DEBIANS])

    def test_molt_is_always_there(self):
        self.assertEqual(self.names(["jemalloc"]), ["molt", "jemalloc"])

    def test_a_name_twice_is_one_allocator(self):
        self.assertEqual(self.names(["glibc", "glibc", "molt"]), ["molt", "glibc"])

    def test_an_unknown_name_is_answered_with_the_nearest(self):
        self.assert_bad("no allocator is called jemaloc: did you mean jemalloc?", ["jemaloc"])

    def test_a_name_like_none_is_answered_with_all(self):
        self.assert_bad("no allocator is called qqq: there are molt, glibc, jemalloc", ["qqq"])

    def test_a_peer_that_is_not_installed_is_an_error_with_its_package(self):
        self.absent.add("libjemalloc.so.2")
        reason = r"jemalloc: libjemalloc.so.2 is not installed \(Debian package libjemalloc2\)"
        self.assert_bad(reason, ["jemalloc"])
        self.assert_bad(reason, [])

    def test_a_peer_that_is_not_installed_does_not_matter_unless_asked_for(self):
        self.absent.add("libjemalloc.so.2")
        self.assertEqual(self.names(["glibc"]), ["molt", "glibc"])

    def test_molt_that_is_not_built_is_an_error(self):
        (self.directory / "build/libmolt.so").unlink()
        self.assert_bad("libmolt.so: no such library .run make first", [])

    def test_peers_adds_builds(self):
        path = self.file("libmine.so")
        found = find_allocators([], f"mine={path}")
        self.assertEqual(found[-1], Allocator("mine", path))
        self.assertEqual(len(found), 2 + len(DEBIANS))

    def test_another_build_of_molt_has_not_the_checkouts_version(self):
        path = self.file("libmine.so")
        self.assertEqual(find_allocators(["molt"], f"molt={path}")[0].version, "libmine.so")

    def test_peers_replaces_the_one_of_the_same_name(self):
        path = self.file("libmine.so")
        for name in ("jemalloc", "molt"):
            found = {a.name: a for a in find_allocators([], f"{name}={path}")}
            self.assertEqual(found[name], Allocator(name, path))
            self.assertEqual(len(found), 1 + len(DEBIANS))

    def test_peers_can_stand_in_for_what_is_not_installed(self):
        self.absent.add("libjemalloc.so.2")
        self.assertIn("jemalloc", self.names([], f"jemalloc={self.file('libmine.so')}"))

    def test_a_build_of_peers_can_be_named(self):
        self.assertEqual(self.names(["mine"], f"mine={self.file('libmine.so')}"),
                         ["molt", "mine"])

    def test_words_of_peers_that_are_not_name_and_path_are_errors(self):
        for word in ("mine", "=/lib.so", "mine=", "=", "/lib.so"):
            with self.subTest(word=word):
                self.assert_bad(f"^PEERS: {word}: not name=/path/library.so$", [], word)

    def test_a_name_twice_in_peers_is_an_error(self):
        path = self.file("libmine.so")
        self.assert_bad("^PEERS: mine is named twice$", [], f"mine={path} mine={path}")

    def test_a_file_of_peers_that_is_not_there_is_an_error(self):
        self.assert_bad("^PEERS: mine: /no/such.so: no such library$", [], "mine=/no/such.so")
        self.assert_bad("no such library$", [], f"mine={self.directory}")

    def test_a_relative_path_becomes_absolute(self):
        path = self.file("libmine.so")
        with mock.patch.object(Path, "cwd", return_value=self.directory), \
                mock.patch("os.getcwd", return_value=str(self.directory)), \
                mock.patch.object(Path, "is_file", return_value=True):
            self.assertEqual(find_allocators([], "mine=libmine.so")[-1].path, path)


class Known(InTemporaryDirectory):
    def test_the_systems_malloc_is_found(self):
        library = allocators.find_library("libc.so.6")
        self.assertTrue(library.is_file())

    def test_a_library_that_does_not_exist_is_not_found(self):
        self.assertIsNone(allocators.find_library("libnosuchmalloc.so.9"))

    def test_a_library_of_another_machine_is_not_found(self):
        text = "\tlibc.so.6 (libc6) => /lib/i386-linux-gnu/libc.so.6\n"
        with mock.patch.object(allocators, "_output", return_value=text):
            self.assertIsNone(allocators.find_library("libc.so.6"))

    def test_a_builds_version_is_its_file_and_its_digest_the_contents(self):
        one, two = self.directory / "one.so", self.directory / "two.so"
        one.write_text("1")
        two.write_text("2")
        self.assertEqual(Allocator("mine", one).version, "one.so")
        self.assertRegex(Allocator("mine", one).digest, "^[0-9a-f]{12}$")
        self.assertNotEqual(Allocator("mine", one).digest, Allocator("mine", two).digest)

    def test_molt_comes_first_then_debians_then_the_others(self):
        self.assertEqual(in_order(["zzz", *reversed(DEBIANS), "aaa", "molt", "zzz"]),
                         ["molt", *DEBIANS, "zzz", "aaa"])

    def test_the_nearest_name_is_suggested(self):
        self.assertEqual(unknown("item", "severs", ["server", "tree"]),
                         "no item is called severs: did you mean server?")


if __name__ == "__main__":
    unittest.main()
