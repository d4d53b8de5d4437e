"""Each program of examples/ runs to its end, on stock asyncio and on ironloop."""

import pytest
from conftest import loop_parameters, needs_ironloop
from programs import ROOT, command_for, run_program, run_programs

EXAMPLES = sorted(
    path for path in (ROOT / "examples").glob("*.py") if "__main__" in path.read_text(encoding="utf-8")
)
TOUR = ROOT / "examples" / "tour.py"


@pytest.fixture(scope="module", params=loop_parameters())
def outcomes(request):
    """What became of each example on the loop of this name."""
    commands = {path.stem: [*command_for(request.param), path] for path in EXAMPLES if path != TOUR}
    return run_programs(commands, 3)


def test_there_are_examples():
    assert TOUR in EXAMPLES
    assert len(EXAMPLES) > 10


@pytest.mark.timeout(240)  # the first test runs them all
@pytest.mark.parametrize("name", [path.stem for path in EXAMPLES if path != TOUR])
def test_the_example_ends_well(outcomes, name):
    outcome = outcomes[name]
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.strip()
    assert "Traceback" not in outcome.stderr


@needs_ironloop
@pytest.mark.timeout(180)
def test_the_tour_ends_in_a_table():
    outcome = run_program([*command_for("ironloop"), TOUR])
    assert outcome.returncode == 0, outcome.stderr
    table = outcome.stdout.splitlines()[-40:]
    assert any("asyncio" in line and "ironloop" in line for line in table)
    assert "\x1b[" not in outcome.stdout  # colours are for terminals
