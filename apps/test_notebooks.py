"""Jupyter's kernel and IPython: cells on ironloop, and coroutines run inside of them."""

import pytest
from pages import Page
from servers import run

PAGE = Page("notebooks")
INSTALL, CELLS = PAGE.commands("A kernel of its own")
NESTED = PAGE.command("Running a coroutine inside a cell")
IPYTHON = PAGE.command("IPython on a terminal")


@pytest.fixture
def home(tmp_path):
    """The home of somebody who has installed the kernel."""
    run(PAGE, INSTALL, tmp_path)
    return tmp_path


def test_cells_run_on_ironloop(home):
    assert run(PAGE, CELLS, home).splitlines()[-2:] == ["<class 'ironloop.Loop'>", "[0, 1, 2]"]


def test_coroutines_run_inside_a_cell(home):
    assert run(PAGE, NESTED, home).splitlines()[-2:] == ["42", "42"]


def test_ipython(tmp_path):
    assert run(PAGE, IPYTHON, tmp_path).splitlines()[-1] == "<class 'ironloop.Loop'>"
