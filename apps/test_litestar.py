"""Litestar: its own command, and uvicorn's."""

import pytest
from pages import Page
from servers import echoes, echoes_on_websocket, on_ironloop, started, with_ends

PAGE = Page("litestar")


@pytest.mark.parametrize(
    ("command", "how"), with_ends([*PAGE.commands("Its own command"), *PAGE.commands("uvicorn's command")])
)
def test_serves_and_ends(command, how, tmp_path):
    with started(PAGE, command, tmp_path) as server:
        on_ironloop(server)
        echoes(server)
        echoes_on_websocket(server)
        server.stop(how)
