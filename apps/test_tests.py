"""pytest-asyncio, anyio's plugin, xdist and unittest, by ironloop's plugin for pytest and without."""

import pytest
from pages import Page
from servers import run

PAGE = Page("tests")
BOTH = PAGE.command("Both loops")
UNITTEST = PAGE.command("unittest")


@pytest.mark.parametrize("command", PAGE.commands("pytest"))
def test_all_on_ironloop(command, tmp_path):
    assert "4 passed" in run(PAGE, command, tmp_path)


def test_both_loops_by_name(tmp_path):
    output = run(PAGE, BOTH, tmp_path)
    assert "2 passed" in output
    assert "test_it[asyncio]" in output
    assert "test_it[ironloop]" in output


def test_unittest(tmp_path):
    assert "OK" in run(PAGE, UNITTEST, tmp_path)
