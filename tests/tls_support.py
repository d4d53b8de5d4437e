"""Clients and peers of connections with TLS."""

import asyncio
import contextlib
import socket
import ssl
import threading

from support import HOST, PATIENCE, Recorder

# More than the kernel takes for a peer that does not read.
MANY = 8_000_000


async def connect(address, context, factory=Recorder, **options):
    options = {"server_hostname": "localhost", **options}
    _, protocol = await asyncio.get_running_loop().create_connection(
        factory, *address, ssl=context, **options
    )
    return protocol


@contextlib.contextmanager
def _accepting(serve):
    """One connection, served in a thread by blocking calls: ``serve(socket)``, and no more."""
    errors = []

    def run():
        try:
            plain, _ = listener.accept()
            plain.settimeout(PATIENCE)
            with plain:
                serve(plain)
        except Exception as error:
            errors.append(error)

    with socket.create_server((HOST, 0)) as listener:
        thread = threading.Thread(target=run)
        thread.start()
        yield listener.getsockname()
        thread.join(PATIENCE)
    assert not thread.is_alive()
    assert not errors, errors


def blocking_server(context, behave):
    """A server by the ssl module's own sockets: ``behave(tls_socket)`` in a thread."""

    def serve(plain):
        with context.wrap_socket(plain, server_side=True, suppress_ragged_eofs=False) as tls:
            behave(tls)

    return _accepting(serve)


def raw_server(context, behave):
    """A server that has each record in its hand: ``behave(peer)`` in a thread."""
    return _accepting(lambda plain: behave(Peer(context, plain)))


class Peer:
    """The server's side, by blocking calls."""

    def __init__(self, context, plain):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.plain = plain
        self.perform(self.tls.do_handshake)

    def perform(self, operation):
        while True:
            try:
                return operation()
            except ssl.SSLWantReadError:
                self.flush()
                self.incoming.write(self.plain.recv(65536) or (_ for _ in ()).throw(EOFError()))
            finally:
                self.flush()

    def flush(self):
        self.plain.sendall(self.outgoing.read())

    def read_to_end(self):
        """All until the client's word of its end."""
        got = bytearray()
        while chunk := self.perform(self.read):
            got += chunk
        return bytes(got)

    def read(self):
        try:
            return self.tls.read(100_000)
        except ssl.SSLZeroReturnError:
            return b""

    def say_end(self):
        """And do not wait for an answer."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        self.flush()
