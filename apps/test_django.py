"""Django: on uvicorn, on daphne, and its own command for those who work on it."""

import pytest
from pages import Page
from servers import echoes, echoes_on_websocket, on_ironloop, started, with_ends

PAGE = Page("django")


@pytest.mark.parametrize(
    ("command", "how"),
    [
        *with_ends(PAGE.commands("uvicorn")),
        *with_ends(PAGE.commands("daphne")),
        *with_ends(PAGE.commands("While one works on it")),
    ],
)
def test_serves_and_ends(command, how, tmp_path):
    with started(PAGE, command, tmp_path) as server:
        on_ironloop(server)
        echoes(server)
        echoes_on_websocket(server)
        assert server.ask("/database") == b"42"
        server.stop(how)
