"""The ways into ironloop from Python: run, new_event_loop, install, policies, the frameworks' own."""

import asyncio
import importlib
import sys
import unittest

import anyio
import pytest
from conftest import needs_ironloop
from programs import run_program

pytestmark = needs_ironloop


def run_code(code, **variables):
    done = run_program([sys.executable, "-W", "error", "-c", code], **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


async def loop_kind():
    await asyncio.sleep(0)
    return type(asyncio.get_running_loop())


def test_run():
    import ironloop

    assert ironloop.run(loop_kind()) is ironloop.Loop
    with pytest.raises(ZeroDivisionError):
        ironloop.run(raises())


async def raises():
    1 / 0  # noqa: B018


@pytest.mark.parametrize("debug", [None, False, True])
def test_run_in_debug(debug):
    import ironloop

    async def main():
        return asyncio.get_running_loop().get_debug()

    # Python's development mode is one for asyncio.
    expected = sys.flags.dev_mode if debug is None else debug
    assert ironloop.run(main(), debug=debug) is expected


@pytest.mark.parametrize("module", ["asyncio", "ironloop"])
def test_run_refuses_what_asyncio_run_refuses(module):
    run = importlib.import_module(module).run

    async def nested():
        coroutine = loop_kind()
        for what in (coroutine, 17):
            with pytest.raises(RuntimeError, match="cannot be called from a running event loop"):
                run(what)
        return await coroutine  # it is not closed

    run(nested())
    with pytest.raises((TypeError, ValueError), match=r"coroutine|awaitable"):
        run(17)


def test_run_inside_of_a_loop_of_asyncio():
    import ironloop

    async def nested():
        with pytest.raises(RuntimeError, match="cannot be called from a running event loop"):
            ironloop.run(17)

    asyncio.run(nested())


@pytest.mark.parametrize("module", ["asyncio", "ironloop"])
def test_run_with_a_loop_factory(module):
    if module == "asyncio" and sys.version_info < (3, 12):
        pytest.skip("asyncio's has it from Python 3.12 on")
    made = []

    class Own(asyncio.SelectorEventLoop):
        pass

    def factory():
        made.append(Own())
        return made[-1]

    run = importlib.import_module(module).run
    assert run(loop_kind(), loop_factory=factory) is Own
    assert [loop.is_closed() for loop in made] == [True]
    assert run(loop_kind(), loop_factory=None) is not Own


def test_run_leaves_nothing_running():
    import ironloop

    ended = []

    async def background():
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("cancelled")

    async def main():
        task = asyncio.create_task(background())
        await asyncio.sleep(0)
        return task

    assert ironloop.run(main()).cancelled()
    assert ended == ["cancelled"]


def test_new_event_loop_takes_no_arguments_and_makes_a_loop():
    import ironloop

    loop = ironloop.new_event_loop()
    assert type(loop) is ironloop.Loop
    assert isinstance(loop, asyncio.AbstractEventLoop)
    loop.close()


def test_importing_changes_nothing():
    code = """
import asyncio
before = {name: getattr(asyncio, name) for name in dir(asyncio) if not name.startswith("_")}
import ironloop
import ironloop.runner
print(all(getattr(asyncio, name) is value for name, value in before.items()))
loop = asyncio.new_event_loop()
print(type(loop).__module__)
loop.close()
"""
    assert run_code(code) == ["True", "asyncio.unix_events"]


def test_install_and_uninstall():
    code = """
import asyncio, ironloop
async def kind():
    return type(asyncio.get_running_loop()).__module__
def every_door():
    loop = asyncio.new_event_loop()
    print(type(loop).__module__)
    loop.close()
    print(asyncio.run(kind()))
    with asyncio.Runner() as runner:
        print(runner.run(kind()))
ironloop.install()
ironloop.install()
every_door()
ironloop.uninstall()
every_door()
"""
    assert run_code(code) == ["ironloop"] * 3 + ["asyncio.unix_events"] * 3


def test_names_imported_before_install_are_served_too():
    code = """
from asyncio import run, Runner, new_event_loop, get_running_loop
import ironloop
async def kind():
    return type(get_running_loop()).__module__
ironloop.install()
print(run(kind()))
with Runner() as runner:
    print(runner.run(kind()))
loop = new_event_loop()
print(type(loop).__module__)
loop.close()
"""
    assert run_code(code) == ["ironloop"] * 3


@pytest.mark.skipif(sys.version_info >= (3, 16), reason="Python has no policies any more")
def test_the_policy():
    code = """
import asyncio, warnings, ironloop
warnings.simplefilter("ignore", DeprecationWarning)
asyncio.set_event_loop_policy(ironloop.EventLoopPolicy())
async def kind():
    return type(asyncio.get_running_loop()).__module__
print(asyncio.run(kind()))
loop = asyncio.new_event_loop()
print(type(loop).__module__)
asyncio.set_event_loop(loop)
print(asyncio.get_event_loop() is loop)
loop.close()
"""
    assert run_code(code) == ["ironloop", "ironloop", "True"]


def test_anyio():
    import ironloop

    async def main():
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 0)
        await anyio.to_thread.run_sync(int)
        with anyio.move_on_after(0.01) as scope:
            await anyio.sleep(3600)
        assert scope.cancelled_caught
        return type(asyncio.get_running_loop())

    assert anyio.run(main, backend_options={"loop_factory": ironloop.new_event_loop}) is ironloop.Loop


def run_pytest(tmp_path, test, conftest, *arguments):
    (tmp_path / "test_inner.py").write_text(test)
    (tmp_path / "conftest.py").write_text(conftest)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    plain = ["-q", "-p", "no:cacheprovider", "-p", "no:looptime_plugin"]
    done = run_program([sys.executable, "-m", "pytest", *plain, *arguments], cwd=tmp_path)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_pytest_asyncio(tmp_path):
    run_pytest(
        tmp_path,
        "import asyncio\n\nasync def test_it():\n"
        "    await asyncio.sleep(0)\n    assert type(asyncio.get_running_loop()).__module__ == 'ironloop'\n",
        "import ironloop\n\ndef pytest_asyncio_loop_factories(config, item):\n"
        "    return {'ironloop': ironloop.new_event_loop}\n",
        "-p",
        "no:anyio",
        "--asyncio-mode=auto",
    )


def test_the_pytest_plugin_of_anyio(tmp_path):
    run_pytest(
        tmp_path,
        "import asyncio, pytest\n\n@pytest.mark.anyio\nasync def test_it():\n"
        "    await asyncio.sleep(0)\n    assert type(asyncio.get_running_loop()).__module__ == 'ironloop'\n",
        "import ironloop, pytest\n\n@pytest.fixture\ndef anyio_backend():\n"
        "    return 'asyncio', {'loop_factory': ironloop.new_event_loop}\n",
        "-p",
        "no:asyncio",
    )


@pytest.mark.skipif(sys.version_info < (3, 13), reason="loop_factory came with Python 3.13")
def test_unittest():
    import ironloop

    kinds = []

    class Case(unittest.IsolatedAsyncioTestCase):
        loop_factory = staticmethod(ironloop.new_event_loop)

        async def test_it(self):
            kinds.append(await loop_kind())

    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Case).run(result)
    assert result.wasSuccessful(), result.errors
    assert kinds == [ironloop.Loop]
