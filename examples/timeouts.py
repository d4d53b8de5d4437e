"""Waiting, but not for ever: wait_for, timeout(), shield and wait, on the telephone.

A timeout cancels what it waits for. So the coroutine hears of it, as CancelledError at its `await`, and can
tidy up.
"""

import asyncio

from narration import chapter, say


async def ring(friend: str, seconds: float) -> str:
    """Let it ring until the friend answers, after so many seconds."""
    say(f"  {friend}'s phone rings")
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        say(f"  {friend}'s phone falls silent")
        raise  # a coroutine that swallows this would spoil the timeout
    return f"{friend} answers"


async def one_call() -> None:
    chapter("wait_for: a limit for one thing")
    say(await asyncio.wait_for(ring("Ida", 0.1), timeout=3))
    try:
        await asyncio.wait_for(ring("Jan", 5), timeout=0.3)
    except TimeoutError:
        say("Jan does not answer: TimeoutError")


async def several_calls() -> None:
    chapter("timeout(): one limit for a whole block")
    try:
        async with asyncio.timeout(0.35):
            for friend in ("Kim", "Lou", "Mo"):
                say(await ring(friend, 0.15))
    except TimeoutError:
        say("the time is up in the middle of the third call")


async def more_time() -> None:
    chapter("reschedule: the limit can move while it runs")
    async with asyncio.timeout(1) as limit:
        say(await ring("Nell", 0.1))
        limit.reschedule(asyncio.get_running_loop().time() + 3)
        say("she says: hold the line")
        say(await ring("Nell's office", 1))
    say(f"done in time, expired: {limit.expired()}")


async def keep_ringing() -> None:
    chapter("shield: give up waiting without giving up the work")
    call = asyncio.create_task(ring("Olga", 0.4))
    try:
        await asyncio.wait_for(asyncio.shield(call), timeout=0.2)
    except TimeoutError:
        say(f"we stop listening; the call goes on, cancelled: {call.cancelled()}")
    say(await call)


async def whoever_is_in() -> None:
    chapter("wait: see who has answered by then, and decide about the rest")
    friends = {"Pia": 0.1, "Quin": 9, "Rob": 0.2}
    calls = [asyncio.create_task(ring(friend, seconds)) for friend, seconds in friends.items()]
    answered, silent = await asyncio.wait(calls, timeout=0.3)
    say(f"{len(answered)} answered, {len(silent)} not; wait() itself cancels nobody")
    for call in silent:
        call.cancel()
    await asyncio.gather(*silent, return_exceptions=True)


async def main() -> None:
    for scene in (one_call, several_calls, more_time, keep_ringing, whoever_is_in):
        await scene()


if __name__ == "__main__":
    asyncio.run(main())
