"""`ironloop --doctor`: what it says of a plain process, and of each thing that may be in the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    "ironloop" not in os.environ.get("IRONLOOP_TEST_LOOPS", "ironloop"), reason="about ironloop itself"
)

PLAIN = {name: value for name, value in os.environ.items() if not name.startswith(("IRONLOOP", "PYTHON"))}
# What of this very Python and machine is in the way of whatever is tried here.
LASTING = ("debug build", "free-threaded", "kernel", "refused", "no TLS", "TLS is asyncio's")
EXAMINE = """
import json
from ironloop import doctor
print(json.dumps(doctor.examine()))
"""


def run(*arguments, **variables):
    if path := os.environ.get("PYTHONPATH"):
        variables = {"PYTHONPATH": path, **variables}
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**PLAIN, **variables})


def examined(before="", *options, **variables):
    done = run(*options, "-c", before + EXAMINE, **variables)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def in_the_way(*arguments, **variables):
    found = examined(*arguments, **variables)["in_the_way"]
    return [sentence for sentence in found if not any(word in sentence for word in LASTING)]


def test_nothing_is_in_the_way_of_a_plain_process():
    assert in_the_way() == []


def test_a_plain_process():
    report = examined()
    assert report["doors"]["ironloop.run"] == "ironloop.Loop"
    assert report["doors"]["asyncio.run"].startswith("asyncio.")
    assert report["vocabulary"] == {"native": True, "replaced": {}, "gone": [], "layout": "fits"}
    assert report["tls"]["openssl"].startswith("OpenSSL")
    assert report["kernel"]["epoll"] == report["kernel"]["eventfd"] == "yes"
    assert report["environment"] == {}


def test_the_text_and_json_say_the_same():
    text, structured = run("-m", "ironloop", "--doctor"), run("-m", "ironloop", "--doctor", "--json")
    report = json.loads(structured.stdout)
    assert text.returncode == structured.returncode == bool(report["in_the_way"]), text.stderr
    assert report["tls"]["openssl"] in text.stdout
    assert all(sentence in text.stdout for sentence in report["in_the_way"])


def test_it_knows_no_other_arguments():
    done = run("-m", "ironloop", "--doctor", "now")
    assert done.returncode == 2
    assert "usage: " in done.stderr


def test_the_console_script_runs_modules_of_the_working_directory(tmp_path):
    script = Path(sysconfig.get_path("scripts")) / "ironloop"
    code = f"import sys; sys.argv[0] = {str(script)!r}; sys.path[0] = '/nowhere'"
    code += "; from ironloop.command import script"
    (tmp_path / "mine.py").write_text("import asyncio; print(type(asyncio.new_event_loop()).__module__)")
    command = [sys.executable, "-c", f"{code}; script()", "-m", "mine"]
    variables = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=60, env={**PLAIN, **variables}
    )
    assert (done.stdout.strip(), done.stderr) == ("ironloop", "")


def test_asyncios_names_after_install():
    report = examined("import ironloop; ironloop.install()\n")
    assert report["doors"]["asyncio.run"] == "ironloop.Loop"
    assert report["in_the_way"] == examined()["in_the_way"]


@pytest.mark.parametrize(
    ("variable", "value"), [("IRONLOOP", "0"), ("IRONLOOP_NATIVE", "0"), ("PYTHONASYNCIODEBUG", "1")]
)
def test_a_variable_that_turns_something_off(variable, value):
    report = examined(**{variable: value})
    assert report["environment"] == {variable: value}
    assert any(variable in sentence for sentence in report["in_the_way"])
    assert report["vocabulary"]["native"] is (variable != "IRONLOOP_NATIVE")


def test_pythons_development_mode():
    assert "debug mode" in in_the_way("", "-X", "dev", "-W", "ignore")[0]


POLICY = """
import asyncio, warnings
warnings.simplefilter("ignore")
class Policy(asyncio.DefaultEventLoopPolicy):
    __module__ = "other"
asyncio.set_event_loop_policy(Policy())
"""
GEVENT = """
import sys, types
sys.modules["gevent.monkey"] = types.SimpleNamespace(is_module_patched=lambda name: name == "socket")
"""
EVENTLET = """
import sys, types
sys.modules["eventlet.patcher"] = types.SimpleNamespace(is_monkey_patched=lambda name: name == "thread")
"""
NESTED = "import asyncio; asyncio._nest_patched = True\n"
TRACED = "import sys; sys.settrace(lambda *_: None)\n"


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (POLICY, "other.Policy"),
        (GEVENT, "gevent"),
        (EVENTLET, "eventlet"),
        (NESTED, "nest_asyncio"),
        (TRACED, "tracer"),
        ("import asyncio.tasks as tasks; del tasks._enter_task\n", "_enter_task"),
    ],
    ids=["policy", "gevent", "eventlet", "nest_asyncio", "tracer", "changed"],
)
def test_what_others_have_done_to_the_process(before, said):
    warned = "import warnings; warnings.simplefilter('ignore')\n"
    assert any(said in sentence for sentence in in_the_way(warned + before))


def test_another_loop_that_runs():
    program = f"""
import asyncio
async def main():
    exec({EXAMINE!r})
asyncio.run(main())
raise SystemExit
"""
    assert any("another loop runs" in sentence for sentence in in_the_way(program))


def test_a_name_that_a_tool_has_replaced():
    before = "import asyncio, ironloop\ndef sleep(): pass\nsleep.__module__ = 'tool'\nasyncio.sleep = sleep\n"
    assert examined(before)["vocabulary"]["replaced"] == {"asyncio.sleep": "tool.sleep"}


@pytest.mark.parametrize(("number", "said"), [("ENOSYS", "too old"), ("EPERM", "refused")])
def test_a_kernel_or_a_sandbox_that_refuses(number, said):
    before = f"""
import errno, os
def refuse(*arguments):
    raise OSError(errno.{number}, "no")
os.pidfd_open = refuse
"""
    report = examined(before)
    assert said in report["kernel"]["pidfd"]
    assert any(sentence.startswith("pidfd: ") for sentence in report["in_the_way"])


def test_what_this_python_cannot_ask_is_not_in_the_way():
    report = examined("import sys\nsys.modules['ctypes'] = None\n")
    assert report["kernel"]["openat2"].startswith("not known: ")
    assert not any(sentence.startswith("openat2") for sentence in report["in_the_way"])


def test_builds_that_are_slow():
    report = examined("import sys\nsys.gettotalrefcount = lambda: 0\n")
    assert any("debug build" in sentence for sentence in report["in_the_way"])
    patched = "import sysconfig\nask = sysconfig.get_config_var\n"
    patched += "sysconfig.get_config_var = lambda name: 1 if name == 'Py_GIL_DISABLED' else ask(name)\n"
    assert any("free-threaded" in sentence for sentence in examined(patched)["in_the_way"])


def test_tls_that_is_asyncios():
    report = examined("from ironloop import _ironloop; _ironloop.force_tls_path('asyncio')\n")
    assert any("TLS is asyncio's" in sentence for sentence in report["in_the_way"])
