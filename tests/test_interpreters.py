"""One process, several interpreters or imports: what cannot work says so, and the first stays whole."""

import sys

import pytest
from conftest import needs_ironloop
from programs import run_program

pytestmark = needs_ironloop

PRELUDE = """
import sys

WORK = '''
import asyncio, ironloop
async def main():
    queue = asyncio.Queue()
    await queue.put(1)
    await queue.get()
    await asyncio.gather(asyncio.sleep(0.001), asyncio.sleep(0))
    async with asyncio.timeout(60), asyncio.Lock():
        await asyncio.sleep(0)
    futures = [asyncio.get_running_loop().create_future() for _ in range(1000)]
    assert type(futures[0]) is ironloop.Future
    return "worked"
print(ironloop.run(main()), flush=True)
'''

def in_main():
    exec(WORK, {})

def in_another():
    "In an interpreter of the kind that mod_wsgi and uWSGI make: it shares the lock."
    if sys.version_info >= (3, 13):
        import _interpreters as interpreters
        made = interpreters.create("legacy")
    else:
        import _xxsubinterpreters as interpreters
        made = interpreters.create(isolated=False)
    refused = f'''
try:
    exec({WORK!r}, {{}})
except ImportError as error:
    print("ImportError", error, flush=True)
'''
    assert interpreters.run_string(made, refused) is None
    interpreters.destroy(made)

def forget():
    for name in [name for name in sys.modules if name.split(".")[0] == "ironloop"]:
        del sys.modules[name]
"""
MAIN_ONLY = "ImportError ironloop works in the main interpreter only, and this is a sub-interpreter"
NO_SECOND = "ImportError ironloop was imported in this process before, and cannot be imported anew"


def said(tmp_path, source, *switches):
    path = tmp_path / "program.py"
    path.write_text(PRELUDE + source)
    done = run_program([sys.executable, *switches, path])
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


# With the checks of its debug mode the allocator aborts where memory is freed by another than it came from.
@pytest.mark.parametrize("switches", [(), ("-X", "dev")], ids=["plain", "dev"])
@pytest.mark.parametrize("order", ["sm", "ms", "sms"])
def test_a_sub_interpreter_is_refused_and_the_main_one_stays_whole(tmp_path, order, switches):
    steps = {"m": "in_main()\n", "s": "in_another()\n"}
    expected = {"m": "worked", "s": MAIN_ONLY}
    lines = said(tmp_path, "".join(steps[step] for step in order), *switches)
    assert lines == [expected[step] for step in order]


@pytest.mark.parametrize("switches", [(), ("-X", "dev")], ids=["plain", "dev"])
def test_a_second_import_is_refused_and_the_first_stays_whole(tmp_path, switches):
    source = """
import ironloop
loop = ironloop.new_event_loop()
futures = [loop.create_future() for _ in range(1000)]
forget()
try:
    import ironloop as again
except ImportError as error:
    print("ImportError", error)
del futures
async def main():
    futures = [loop.create_future() for _ in range(1000)]
    await ironloop.sleep(0)
    return "worked"
print(loop.run_until_complete(main()))
loop.close()
"""
    refused, worked = said(tmp_path, source, *switches)
    assert (refused.split(":")[0], worked) == (NO_SECOND, "worked")


def test_the_python_half_may_be_imported_anew(tmp_path):
    source = """
in_main()
native = sys.modules["ironloop._ironloop"]
forget()
sys.modules["ironloop._ironloop"] = native
in_main()
"""
    assert said(tmp_path, source, "-X", "dev") == ["worked", "worked"]
