"""gunicorn: its own ASGI worker, and uvicorn's."""

import signal

import pytest
from pages import Page
from servers import echoes, echoes_on_websocket, on_ironloop, started, wait_for, with_ends

PAGE = Page("gunicorn")


@pytest.mark.parametrize(
    ("command", "how"), with_ends([*PAGE.commands("Its own ASGI worker"), *PAGE.commands("uvicorn's worker")])
)
def test_serves_and_ends(command, how, tmp_path):
    with started(PAGE, command, tmp_path) as server:
        assert on_ironloop(server) != server.process.pid
        echoes(server)
        echoes_on_websocket(server)
        server.stop(how)


@pytest.mark.parametrize("command", PAGE.commands("Workers"))
def test_workers_are_replaced_by_sighup(command, tmp_path):
    with started(PAGE, command, tmp_path) as server:
        before = on_ironloop(server)
        server.process.send_signal(signal.SIGHUP)

        wait_for(lambda: on_ironloop(server) != before, server.output)
        echoes(server)
        server.stop(signal.SIGTERM)
