"""Daemon threads at work on a loop when the interpreter goes down: the process ends in peace.

What goes last takes a moment, in which the thread asks for the interpreter's lock again. Up to Python 3.13
the thread is then ended by unwinding its stack, wherever it is.
"""

import textwrap

import pytest
from programs import run_program

PRELUDE = """
import asyncio, threading, time, sys

class Last:
    def __del__(self, sleep=time.sleep):
        sleep(0.05)
sys.last = Last()

class Yielding:
    "Lets other threads run whenever it is hashed, compared, shown or dropped."
    def __hash__(self, sleep=time.sleep):
        sleep(0)
        return 1
    def __eq__(self, other, sleep=time.sleep):
        sleep(0)
        return self is other
    def __lt__(self, other, sleep=time.sleep):
        sleep(0)
        return id(self) < id(other)
    def __repr__(self, sleep=time.sleep):
        sleep(0)
        return "yielding"
    def __del__(self, sleep=time.sleep):
        sleep(0)

working = threading.Event()
"""

POSTLUDE = """
thread = threading.Thread(target=run, daemon=True)
thread.start()
assert working.wait(60)
"""

AT_WORK = {
    "a task that never sleeps": """
        async def main():
            while True:
                working.set()
                await asyncio.sleep(0)
        def run():
            asyncio.run(main())
    """,
    "a callback that computes": """
        def compute():
            working.set()
            while True:
                pass
        def run():
            loop = asyncio.new_event_loop()
            loop.call_soon(compute)
            loop.run_forever()
    """,
    "short timers": """
        async def main():
            while True:
                working.set()
                await asyncio.sleep(0.0001)
        def run():
            asyncio.run(main())
    """,
    "what the vocabulary calls": """
        class Slow(asyncio.PriorityQueue):
            def _put(self, item):
                time.sleep(0)
                super()._put(item)
        async def one(queue):
            lock = asyncio.Lock()
            while True:
                async with lock:
                    await queue.put(Yielding())
                    await queue.put(Yielding())
                    queue.get_nowait()
                    await asyncio.wait_for(queue.get(), 5)
                await asyncio.gather(asyncio.sleep(0, Yielding()), asyncio.sleep(0))
                working.set()
        async def main():
            async with asyncio.TaskGroup() as group:
                group.create_task(one(Slow()))
                group.create_task(one(Slow()))
        def run():
            asyncio.run(main())
    """,
    "protocols": """
        class Echo(asyncio.Protocol):
            def connection_made(self, transport):
                time.sleep(0)
                self.transport = transport
            def data_received(self, data):
                time.sleep(0)
                self.transport.write(data)
        class Client(Echo):
            def connection_made(self, transport):
                self.transport = transport
                transport.write(b"hello")
                working.set()
        async def main():
            loop = asyncio.get_running_loop()
            server = await loop.create_server(Echo, "127.0.0.1", 0)
            await loop.create_connection(Client, *server.sockets[0].getsockname())
            await asyncio.sleep(3600)
        def run():
            asyncio.run(main())
    """,
    "another loop's callers": """
        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, daemon=True).start()
        def run():
            while True:
                loop.call_soon_threadsafe(Yielding)
                asyncio.run_coroutine_threadsafe(asyncio.sleep(0, Yielding()), loop).result()
                working.set()
    """,
    "a loop that is made and closed": """
        def run():
            while True:
                asyncio.run(asyncio.sleep(0))
                working.set()
    """,
    "destructors after the loop's end": """
        async def main():
            queue = asyncio.Queue()
            await queue.put(Yielding())
            return queue
        def run():
            while True:
                asyncio.run(main())
                working.set()
    """,
    "a loop of asyncio's own": """
        async def main():
            while True:
                await asyncio.sleep(0)
                await asyncio.gather(asyncio.sleep(0), asyncio.sleep(0))
                working.set()
        def run():
            loop = asyncio.SelectorEventLoop()
            loop.run_until_complete(main())
    """,
}


@pytest.mark.parametrize("name", AT_WORK)
def test_the_process_ends_well(python, tmp_path, name):
    path = tmp_path / "program.py"
    path.write_text(PRELUDE + textwrap.dedent(AT_WORK[name]) + POSTLUDE)
    done = run_program([*python, path])
    assert (done.stdout, done.returncode) == ("", 0), done.stderr
