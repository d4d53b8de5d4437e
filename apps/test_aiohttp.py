"""aiohttp: `run_app`, its command line, gunicorn's workers, and its client."""

import signal

import pytest
from pages import Page
from servers import echoes, echoes_on_websocket, on_ironloop, run, started, with_ends

PAGE = Page("aiohttp")
SERVER = PAGE.command("A server")
CLIENT = PAGE.command("A client")


@pytest.mark.parametrize(
    ("command", "how"),
    with_ends(
        [
            SERVER,
            *PAGE.commands("Its command line, and programs that say nothing"),
            *PAGE.commands("Behind gunicorn"),
        ]
    ),
)
def test_serves_and_ends(command, how, tmp_path):
    with started(PAGE, command, tmp_path) as server:
        on_ironloop(server)
        echoes(server)
        echoes_on_websocket(server)
        server.stop(how)


def test_a_client(tmp_path):
    with started(PAGE, SERVER, tmp_path) as server:
        on_ironloop(server)
        assert run(PAGE, CLIENT, tmp_path / "client", server.port) == "['one', 'two', 'three']\n"
        server.stop(signal.SIGTERM)
