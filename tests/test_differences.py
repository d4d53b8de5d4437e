"""What docs/differences.md says of clocks and guests; its programs are run by test_documents.py."""

import asyncio
import importlib.util

import pytest
from conftest import needs_ironloop


@needs_ironloop
@pytest.mark.skipif(not importlib.util.find_spec("freezegun"), reason="not installed")
def test_a_sleep_ends_though_pythons_clocks_are_frozen():
    import freezegun
    import ironloop

    async def main():
        loop = asyncio.get_running_loop()
        with freezegun.freeze_time("2020-01-01") as frozen:
            begun = loop.time()
            frozen.tick(3600)
            assert loop.time() - begun < 1800
            await asyncio.sleep(0.01)

    ironloop.run(main())


@pytest.mark.skipif(not importlib.util.find_spec("trio"), reason="not installed")
def test_trio_is_a_guest(run):
    import trio

    async def guest():
        for _ in range(3):
            await trio.sleep(0.001)
        return "ended"

    async def main():
        loop = asyncio.get_running_loop()
        ended = loop.create_future()
        trio.lowlevel.start_guest_run(
            guest,
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            done_callback=ended.set_result,
            host_uses_signal_set_wakeup_fd=True,
        )
        await asyncio.sleep(0)
        assert (await ended).unwrap() == "ended"

    run(main)
