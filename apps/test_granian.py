"""granian: the loop of its workers."""

import pytest
from pages import Page
from servers import echoes, echoes_on_websocket, on_ironloop, started, with_ends

PAGE = Page("granian")


@pytest.mark.parametrize(
    ("command", "how"),
    with_ends(
        [*PAGE.commands("On the command line"), *PAGE.commands("Workers"), *PAGE.commands("In a program")]
    ),
)
def test_serves_and_ends(command, how, tmp_path):
    with started(PAGE, command, tmp_path) as server:
        assert on_ironloop(server) != server.process.pid
        echoes(server)
        echoes_on_websocket(server)
        server.stop(how)
