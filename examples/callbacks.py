"""Plain functions on the loop: a stage manager's cues with call_soon, call_later, call_at and from a thread.

Callbacks are what tasks are made of: when a task's wait is over, the loop calls its next step just like this.
"""

import asyncio
import threading

from narration import chapter, say


async def soon(loop: asyncio.AbstractEventLoop) -> None:
    chapter("call_soon: in the next turn of the loop, in the order of the calls")
    for cue in ("house lights down", "music", "curtain"):
        loop.call_soon(say, cue)
    say("three cues given, none has run: this coroutine has not let go yet")
    await asyncio.sleep(0)
    say("one turn later all of them have")


async def later(loop: asyncio.AbstractEventLoop) -> None:
    chapter("call_later and call_at: by the clock, whatever the order of the calls")
    loop.call_later(0.3, say, "call_later(0.3)     thunder")
    loop.call_later(0.1, say, "call_later(0.1)     wind")
    loop.call_at(loop.time() + 0.2, say, "call_at(now + 0.2)  lightning")
    await asyncio.sleep(0.35)


async def cancelled(loop: asyncio.AbstractEventLoop) -> None:
    chapter("cancel: a handle takes its callback back")
    fog = loop.call_later(0.1, say, "fog")
    snow = loop.call_later(0.2, say, "snow")
    fog.cancel()
    say(f"fog   cancelled: {fog.cancelled()}")
    say(f"snow  cancelled: {snow.cancelled()}, due in {snow.when() - loop.time():.2f} s")
    await asyncio.sleep(0.25)


async def from_a_thread(loop: asyncio.AbstractEventLoop) -> None:
    chapter("call_soon_threadsafe: the one door for other threads")
    bell = loop.create_future()

    def doorkeeper() -> None:
        say(f"{threading.current_thread().name} sees the last guest come in")
        # set_result() from here would neither be safe nor wake the loop; this is, and does.
        loop.call_soon_threadsafe(bell.set_result, "all seated")

    threading.Timer(0.2, doorkeeper).start()
    say(f"{threading.current_thread().name} waits for the bell")
    say(f"{threading.current_thread().name} hears: {await bell}")


async def failing(loop: asyncio.AbstractEventLoop) -> None:
    chapter("A callback that raises: the loop tells its exception handler, and lives on")
    loop.set_exception_handler(lambda _, context: say(f"handler: {context['exception']!r}"))
    loop.call_soon(lambda: 1 / 0)
    loop.call_soon(say, "the show goes on")
    await asyncio.sleep(0)
    loop.set_exception_handler(None)


async def main() -> None:
    loop = asyncio.get_running_loop()
    for scene in (soon, later, cancelled, from_a_thread, failing):
        await scene(loop)


if __name__ == "__main__":
    asyncio.run(main())
