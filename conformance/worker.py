"""Runs tests of one module of CPython's suite in this process, and tells `run.py` of each over a pipe.

    worker.py PIPE MODULE LOOP

The names of the tests to run (all, if none) come as JSON on standard input.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import unittest
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))


class Reporter(unittest.TestResult):
    """One line of JSON when a test begins and one when it has ended."""

    def __init__(self, pipe: int, loops_made: Any) -> None:
        super().__init__()
        self._pipe = pipe
        self._loops_made = loops_made
        self._before = 0
        self._text: list[str] = []
        self._outcome = "passed"

    def tell(self, **message: Any) -> None:
        os.write(self._pipe, json.dumps(message).encode() + b"\n")

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self._outcome, self._text = "passed", []
        self._before = self._loops_made()
        self.tell(start=name(test))

    def stopTest(self, test: unittest.TestCase) -> None:
        super().stopTest(test)
        on_loop = self._loops_made() > self._before
        self.tell(end=name(test), outcome=self._outcome, text="\n".join(self._text), on_loop=on_loop)

    def _failed(self, test: Any, error: Any) -> None:
        text = self._exc_info_to_string(error, test)
        if isinstance(test, unittest.TestCase):
            self._outcome = "failed"
            self._text.append(text)
        else:
            # setUpModule and its kin: `test` only names what could not be set up.
            self.tell(broken=str(test), text=text)

    def addError(self, test: Any, err: Any) -> None:
        self._failed(test, err)

    def addFailure(self, test: Any, err: Any) -> None:
        self._failed(test, err)

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
        if err is not None:
            self._failed(test, err)

    def addSkip(self, test: Any, reason: str) -> None:
        if isinstance(test, unittest.TestCase) and not hasattr(test, "test_case"):
            self._outcome = "skipped" if self._outcome == "passed" else self._outcome
            self._text.append(reason)

    def addExpectedFailure(self, test: Any, err: Any) -> None:
        pass

    def addUnexpectedSuccess(self, test: Any) -> None:
        self._outcome, self._text = "failed", ["unexpected success"]


def name(test: unittest.TestCase) -> str:
    """`test_events.EPollEventLoopTests.test_close`."""
    return test.id().removeprefix("test.test_asyncio.")


def main() -> None:
    pipe, module, loop = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    os.set_inheritable(pipe, False)  # the suite starts processes of its own
    faulthandler.enable()
    wanted = json.load(sys.stdin)
    import loops

    if loop == "ironloop":
        loops.install(module)
    suite = unittest.defaultTestLoader.loadTestsFromName(f"test.test_asyncio.{module}")
    tests = list(loops.each(suite))
    reporter = Reporter(pipe, lambda: loops.made)
    reporter.tell(tests=[name(test) for test in tests])
    chosen = [test for test in tests if not wanted or name(test) in wanted]
    unittest.TestSuite(chosen).run(reporter)
    reporter.tell(done=True)
    # What the suite leaves behind (executors' threads, helpers' processes) is not waited for.
    os._exit(0)


if __name__ == "__main__":
    main()
