"""uvicorn: on its command line, with workers, with reload, and embedded in a program."""

import signal
import time

import pytest
from pages import Page
from servers import echoes, echoes_on_websocket, on_ironloop, started, wait_for, with_ends

PAGE = Page("uvicorn")
WORKERS = PAGE.command("Workers")
RELOAD = PAGE.command("Reload")


@pytest.mark.parametrize(
    ("command", "how"), with_ends([*PAGE.commands("On the command line"), *PAGE.commands("In a program")])
)
def test_serves_and_ends(command, how, tmp_path):
    with started(PAGE, command, tmp_path) as server:
        assert on_ironloop(server) == server.process.pid
        echoes(server)
        echoes_on_websocket(server)
        server.stop(how)
        server.says("Application shutdown complete.")


def test_an_embedded_server_lets_other_work_go_on(tmp_path):
    with started(PAGE, "python embedded.py", tmp_path) as server:
        server.says("other work goes here")


def test_each_worker_has_a_loop_of_ironloops_and_is_replaced_by_sighup(tmp_path):
    with started(PAGE, WORKERS, tmp_path) as server:
        on_ironloop(server)
        first = workers(server, 2)
        assert server.process.pid not in first
        server.process.send_signal(signal.SIGHUP)
        second = workers(server, 2, without=first)
        assert not first & second
        server.stop(signal.SIGTERM)


def workers(server, count, without=frozenset()):
    """The processes that answer: the kernel gives connections to whoever waits."""
    seen = set()

    def seen_all():
        seen.add(on_ironloop(server))
        return len(seen - without) == count

    wait_for(seen_all, lambda: f"{seen} answered:\n{server.output()}")
    return seen - without


def test_reload(tmp_path):
    with started(PAGE, RELOAD, tmp_path) as server:
        before = on_ironloop(server)
        edited = 0.0

        def reloaded():
            # Nothing tells from when on it watches.
            nonlocal edited
            if time.monotonic() > edited + 3:
                edited = time.monotonic()
                (tmp_path / "app.py").open("a").write("\n# edited\n")
            return on_ironloop(server) != before

        wait_for(reloaded, server.output)
        server.stop(signal.SIGINT)
