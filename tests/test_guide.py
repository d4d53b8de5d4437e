"""Every Python program of the guide runs unmodified, on both loops, against local stand-ins."""

import asyncio
import json
import re
import ssl
from pathlib import Path

import asyncpg
import pytest
from conftest import loop_parameters
from guide.blocks import GUIDE, count_blocks, expected_restaurant_output, read_blocks
from guide.fragments import FRAGMENTS, UNCALLED, WHOLE
from guide.stand_ins import http_servers
from programs import command_for, run_program, run_programs

pytestmark = [
    pytest.mark.skipif(not GUIDE.exists(), reason="the guide is not beside this checkout"),
    pytest.mark.timeout(240),  # the first test runs all the programs
]

FOLDER = Path(__file__).parent / "guide"


@pytest.fixture(scope="module")
def stand_ins(authority, server_tls, postgres, tmp_path_factory):
    """The environment variables that lead the guide's programs to our servers."""

    async def fill_database():
        connection = await asyncpg.connect(postgres.dsn)
        await connection.execute("CREATE TABLE users (id int PRIMARY KEY, name text)")
        await connection.execute("INSERT INTO users VALUES (1, 'Alice'), (2, 'Bob'), (3, 'Carol')")
        await connection.close()

    asyncio.run(fill_database())
    certificate = tmp_path_factory.mktemp("guide") / "authority.pem"
    authority.cert_pem.write_to_path(certificate)
    with http_servers(authority_context(authority)) as (plain, encrypted):
        ports = {
            "api.example.com:443": encrypted,
            "httpbin.org:443": encrypted,
            "localhost:8000": plain,
            "localhost:5432": postgres.port,
        }
        yield {
            "IRONLOOP_GUIDE_PORTS": json.dumps(ports),
            "SSL_CERT_FILE": str(certificate),
            "REQUESTS_CA_BUNDLE": str(certificate),
        }
    asyncio.run(empty_database(postgres))


def authority_context(authority):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("api.example.com", "httpbin.org").configure_cert(context)
    return context


async def empty_database(postgres):
    connection = await asyncpg.connect(postgres.dsn)
    await connection.execute("DROP TABLE users")
    await connection.close()


@pytest.fixture(scope="module", params=loop_parameters())
def outcomes(request, stand_ins, tmp_path_factory):
    """What became of each program on the loop of this name."""
    python = command_for(request.param)
    folder = tmp_path_factory.mktemp(request.param)
    commands = {}
    for number, (heading, source) in enumerate(read_blocks().items()):
        file = folder / f"block_{number}.py"
        file.write_text(source, encoding="utf-8")
        if heading in WHOLE:
            commands[heading] = [*python, file]
        if heading in FRAGMENTS:
            commands[heading] = [*python, FOLDER / "harness.py", heading, file]
        if heading in UNCALLED:
            commands[f"{heading} (uncalled)"] = [*python, FOLDER / "harness.py", heading, file]
    for name, command in commands.items():
        if "httpx" in command[-1].read_text(encoding="utf-8"):
            commands[name] = ["env", "IRONLOOP_GUIDE_HTTPX=1", *command]
    variables = {**stand_ins, "PYTHONPATH": str(FOLDER / "environment")}
    backwards = dict(reversed(commands.items()))  # the longest one comes late in the guide
    return {
        "loop": request.param,
        "again": lambda name: run_program(commands[name], **variables),
        **run_programs(backwards, 10, **variables),
    }


def names():
    return [*WHOLE, *FRAGMENTS, *(f"{heading} (uncalled)" for heading in UNCALLED)]


def seconds(output, label):
    return float(re.search(rf"{label}: ([0-9.]+)", output)[1])


def best_of_several(outcomes, name, good):
    """What a program prints, from the first of several runs that is ``good``: a busy machine spoils some."""
    outcome = outcomes[name]
    for _ in range(10):
        if good(outcome.stdout):
            break
        outcome = outcomes["again"](name)
    return outcome.stdout


def test_no_program_is_left_out():
    blocks = read_blocks()
    assert len(blocks) == count_blocks()
    assert blocks.keys() == WHOLE | FRAGMENTS.keys()
    assert not WHOLE & FRAGMENTS.keys()
    assert UNCALLED.keys() <= WHOLE


@pytest.mark.parametrize("name", sorted(names()))
def test_the_program_runs(outcomes, name):
    outcome = outcomes[name]
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stderr == ""


def test_the_restaurant_prints_the_fifteen_steps_of_the_guide(outcomes):
    expected = expected_restaurant_output()
    assert len(re.findall(r"Step \d+:", expected)) == 15
    assert outcomes["How the Event Loop Works - Step by Step"].stdout == expected


def test_sequential_takes_four_seconds_and_concurrent_two(outcomes):
    sequential = seconds(outcomes["Traditional Synchronous Execution"].stdout, "Total time")
    assert 4.0 <= sequential < 60.0
    output = best_of_several(
        outcomes, "Concurrent Execution", lambda output: seconds(output, "Total time") < 3.9
    )
    assert 2.0 <= seconds(output, "Total time") < 3.9


def test_ten_sleeps_speed_up_about_tenfold(outcomes):
    output = best_of_several(outcomes, "Performance Metrics", lambda output: seconds(output, "Speedup") > 5)
    assert seconds(output, "Sequential") >= 1.0
    assert seconds(output, "Speedup") > 5


def test_the_programs_ran_on_the_loop_under_test(outcomes):
    output = outcomes["Event Loop Inspection - Advanced Understanding"].stdout
    kind = re.search(r"Type: <class '(.+?)'>", output)[1]
    assert kind.startswith("ironloop." if outcomes["loop"] == "ironloop" else "asyncio.")
    assert "Running: True" in output
    assert "All monitored tasks completed!" in output


def test_sequential_requests_keep_their_order(outcomes):
    assert outcomes["Basic Async Function"].stdout.splitlines() == [
        "Starting request 1...",
        "Request 1 complete",
        "Starting request 2...",
        "Request 2 complete",
    ]
    assert outcomes["Concurrent Execution"].stdout.splitlines()[:2] == [
        "Starting Request 1...",
        "Starting Request 2...",
    ]


def test_states_come_in_the_order_of_their_delays(outcomes):
    lines = outcomes["Event Loop States - Visual Representation"].stdout.splitlines()
    assert [line.split()[2] for line in lines if "COMPLETED" in line] == ["Task3", "Task1", "Task2"]


def test_callbacks_come_in_the_order_of_their_delays(outcomes):
    output = outcomes["Event Loop Control - Practical Examples"].stdout
    assert re.findall(r"Callback (\w+) executed", output) == ["Second", "First", "Third"]
    assert "Final result: Main complete" in output
    assert "Event loop closed" in output


def test_producer_and_consumer_hand_over_everything(outcomes):
    output = outcomes["Real-World Event Loop Patterns"].stdout
    assert "Consumer Worker finished, processed 5 items" in output


def test_http_and_error_fragments_say_what_the_guide_says(outcomes):
    output = outcomes["HTTP Requests (Your Test Case)"].stdout
    assert output.count("Status: 200") == 6
    assert outcomes["Timeout Handling"].stdout == "Operation timed out\n"
    assert outcomes["Error Handling"].stdout == "Error occurred: the risk\n"
