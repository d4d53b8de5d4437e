"""NiceGUI: `ui.run`, by uvicorn's loop and with nothing said."""

import signal

import pytest
from pages import Page
from servers import on_ironloop, started

PAGE = Page("nicegui")


@pytest.mark.parametrize("command", [*PAGE.commands("Its page"), *PAGE.commands("Programs that say nothing")])
def test_serves_and_ends(command, tmp_path):
    with started(PAGE, command, tmp_path) as server:
        assert on_ironloop(server, "/loop") == server.process.pid
        assert b"Hello from ironloop" in server.ask("/")
        server.stop(signal.SIGTERM)
