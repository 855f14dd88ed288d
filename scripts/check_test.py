"""Tests of scripts/check: what is counted, and that nothing passes by accident."""

import importlib.machinery
import importlib.util
import tempfile
import unittest
from pathlib import Path

LOADER = importlib.machinery.SourceFileLoader("suite", str(Path(__file__).with_name("check")))
suite = importlib.util.module_from_spec(importlib.util.spec_from_loader("suite", LOADER))
LOADER.exec_module(suite)

RUST = """
test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s
test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s
"""
MACHINES = """
running 4 tests
test Xen of sid: boots    ... ignored (without the Xen of sid: 404 (Not Found))
test dom0: boots          ... ok
test dom0: boots (twice)  ... FAILED
test bare metal: ignored  ... ok

failures:

---- dom0: boots (twice) ----
it never said: x

failures:
    dom0: boots (twice)

test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 8.00s

passed, and said:

dom0: boots (5 s)
    test result: ok. 5 passed
"""
TAP = """TAP version 13
1..4
ok 1 - boots (20 s)
not ok 2 - boots twice
# ok 5 - a comment
ok 3 - no such device # SKIP
ok 4 - ends
"""


class Counting(unittest.TestCase):
    """Reading results."""

    def test_rust_results_add_up(self):
        self.assertEqual(suite.libtest(RUST), suite.Count(15, 2))
        ignored = "running 1 test\ntest a ... ignored, needs QEMU\n" \
            "test result: ok. 0 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n"
        self.assertEqual(suite.count(suite.libtest, ignored, 0), suite.Count(0, 1))

    def test_rust_tests_are_skipped_that_say_why(self):
        skip = "Xen of sid: boots: without the Xen of sid: 404 (Not Found)"
        self.assertEqual(suite.libtest(MACHINES), suite.Count(2, 1, [skip]))
        self.assertEqual(str(suite.libtest(MACHINES)), "2 passed, 1 failed, 1 skipped")

    def test_of_failures_their_reasons_are_shown(self):
        lines = suite.shown(MACHINES)
        self.assertEqual(lines[2], "---- dom0: boots (twice) ----")
        self.assertTrue(lines[-1].startswith("test result: FAILED."))
        self.assertEqual(suite.shown("a\nb\n"), ["a", "b"])

    def test_tap_results_add_up_without_comments_and_skips(self):
        self.assertEqual(suite.tap(TAP), suite.Count(2, 1, ["no such device: "]))
        skip = "1..1\nok 1 - a: b # SKIP without x: not there\n"
        self.assertEqual(suite.count(suite.tap, skip, 0),
                         suite.Count(0, 0, ["a: b: without x: not there"]))
        self.assertEqual(str(suite.tap(TAP)), "2 passed, 1 failed, 1 skipped")

    def test_planned_tests_that_are_missing_have_failed(self):
        self.assertEqual(suite.tap("1..4\nok 1\nok 2\n"), suite.Count(2, 2))
        self.assertEqual(suite.tap("ok 1\n"), suite.Count(1, 1))
        self.assertEqual(suite.libtest("running 3 tests\ntest a ... ok\n"), suite.Count(0, 3))

    def test_a_program_that_counts_by_itself_is_believed_at_its_end(self):
        output = "a CRASH\n2 passed, 0 failed\nb well\n20 passed, 1 failed\n"
        self.assertEqual(suite.summary(output), suite.Count(20, 1))
        self.assertEqual(suite.count(suite.summary, "20 passed, 0 failed\nkilled\n", 1),
                         suite.Count(0, 1))

    def test_python_results_count_one_by_one(self):
        self.assertEqual(suite.unittest("Ran 5 tests in 0.1s\n\nOK\n"), suite.Count(5, 0))
        output = "Ran 5 tests in 0.1s\n\nFAILED (failures=1, errors=1)\n"
        self.assertEqual(suite.unittest(output), suite.Count(3, 2))

    def test_a_check_counts_as_one(self):
        self.assertEqual(suite.count(suite.nothing, "", 0), suite.Count(1, 0))
        self.assertEqual(suite.count(suite.nothing, "", 2), suite.Count(0, 1))

    def test_a_program_that_dies_has_failed_whatever_it_said(self):
        self.assertEqual(suite.count(suite.tap, "ok 1 - x\n", 1), suite.Count(1, 1))

    def test_a_part_without_its_piece_is_skipped_with_the_reason(self):
        with tempfile.TemporaryDirectory() as place:
            suite.MISSING = Path(place)
            (suite.MISSING / "flake8").write_text("404 Not Found\n")
            run = suite.run(suite.Part("lint", ["false"], needs="flake8"))
            self.assertEqual(run, suite.Count(0, 0, ["lint: without flake8: 404 Not Found"]))
            self.assertEqual(suite.Part("lint", ["false"], needs="shellcheck").missing(), "")
            self.assertEqual(suite.Part("lint", ["false"]).missing(), "")

    def test_no_test_at_all_is_a_failure(self):
        self.assertEqual(suite.count(suite.libtest, "", 0), suite.Count(0, 1))


if __name__ == "__main__":
    unittest.main()
