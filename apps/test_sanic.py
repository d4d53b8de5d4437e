"""Sanic: its workers, a single process, and behind uvicorn."""

import time

import pytest
from pages import Page
from servers import echoes, echoes_on_websocket, on_ironloop, started, with_ends

PAGE = Page("sanic")


@pytest.mark.parametrize(
    ("command", "how"),
    with_ends(
        [*PAGE.commands("On the command line"), *PAGE.commands("Its application behind another server")]
    ),
)
def test_serves_and_ends(command, how, tmp_path):
    with started(PAGE, command, tmp_path) as server:
        on_ironloop(server)
        echoes(server)
        echoes_on_websocket(server)
        # Sanic's main process looks ten times a second whether its workers are there, and a signal before
        # that makes it wait for ever, on each loop. It says nowhere that it has seen them.
        time.sleep(2)
        server.stop(how)
