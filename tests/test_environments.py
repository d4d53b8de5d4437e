"""Output of commands that tools/environments.py runs at once."""

import io

from environments import InOrder
from progress import Progress


def test_the_first_is_shown_as_it_comes_and_the_others_when_it_has_ended(capsys):
    with Progress("work", ["a", "b", "c"], out=io.StringIO()) as progress:
        output = InOrder(["a", "b", "c"], progress)
        with output.of("a") as a:
            with output.of("b") as b, output.of("c") as c:
                b("b 1")
                a("a 1")
                c("c 1")
                assert capsys.readouterr().out == "a 1\n"
                b("b 2")
            assert capsys.readouterr().out == ""
            a("a 2")
            assert capsys.readouterr().out == "a 2\n"
        assert capsys.readouterr().out == "b 1\nb 2\nc 1\n"


def test_the_next_one_goes_on_as_it_comes(capsys):
    with Progress("work", ["a", "b"], out=io.StringIO()) as progress:
        output = InOrder(["a", "b"], progress)
        with output.of("b") as b:
            b("b 1")
            with output.of("a"):
                pass
            assert capsys.readouterr().out == "b 1\n"
            b("b 2")
            assert capsys.readouterr().out == "b 2\n"
