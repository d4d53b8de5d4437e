"""Transports that outlive their loop: a program's last lines often close them when it is closed already."""

from __future__ import annotations

import gc
import socket
import sys
import warnings
import weakref

import datagrams
import pytest
from support import HOST, Recorder, open_descriptors


def stream(loop):
    near, far = socket.socketpair()

    async def make():
        return await loop.create_connection(Recorder, sock=near)

    return (*loop.run_until_complete(make()), far)


def datagram(loop):
    async def make():
        return await loop.create_datagram_endpoint(datagrams.Recorder, local_addr=(HOST, 0))

    return (*loop.run_until_complete(make()), None)


@pytest.mark.parametrize("kind", [stream, datagram])
@pytest.mark.parametrize("how", ["close", "abort"])
def test_a_transport_is_closed_without_its_loop(loop_factory, loop_name, kind, how):
    """asyncio raises RuntimeError, and closes the socket when the transport goes, with a ResourceWarning."""
    before = open_descriptors()
    loop = loop_factory()
    transport, protocol, far = kind(loop)
    sock = transport.get_extra_info("socket")
    loop.close()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if loop_name == "asyncio":
            with pytest.raises(RuntimeError, match="Event loop is closed"):
                getattr(transport, how)()
        else:
            getattr(transport, how)()
            assert sock.fileno() == -1
        assert transport.is_closing()
        assert not protocol.lost.done()
        del transport, protocol
        gc.collect()
    assert sock.fileno() == -1
    assert len(caught) == (1 if loop_name == "asyncio" else 0)
    if far is not None:
        assert far.recv(1) == b""
        far.close()
    del loop
    assert open_descriptors() == before


def test_what_does_not_fit_cannot_be_written_without_the_loop(loop_factory):
    loop = loop_factory()
    transport, protocol, far = stream(loop)
    loop.close()
    transport.write(b"fits")
    assert far.recv(10) == b"fits"
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        transport.write(bytes(10_000_000))
    far.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        del transport, protocol
        gc.collect()


def test_the_error_that_a_transport_ends_with_is_not_kept_once_there_is_nobody_to_tell(
    loop_factory, loop_name
):
    """asyncio raises RuntimeError."""
    if loop_name == "asyncio":
        pytest.skip("asyncio raises RuntimeError")
    loop = loop_factory()
    transport, _, _ = datagram(loop)
    loop.close()
    error = Broken("gone")
    known = weakref.ref(error)
    transport._force_close(error)
    del error
    assert known() is None


class Broken(OSError):
    pass


@pytest.mark.skipif(sys.version_info < (3, 12), reason="from Python 3.12 on classes can be buffers")
def test_a_buffer_whose_owner_looks_at_the_closed_loop_is_let_go(loop_factory):
    loop = loop_factory()
    looks = []

    class Buffer:
        def __len__(self):
            return 10_000_000

        def __buffer__(self, flags):
            return memoryview(bytes(len(self)))

        def __release_buffer__(self, view):
            looks.append(len(loop._ready))
            view.release()

    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        near.send(bytes(10_000_000))
        sending = loop.sock_sendall(near, Buffer())
        loop.close()
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            sending.send(None)
        del sending
        gc.collect()
    assert set(looks) == {0}
