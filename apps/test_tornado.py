"""Tornado: with ironloop.run, in the older style, and forked."""

import os
import signal

import pytest
from pages import Page
from servers import alive, echoes, echoes_on_websocket, on_ironloop, started, wait_for, with_ends

PAGE = Page("tornado")
FORKED = PAGE.command("Several processes")


@pytest.mark.parametrize(
    ("command", "how"),
    with_ends([*PAGE.commands("One process"), *PAGE.commands("Programs that say nothing")]),
)
def test_serves_and_ends(command, how, tmp_path):
    with started(PAGE, command, tmp_path) as server:
        assert on_ironloop(server) == server.process.pid
        echoes(server)
        echoes_on_websocket(server)
        server.stop(how)


def test_forks(tmp_path):
    with started(PAGE, FORKED, tmp_path) as server:
        assert on_ironloop(server) != server.process.pid
        echoes(server)
        echoes_on_websocket(server)
        # Tornado's parent has no handler for it, and would leave its children.
        os.killpg(server.process.pid, signal.SIGTERM)
        server.ends()
        wait_for(lambda: not alive(server.process.pid), server.output)
