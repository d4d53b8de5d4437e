"""The planted faults of examples/simulated are found and made short; Hypothesis drives a simulation; no
alarm where nothing is wrong."""

import re
import sys

import pytest
from conftest import needs_ironloop
from programs import ROOT, run_program

pytestmark = needs_ironloop

FOUND = {
    "lost_update": "a booking is lost",
    "retry_storm": "it answers again",
    "lock_order": "a circle: to savings waits for to wages waits for to savings",
    "deadlock_by_partition": "held by writer",
}


def test_each_example_is_known():
    assert {path.stem for path in (ROOT / "examples" / "simulated").glob("*.py")} == set(FOUND)


@pytest.mark.parametrize("name", FOUND)
def test_the_planted_fault_is_found_and_made_short(name):
    outcome = run_program([sys.executable, ROOT / "examples" / "simulated" / f"{name}.py"])
    assert outcome.returncode == 0, outcome.stderr
    assert FOUND[name] in outcome.stdout, outcome.stdout
    (told,) = re.findall(
        r"fails with (\d+) deviations? \(found by run \d+ of \d+, made shorter by (\d+)", outcome.stdout
    )
    assert int(told[0]) <= 3 and int(told[1]) <= 200, outcome.stdout
    assert "differs first in step" in outcome.stdout, outcome.stdout


def test_no_alarm_where_nothing_is_wrong_and_two_processes_agree():
    outcome = run_program([sys.executable, ROOT / "tools" / "simulation_proof.py", "30"])
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert outcome.stdout.count("30 seeds") == outcome.stdout.count("no alarm") > 10
    # The programs of its own, and those of libraries.
    assert outcome.stdout.count("in two processes: 0 differ") == 2


MACHINE = """
import asyncio
from hypothesis import Phase, settings, strategies
from hypothesis.stateful import initialize, invariant, rule
from ironloop.simulator.machines import SimulatedMachine, step


class Bank(SimulatedMachine):
    order = "tasks"

    @initialize()
    @step
    async def open(self):
        self.balance = self.expected = 0
        self.hours = 0
        self.clock = asyncio.create_task(self.tick())
        self.sim.always(lambda: self.balance >= 0, "no debts")

    async def tick(self):
        while True:
            await asyncio.sleep(3600)
            self.hours += 1

    @rule(amounts=strategies.lists(strategies.integers(1, 100), max_size=5))
    @step
    async def deposit(self, amounts):
        await asyncio.gather(*map(self.book, amounts))
        self.expected += sum(amounts)

    async def book(self, amount):
        seen = self.balance
        {pause}
        self.balance = seen + amount
        await asyncio.sleep(1)

    @rule()
    @step
    async def wait(self):
        before = self.hours
        await asyncio.sleep(3601)
        assert self.hours > before

    @invariant()
    @step
    async def adds_up(self):
        assert self.balance == self.expected

    @invariant()
    def is_plain(self):
        assert self.hours >= 0


TestBank = Bank.TestCase
TestBank.settings = settings(
    max_examples=30,
    stateful_step_count=4,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate, Phase.shrink],
)
"""


@pytest.mark.parametrize("holds", [True, False])
def test_hypothesis_drives_a_simulation(holds, tmp_path):
    pytest.importorskip("hypothesis")
    program = MACHINE.replace(
        "{pause}", "pass" if holds else "await asyncio.sleep(0) if amount > 1 else None"
    )
    (tmp_path / "test_bank.py").write_text(program)
    without = [
        word for name in ("cacheprovider", "ddtrace", "looptime_plugin") for word in ("-p", f"no:{name}")
    ]
    command = [sys.executable, "-m", "pytest", "-q", *without, "test_bank.py"]
    outcome = run_program(command, cwd=tmp_path)
    output = outcome.stdout + outcome.stderr
    if holds:
        assert "1 passed" in output, output
    else:
        assert "1 failed" in output and "state.deposit(amounts=[" in output, output
        assert "state.begin_simulation(seed=" in output, output
