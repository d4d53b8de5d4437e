"""Ray: two actors in processes of their own, all on ironloop."""

from pages import Page
from servers import run

PAGE = Page("clusters", tested_elsewhere={"Dask"})
COMMAND = PAGE.command("Ray")


def test_all_processes_run_on_ironloop(tmp_path):
    words = [line.split() for line in run(PAGE, COMMAND, tmp_path).splitlines()]
    workers = [line for line in words if line[0] == "worker"]
    assert [loop for _, loop, _ in workers] == ["ironloop.Loop"] * 2
    assert len({process for _, _, process in workers}) == 2
    assert ["sum", str(sum(number * number for number in range(20)))] in words
    assert ["here", "<class", "'ironloop.Loop'>"] in words
