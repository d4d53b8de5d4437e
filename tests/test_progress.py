"""How far a long command is, on a terminal and elsewhere."""

import io

import progress
import pytest
from progress import Progress, told


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "KEPT", tmp_path)
    # These tests run inside of a step themselves: of `make test`.
    for name in progress.INSIDE:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_what_earlier_runs_took_is_the_estimate(kept):
    (kept / "work.json").write_text('{"a": 100, "b": 20}')
    with Progress("work", ["a", "b", "new"], out=io.StringIO()) as run:
        assert run.left() == pytest.approx(100 + 20 + 60)
        with run.step("a"):
            assert 175 < run.left() <= 180
        assert run.left() == pytest.approx(20 + 10, abs=1)
    with Progress("work", ["a", "b"], out=io.StringIO()) as run:
        assert run.left() == pytest.approx(20, abs=1)


def test_steps_at_once_share_the_time(kept):
    (kept / "work.json").write_text('{"long": 100, "short": 10}')
    with Progress("work", ["long", *["short"] * 10], at_once=2, out=io.StringIO()) as run:
        assert run.left() == pytest.approx(100)


def test_a_step_that_fails_is_done_and_not_remembered(kept):
    out = io.StringIO()
    with Progress("work", ["a"], out=out) as run:
        with pytest.raises(ValueError), run.step("a"):
            raise ValueError
        assert run.left() == 0
    assert not (kept / "work.json").exists()


def test_elsewhere_there_are_plain_lines():
    out = io.StringIO()
    with Progress("work", ["a"], out=out) as run, run.step("a"):
        run.print("a line")
    assert out.getvalue() == "work: 0 of 1, 5 s left\na line\n"


def test_on_a_terminal_one_line_stays_below_the_others():
    out = Terminal()
    with Progress("work", ["a", "b"], ticks=False, out=out) as run, run.step("a"):
        run.print("a line")
    shown = out.getvalue().split("\r\x1b[K")
    assert "a line\n" in "".join(shown)
    assert any("0 of 2" in line and line.endswith("left: a") for line in shown)
    assert shown[-1] == ""


def test_inside_of_another_s_step_the_line_is_the_parent_s(monkeypatch):
    for name, value in progress.INSIDE.items():
        monkeypatch.setenv(name, value)
    out = Terminal()
    with Progress("work", ["a"], ticks=False, out=out) as run, run.step("a"):
        run.print("a line")
    assert "\r" not in out.getvalue()


def test_durations_are_told_as_one_says_them():
    assert [told(seconds) for seconds in (40, 89, 150, 4800)] == ["40 s", "89 s", "2 min", "1 h 20 min"]
