"""hypercorn: on its command line, with workers, and embedded in a program."""

import signal

import pytest
from pages import Page
from servers import echoes, echoes_on_websocket, on_ironloop, started, with_ends

PAGE = Page("hypercorn")


@pytest.mark.parametrize(
    ("command", "how"), with_ends([*PAGE.commands("On the command line"), *PAGE.commands("In a program")])
)
def test_serves_and_ends(command, how, tmp_path):
    with started(PAGE, command, tmp_path) as server:
        on_ironloop(server)
        echoes(server)
        echoes_on_websocket(server)
        server.stop(how)


@pytest.mark.parametrize("command", PAGE.commands("Workers"))
def test_workers(command, tmp_path):
    with started(PAGE, command, tmp_path) as server:
        assert on_ironloop(server) != server.process.pid
        echoes(server)
        server.stop(signal.SIGTERM)
