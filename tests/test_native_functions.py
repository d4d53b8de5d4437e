"""What whoever looks at a native function or method sees: asyncio's."""

import asyncio
import inspect
import pydoc
import types
from unittest import mock

import ironloop
import pytest
from conftest import needs_ironloop

FUNCTIONS = ["sleep", "gather", "wait", "wait_for", "shield", "ensure_future", "create_task", "as_completed"]
METHODS = [
    "Queue.get",
    "Queue.put_nowait",
    "Lock.acquire",
    "Lock.__aenter__",
    "Event.wait",
    "Condition.notify",
    "StreamReader.readuntil",
    "TaskGroup.create_task",
]


def find(module, path):
    for name in path.split("."):
        module = getattr(module, name)
    return module


@pytest.fixture(params=FUNCTIONS + METHODS)
def path(request):
    return request.param


@needs_ironloop
def test_it_is_a_function(path):
    ours, stock = find(ironloop, path), find(asyncio, path)
    assert isinstance(ours, types.FunctionType)
    assert inspect.isfunction(ours)
    assert inspect.isroutine(ours)
    assert inspect.iscoroutinefunction(ours) == inspect.iscoroutinefunction(stock)
    assert inspect.signature(ours) == inspect.signature(stock)
    for name in "__name__", "__qualname__", "__module__", "__code__", "__defaults__", "__kwdefaults__":
        assert getattr(ours, name) == getattr(stock, name)
    assert inspect.getsource(ours) == inspect.getsource(stock)


@needs_ironloop
def test_help_shows_its_text(path):
    ours, stock = find(ironloop, path), find(asyncio, path)
    assert object.__getattribute__(ours, "__doc__") == stock.__doc__
    assert pydoc.render_doc(ours) == pydoc.render_doc(stock)


def test_a_mock_of_a_function_checks_its_arguments(run, vocabulary):
    for path in "gather", "shield", "ensure_future", "create_task", "as_completed":
        spec = mock.create_autospec(find(vocabulary, path))
        with pytest.raises(TypeError):
            spec(unknown=1)


def test_a_mock_of_a_class_checks_the_arguments_of_its_methods(run, vocabulary):
    async def main():
        spec = mock.create_autospec(vocabulary.Queue, instance=True)
        with pytest.raises(TypeError):
            spec.put_nowait()
        with pytest.raises(TypeError):
            spec.get_nowait(1)
        spec.put_nowait(1)
        spec.put_nowait.assert_called_once_with(1)
        spec.get.return_value = "got"
        assert await spec.get() == "got"

    run(main)


def test_a_mock_of_a_method_is_handed_the_instance(run, vocabulary):
    async def main():
        queue = vocabulary.Queue()
        with mock.patch.object(vocabulary.Queue, "put_nowait", autospec=True) as put:
            queue.put_nowait(5)
            assert put.call_args.args == (queue, 5)
            with pytest.raises(TypeError):
                queue.put_nowait()
        queue.put_nowait(5)
        assert queue.qsize() == 1

    run(main)


def test_a_mock_of_a_coroutine_function_is_awaited(run, vocabulary):
    async def main():
        with mock.patch.object(vocabulary, "sleep", autospec=True) as sleep:
            await vocabulary.sleep(1000)
            sleep.assert_awaited_once_with(1000)
            with pytest.raises(TypeError):
                await vocabulary.sleep()

    run(main)


def refuses(function, *arguments, **keywords):
    """Whether it is the arguments that it complains of."""
    try:
        result = function(*arguments, **keywords)
    except TypeError:
        return True
    if inspect.iscoroutine(result):
        result.close()
    return False


def test_what_takes_no_arguments_refuses_them(run, vocabulary):
    async def main():
        loop = asyncio.get_running_loop()
        queue, lock, event = vocabulary.Queue(), vocabulary.Lock(), vocabulary.Event()
        future, waiting = loop.create_future(), event.wait()
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        datagrams, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
        )
        methods = [
            *(
                getattr(queue, name)
                for name in ("get", "get_nowait", "empty", "full", "qsize", "task_done", "join")
            ),
            *(getattr(lock, name) for name in ("acquire", "release", "locked", "__aenter__")),
            *(getattr(event, name) for name in ("wait", "set", "clear", "is_set")),
            *(getattr(future, name) for name in ("done", "cancelled")),
            *(getattr(iter(future), name) for name in ("close",)),
            *(getattr(waiting, name) for name in ("close", "__await__")),
            *(getattr(loop, name) for name in ("time", "create_future", "is_running", "is_closed", "stop")),
            *(getattr(loop.call_soon(int), name) for name in ("cancel", "cancelled")),
            loop.call_later(0, int).when,
            *(getattr(reader, name) for name in ("readline", "at_eof", "feed_eof")),
            *(getattr(writer, name) for name in ("drain", "can_write_eof")),
        ]
        for transport in writer.transport, datagrams:
            names = "close", "abort", "is_closing", "get_write_buffer_size", "get_write_buffer_limits"
            methods += [getattr(transport, name) for name in names]
        names = "pause_reading", "resume_reading", "is_reading", "get_protocol", "can_write_eof", "write_eof"
        methods += [getattr(writer.transport, name) for name in names]
        for method in methods:
            assert refuses(method, None), method
            assert refuses(method, unknown=None), method
        waiting.close()
        writer.close()
        datagrams.close()
        server.close()

    run(main)


def test_what_is_given_twice_is_refused(run, vocabulary):
    async def main():
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        datagrams, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
        )
        address = datagrams.get_extra_info("sockname")
        for method, arguments, name in (
            (writer.write, [b""], "data"),
            (writer.transport.write, [b""], "data"),
            (writer.transport.writelines, [[b""]], "list_of_data"),
            (datagrams.sendto, [b"", address], "data"),
            (vocabulary.Queue().put_nowait, [1], "item"),
            (vocabulary.sleep, [0], "delay"),
        ):
            assert refuses(method, *arguments, **{name: arguments[0]}), method
            assert refuses(method, *arguments, unknown=1), method
            assert refuses(method), method
        writer.close()
        datagrams.close()
        server.close()

    run(main)


def test_what_takes_no_keywords_refuses_them(run, vocabulary):
    async def main():
        future = asyncio.get_running_loop().create_future()
        waiting = vocabulary.Event().wait()
        for method, keywords in (
            (waiting.send, {"value": None}),
            (waiting.throw, {"type": ZeroDivisionError}),
            (iter(future).send, {"value": None}),
            (iter(future).throw, {"type": ZeroDivisionError}),
            (future.set_result, {"result": None}),
            (future.set_exception, {"exception": OSError()}),
            (future.add_done_callback, {"fn": print}),
        ):
            assert refuses(method, **keywords), method
        waiting.close()

    run(main)


def test_what_is_missing_is_said_in_pythons_words(run, vocabulary):
    async def main():
        with pytest.raises(TypeError, match="arguments: 'exc_type', 'exc', and 'tb'"):
            vocabulary.Lock().__aexit__()

    run(main)
