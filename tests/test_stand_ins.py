"""The classes that ironloop puts behind asyncio's names, used as programs use asyncio's."""

import abc
import asyncio
import sys
from typing import Generic, Protocol, TypeVar, runtime_checkable

import ironloop
import pytest
from conftest import needs_ironloop
from programs import run_program


class Closed(asyncio.Transport):
    def is_closing(self):
        return True


# All that are exchanged, with the arguments with which a program makes them.
ARGUMENTS = {
    "Barrier": lambda: (2,),
    "BoundedSemaphore": tuple,
    "Condition": tuple,
    "Event": tuple,
    "LifoQueue": tuple,
    "Lock": tuple,
    "PriorityQueue": tuple,
    "Queue": tuple,
    "Semaphore": tuple,
    "StreamReader": tuple,
    "StreamReaderProtocol": lambda: (asyncio.StreamReader(),),
    "StreamWriter": lambda: (Closed(), asyncio.Protocol(), None, asyncio.get_running_loop()),
    "TaskGroup": tuple,
}


@pytest.fixture
def vocabulary(loop_name):
    return ironloop if loop_name == "ironloop" else asyncio


class Named(Protocol):
    name: str


@runtime_checkable
class Held(Protocol):
    def held(self): ...


class Abstract(abc.ABC):
    @abc.abstractmethod
    def held(self): ...


class Without:
    __slots__ = ()


@pytest.mark.parametrize("mixin", [Named, Held, Abstract, Generic[TypeVar("T")], Without])
@pytest.mark.parametrize("name", ARGUMENTS)
def test_mixins(run, vocabulary, name, mixin):
    base = getattr(vocabulary, name)

    class First(mixin, base):
        def held(self):
            return True

    class Second(base, mixin):
        def held(self):
            return True

    async def main():
        for own in (First, Second):
            made = own(*ARGUMENTS[name]())
            assert made.held()
            assert isinstance(made, own) and isinstance(made, base)
            assert not isinstance(base(*ARGUMENTS[name]()), own)
            assert isinstance(made, Held)
            assert not issubclass(int, own)

    run(main)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_subclass_takes_other_arguments(run, vocabulary, name):
    class Own(getattr(vocabulary, name)):
        def __init__(self, limit, *, colour):
            super().__init__(*ARGUMENTS[name]())
            self.limit, self.colour = limit, colour

    async def main():
        made = Own(3, colour="red")
        assert (type(made), made.limit, made.colour) == (Own, 3, "red")

    run(main)


# Not a writer: without its arguments it cannot be finalised either.
@pytest.mark.parametrize("name", sorted(ARGUMENTS.keys() - {"StreamWriter"}))
def test_a_class_refuses_the_arguments_that_asyncios_refuses(run, vocabulary, name):
    async def main():
        with pytest.raises(TypeError, match="argument"):
            getattr(vocabulary, name)(*ARGUMENTS[name](), no_such_argument=1)

    run(main)


def test_connections_are_of_the_classes_that_a_tool_has_put(run, vocabulary, monkeypatch):
    class Reader(asyncio.StreamReader):
        pass

    async def main():
        async def serve(reader, writer):
            kinds.append(type(reader))
            writer.close()

        kinds = []
        # Undone while the names are as they were when it was done.
        with monkeypatch.context() as patch:
            patch.setattr(asyncio.streams, "StreamReader", Reader)
            async with await vocabulary.start_server(serve, "127.0.0.1", 0) as server:
                reader, writer = await vocabulary.open_connection(*server.sockets[0].getsockname())
                assert await reader.read() == b""
                writer.close()
                await writer.wait_closed()
        assert [*kinds, type(reader)] == [Reader, Reader]

    run(main)


# What tools put in the place of asyncio's functions before ironloop is imported; most are no functions.
PUT_THERE = """
import asyncio, functools, sys
def wrapped(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)
    return wrapper
for name in ("open_connection", "start_server", "sleep", "gather", "wait_for"):
    function = getattr(asyncio, name)
    for module in [module for name, module in sys.modules.items() if name.split(".")[0] == "asyncio"]:
        if vars(module).get(name) is function:
            setattr(module, name, {put}(function))
"""
USE = """
import ironloop
ironloop.install()
async def main():
    async def serve(reader, writer):
        writer.write(await reader.readline())
        writer.close()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"line" + bytes([10]))
    print(await asyncio.gather(asyncio.wait_for(reader.read(), 60), asyncio.sleep(0, "slept")))
    writer.close()
    server.close()
    await server.wait_closed()
asyncio.run(main())
"""


@needs_ironloop
@pytest.mark.parametrize("put", ["functools.partial", "wrapped"])
def test_what_a_tool_has_put_before_the_import(put):
    done = run_program([sys.executable, "-c", PUT_THERE.replace("{put}", put) + USE])
    assert done.stdout == "[b'line\\n', 'slept']\n", done.stderr
