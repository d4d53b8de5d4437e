"""Textual: an app on a terminal, and one without."""

import os
import pty
import shlex
import subprocess

import pytest
from pages import Page
from servers import PATIENCE, environment, run

PAGE = Page("textual")
HEADLESS = PAGE.command("Without a terminal")
LOOP = "<class 'ironloop.Loop'>"


@pytest.mark.parametrize(
    "command", [*PAGE.commands("A program"), *PAGE.commands("Programs that say nothing")]
)
def test_on_a_terminal(command, tmp_path):
    PAGE.write_programs(tmp_path, 0)
    words = shlex.split(command)
    variables = {"TERM": "xterm-256color"}
    if "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        variables[name] = value
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        words,
        cwd=tmp_path,
        env=environment(tmp_path, **variables),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        output = b""
        try:
            while received := os.read(ours, 65536):
                output += received
        except OSError:
            pass  # that is a terminal's end of file
        finally:
            os.close(ours)
        assert process.wait(PATIENCE) == 0, output
    assert output.decode().splitlines()[-1].endswith(LOOP)


def test_without_a_terminal(tmp_path):
    assert run(PAGE, HEADLESS, tmp_path) == f"{LOOP}\n"
