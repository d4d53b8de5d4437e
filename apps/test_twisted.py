"""Twisted's web server on its asyncio reactor, and Scrapy, which crawls it."""

import json
import signal

import pytest
from pages import Page
from servers import echoes, on_ironloop, run, started, wait_for, with_ends

PAGE = Page("twisted")
SERVER = PAGE.command("Twisted")
TWISTD = PAGE.command("twist and twistd")


@pytest.mark.parametrize(("command", "how"), with_ends([SERVER]))
def test_serves_and_ends(command, how, tmp_path):
    with started(PAGE, command, tmp_path) as server:
        assert on_ironloop(server) == server.process.pid
        echoes(server)
        server.stop(how)


def test_twistd(tmp_path):
    with started(PAGE, TWISTD, tmp_path) as server:

        def answers():
            try:
                return b"asyncioreactor" in server.ask("/server.py")
            except OSError:
                return False

        wait_for(answers, server.output)
        # It says at its end if some other loop has run.
        server.stop(signal.SIGTERM)


@pytest.mark.parametrize("command", PAGE.commands("Scrapy"))
def test_scrapy(command, tmp_path):
    with started(PAGE, SERVER, tmp_path) as server:
        on_ironloop(server)
        run(PAGE, command, tmp_path / "spider", server.port)
        items = json.loads((tmp_path / "spider" / "items.json").read_text())
        assert items == [{"here": "ironloop.Loop", "there": "ironloop.Loop"}]
        server.stop(signal.SIGTERM)
