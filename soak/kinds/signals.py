"""Signal handlers."""

from __future__ import annotations

import asyncio
import os
import random
import signal


async def cycle(chance: random.Random) -> None:
    loop = asyncio.get_running_loop()
    came = asyncio.Event()
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH):
        came.clear()
        loop.add_signal_handler(number, came.set)
        if chance.random() < 0.3:
            loop.add_signal_handler(number, came.set)
        os.kill(os.getpid(), number)
        await came.wait()
        loop.remove_signal_handler(number)
