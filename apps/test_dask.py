"""Dask distributed: the scheduler's process and two workers, all on ironloop."""

import pytest
from pages import Page
from servers import run

PAGE = Page("clusters", tested_elsewhere={"Ray"})


@pytest.mark.parametrize("command", PAGE.commands("Dask"))
def test_all_processes_run_on_ironloop(command, tmp_path):
    words = [line.split() for line in run(PAGE, command, tmp_path).splitlines()]
    workers = [line for line in words if line[0] == "worker"]
    assert [loop for _, loop, _ in workers] == ["ironloop.Loop"] * 2
    assert len({process for _, _, process in workers}) == 2
    assert ["sum", str(sum(number * number for number in range(100)))] in words
    assert ["here", "<class", "'ironloop.Loop'>"] in words
