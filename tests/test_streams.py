"""asyncio.open_connection and asyncio.start_server on top of the loop's transports."""

import asyncio
import contextlib
import sys

import pytest
from support import HOST, PATIENCE, reset_on_close, until


@contextlib.asynccontextmanager
async def streams(handler, **options):
    """(reader, writer) of a client whose server runs ``handler``."""
    async with await asyncio.start_server(handler, HOST, 0, **options) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), **options)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def finish(writer):
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


def test_lines_come_back(run):
    async def handler(reader, writer):
        async for line in reader:
            writer.write(line.upper())
            await writer.drain()
        await finish(writer)

    async def main():
        async with streams(handler) as (reader, writer):
            for number in range(100):
                writer.write(f"line {number}\n".encode())
                assert await reader.readline() == f"LINE {number}\n".encode()
            writer.write_eof()
            assert await reader.read() == b""
            assert reader.at_eof()

    run(main)


def test_reads_of_every_kind(run):
    async def handler(reader, writer):
        writer.writelines([b"12345", b"until;", b"rest of it"])
        await finish(writer)

    async def main():
        async with streams(handler) as (reader, _):
            assert await reader.readexactly(5) == b"12345"
            assert await reader.readuntil(b";") == b"until;"
            assert await reader.read(4) == b"rest"
            with pytest.raises(asyncio.IncompleteReadError) as caught:
                await reader.readexactly(100)
            assert caught.value.partial == b" of it"

    run(main)


def test_a_line_over_the_limit(run):
    async def handler(reader, writer):
        writer.write(b"x" * 1000 + b"\n")
        await finish(writer)

    async def main():
        async with streams(handler, limit=100) as (reader, _):
            with pytest.raises(ValueError, match="chunk is longer than limit"):
                await reader.readline()

    run(main)


def test_the_reader_stops_the_transport_at_its_limit(run):
    """More than twice the limit is not read ahead."""

    async def handler(reader, writer):
        writer.write(bytes(5_000_000))
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        await finish(writer)

    async def main():
        async with streams(handler, limit=1000) as (reader, writer):
            await reader.readexactly(1)
            await until(lambda: not writer.transport.is_reading())
            assert len(await reader.readexactly(4_999_999)) == 4_999_999

    run(main)


def test_many_conversations_at_once(run):
    async def handler(reader, writer):
        while data := await reader.read(1000):
            writer.write(data)
            await writer.drain()
        await finish(writer)

    async def main():
        async with await asyncio.start_server(handler, HOST, 0, backlog=200) as server:

            async def talk(number):
                reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
                for step in range(20):
                    message = f"{number}:{step}".encode()
                    writer.write(message)
                    assert await reader.readexactly(len(message)) == message
                await finish(writer)

            await asyncio.gather(*(talk(number) for number in range(100)))

    run(main)


def test_a_reader_that_waits_gets_the_reset(run):
    async def handler(reader, writer):
        await reader.read(1)
        reset_on_close(writer.get_extra_info("socket"))
        writer.transport.abort()

    async def main():
        async with streams(handler) as (reader, writer):
            writer.write(bytes(1_000_000))
            with pytest.raises(ConnectionResetError):
                await reader.read()

    run(main)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="reported from Python 3.12 on")
def test_a_handler_that_raises_is_reported(loop):
    contexts = []
    loop.set_exception_handler(lambda loop, context: contexts.append(context))

    async def handler(reader, writer):
        raise KeyError("handler")

    async def main():
        async with streams(handler) as (reader, _):
            assert await reader.read() == b""

    loop.run_until_complete(main())
    assert [context["message"] for context in contexts] == ["Unhandled exception in client_connected_cb"]


def test_wait_closed_returns_after_the_peer_is_gone(run):
    async def handler(reader, writer):
        await finish(writer)

    async def main():
        async with streams(handler) as (reader, writer):
            assert await reader.read() == b""
            writer.close()
            await asyncio.wait_for(writer.wait_closed(), PATIENCE)
            assert writer.is_closing()

    run(main)


def test_extra_info_of_a_writer(run):
    async def handler(reader, writer):
        writer.write(repr(writer.get_extra_info("peername")).encode())
        await finish(writer)

    async def main():
        async with streams(handler) as (reader, writer):
            assert await reader.read() == repr(writer.get_extra_info("sockname")).encode()

    run(main)
