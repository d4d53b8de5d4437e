"""A module with ours in the place of pyo3-async-runtimes, where processes fork and end."""

from __future__ import annotations

import pytest
import rust_extension

# The first test may have to build the extension.
pytestmark = [pytest.mark.timeout(600), pytest.mark.three_loops]


SETUP = """
import importlib.util
spec = importlib.util.spec_from_file_location("compat_extension", {path!r})
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
"""


def run(loop_name: str, body: str, count: int = 1) -> None:
    """Runs a program that has ``run`` and ``module``, and says nothing."""
    path = rust_extension.build_compat("patched").__file__
    rust_extension.run_program(loop_name, SETUP.format(path=path), body, count)


def test_an_exit_under_fire(loop_name: str) -> None:
    body = """
    async def waits(begun):
        begun.set()
        await asyncio.sleep(50)

    async def main():
        begun = asyncio.Event()
        kept = [module.call(waits(begun))]
        # The module attaches on its own account to begin it, which no worker may at an exit.
        await begun.wait()
        kept += [module.fire(300), module.never(), module.sleep(0.004), module.woken(0.003)]
        await asyncio.sleep(0.002)
        return kept

    kept = run(main())
    """
    run(loop_name, body, count=5)


def test_an_exit_from_inside_of_the_loop(loop_name: str) -> None:
    body = """
    async def main():
        module.fire(300)
        await module.number(1)
        sys.exit(0)

    try:
        run(main())
    except SystemExit as exit:
        sys.exit(exit.code)
    """
    run(loop_name, body, count=2)


def test_one_run_after_the_other(loop_name: str) -> None:
    body = """
    async def main(number):
        left = module.fire(20)
        assert await module.number(number) == number
        assert await module.call(asyncio.sleep(0, number)) == number
        return left

    left = [run(main(number)) for number in range(10)]
    # Their loops are closed: nothing asks them.
    for futures in left:
        for future in futures:
            if not future.done():
                future.add_done_callback(print)
    del left, futures, future
    """
    run(loop_name, body)


def test_a_child_makes_a_runtime_of_its_own(loop_name: str) -> None:
    body = """
    async def main(number):
        async with asyncio.timeout(20):
            assert await module.number(number) == number
            assert await module.sleep(0.001) == 0.001
            return module.fire(50)

    left = run(main(1))
    child = os.fork()
    if not child:
        try:
            run(main(2))
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    run(main(3))
    """
    run(loop_name, body)


def test_a_fork_inside_of_the_loop(loop_name: str) -> None:
    body = """
    async def main():
        going = [module.sleep(0.01), *module.fire(50)]
        child = os.fork()
        if not child:
            # The parent's futures are nobody's here.
            os._exit(0)
        os.waitpid(child, 0)
        await asyncio.gather(*going)

    run(main())
    """
    run(loop_name, body)
