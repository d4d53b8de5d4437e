"""TLS: handshakes good and bad, peers that vanish in and after them, upgrades of open connections."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
import socket
import ssl
from dataclasses import dataclass
from typing import Any

import trustme

from kinds.streams import USES, client, half_close, serving
from kinds.support import FAILURES, HOST, PLENTY, Deaf, Echo, End, Factory, closing, cut_short, ended, reset

NAME = "soak.example"


@dataclass(frozen=True)
class Contexts:
    """Of one certificate authority, made once."""

    server: ssl.SSLContext
    asking_server: ssl.SSLContext
    """Wants a certificate of its client."""
    client: ssl.SSLContext
    stranger: ssl.SSLContext
    """A client that trusts somebody else."""


@functools.cache
def contexts() -> Contexts:
    authority, other = trustme.CA(), trustme.CA()
    certificate = authority.issue_cert(NAME)

    def server(asks: bool) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(context)
        if asks:
            authority.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def trusting(whom: trustme.CA) -> ssl.SSLContext:
        context = ssl.create_default_context()
        whom.configure_trust(context)
        return context

    return Contexts(server(False), server(True), trusting(authority), trusting(other))


# TLS has no half-close, and asyncio's writer says so by an error.
TLS_USES = [use for use in USES if use is not half_close]


def connect(address: Any, name: str = NAME, context: ssl.SSLContext | None = None, **options: Any) -> Any:
    options = {"ssl": context or contexts().client, "server_hostname": name, **options}
    return asyncio.open_connection(*address, **options)


async def good(chance: random.Random) -> None:
    async with serving(ssl=contexts().server) as address:
        await asyncio.gather(*(client(chance, TLS_USES, connect, address) for _ in range(2)))
        await asyncio.gather(
            *(cut_short(client(chance, TLS_USES, connect, address), chance, most=30) for _ in range(2))
        )


async def bad(chance: random.Random) -> None:
    """A stranger's certificate, a wrong name, no certificate where one is asked for."""
    async with serving(ssl=contexts().server) as address:
        for name, context in ((NAME, contexts().stranger), ("other.example", contexts().client)):
            with contextlib.suppress(ssl.SSLError):
                await connect(address, name, context)
                raise AssertionError("the handshake should have failed")
    async with serving(ssl=contexts().asking_server) as address:
        with contextlib.suppress(*FAILURES):
            reader, writer = await connect(address)
            # With TLS 1.3 the client knows only when it reads.
            with contextlib.suppress(*FAILURES):
                await reader.read()
            writer.close()
            await writer.wait_closed()


def hello() -> bytes:
    """What a client says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    machine = contexts().client.wrap_bio(incoming, outgoing, server_hostname=NAME)
    with contextlib.suppress(ssl.SSLWantReadError):
        machine.do_handshake()
    return outgoing.read()


async def vanishing_clients(chance: random.Random) -> None:
    """They say nothing, nonsense, half a hello or a whole one; and go, or stay until the server ends it."""
    loop = asyncio.get_running_loop()
    async with serving(ssl=contexts().server, ssl_handshake_timeout=0.02) as address:
        said = hello()
        for words in (b"", b"GET / HTTP/1.1\r\n\r\n", said[: len(said) // 2], said):
            peer = socket.socket()
            peer.setblocking(False)
            with peer:
                await loop.sock_connect(peer, address)
                await loop.sock_sendall(peer, words)
                with contextlib.suppress(*FAILURES):
                    if chance.random() < 0.5:
                        await loop.sock_recv(peer, 1)
                if chance.random() < 0.5:
                    reset(peer)


async def vanishing_server(chance: random.Random) -> None:
    with socket.create_server((HOST, 0)) as listener:
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        work = asyncio.ensure_future(connect(listener.getsockname(), ssl_handshake_timeout=0.02))
        peer, _ = await loop.sock_accept(listener)
        with peer:
            await loop.sock_recv(peer, 10)
            match chance.choice(["reset", "nonsense", "silence"]):
                case "reset":
                    reset(peer)
                case "nonsense":
                    await loop.sock_sendall(peer, b"nonsense" * 10)
            with contextlib.suppress(*FAILURES):
                await work


async def without_a_word(chance: random.Random) -> None:
    """One end cuts the connection without close_notify; writes may wait at the other."""
    loop = asyncio.get_running_loop()
    accepted = Factory(chance.choice([Echo, Deaf]))
    server = await loop.create_server(
        accepted, HOST, 0, ssl=contexts().server, ssl_shutdown_timeout=chance.choice([0.01, 5])
    )
    async with closing(server) as address:
        _, end = await loop.create_connection(
            End, *address, ssl=contexts().client, server_hostname=NAME, ssl_shutdown_timeout=0.01
        )
        end.transport.write(b"x" * chance.choice([1, PLENTY]))
        while not accepted.ends or accepted.ends[0].transport is None:
            await asyncio.sleep(0)
        match chance.choice(["client", "server", "close"]):
            case "client":
                end.transport.abort()
            case "server":
                accepted.ends[0].transport.abort()
            case "close":
                end.transport.close()
                await end.lost.wait()
        await ended(end, *accepted.ends)


async def upgraded(chance: random.Random) -> None:
    """`start_tls` on both sides, or on one, or for a client that does not trust the server then."""

    async def upgrade(writer: asyncio.StreamWriter, context: ssl.SSLContext, **options: Any) -> None:
        try:
            await writer.start_tls(context, **options)
        except FAILURES:
            # The streams do not hear of the end of a transport that start_tls() has taken and lost.
            writer.transport.abort()
            raise

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(*FAILURES):
            if await reader.readline() == b"upgrade\n":
                # Only then may the client say hello.
                writer.write(b"go\n")
                await upgrade(writer, contexts().server)
                writer.write(await reader.readline())
        writer.close()
        gone.set()

    gone = asyncio.Event()
    async with closing(await asyncio.start_server(serve, HOST, 0)) as address:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"upgrade\n" if chance.random() < 0.7 else b"no\n")
        await reader.readline()
        with contextlib.suppress(*FAILURES):
            trusts = contexts().client if chance.random() < 0.7 else contexts().stranger
            await upgrade(writer, trusts, server_hostname=NAME)
            writer.write(b"word\n")
            assert await reader.readline() == b"word\n"
        writer.close()
        await gone.wait()


async def cycle(chance: random.Random) -> None:
    await good(chance)
    await bad(chance)
    await asyncio.gather(vanishing_clients(chance), vanishing_server(chance))
    await without_a_word(chance)
    await upgraded(chance)
