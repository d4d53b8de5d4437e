"""A server that takes the connection and never answers: who reads from it without a timeout waits for ever.

Look at it while it waits: python -m ironloop THIS_FILE 60 & python -m ironloop tree
"""

import asyncio
import socket
import sys


async def ask(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"is anybody there?\n")
        return await reader.readline()  # `async with asyncio.timeout(5):` around it
    finally:
        writer.close()


async def main(seconds: float = 1) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        asking = asyncio.create_task(ask(silent.getsockname()[1]), name="asker")
        _, waiting = await asyncio.wait([asking], timeout=seconds)
        print(f"after {seconds:g} s {len(waiting)} still waits for an answer")
        asking.cancel()
        await asyncio.wait([asking])


if __name__ == "__main__":
    asyncio.run(main(*map(float, sys.argv[1:])))
