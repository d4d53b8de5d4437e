"""examples/fetch with servers that misbehave, redirect or are slow, and cancelled requests; on each loop."""

import asyncio
import contextlib
import gc
from errno import ECONNREFUSED

import pytest
from fetch_servers import OK, answering, deaf, fetch, serving
from support import until

pytestmark = pytest.mark.three_loops


def once(text):
    """Answers one request of a connection, and closes it."""

    async def serve(peer):
        if await peer.request():
            await peer.answer(text)

    return serve


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 10\n\nhalf",
        "Transfer-Encoding: chunked\n\n4\nhalf\n",
        "Transfer-Encoding: chunked\n\n4\nha",
    ],
)
def test_a_server_that_closes_in_the_middle_of_the_body(run, head):
    async def main():
        async with serving(once(f"HTTP/1.1 200 OK\n{head}")) as server, fetch.Client() as client:
            reply = await client.get(server.url)
            with pytest.raises(fetch.Disconnected):
                await reply.read()
            with pytest.raises(ConnectionError):
                async for _ in await client.get(server.url):
                    pass

    run(main)


@pytest.mark.parametrize("answer", ["", "HTTP/1.1 200 OK\nContent-Le"])
def test_a_server_that_closes_before_the_body_is_not_asked_again(run, answer):
    async def main():
        async with serving(once(answer)) as server, fetch.Client() as client:
            with pytest.raises(fetch.Disconnected):
                await client.get(server.url)
            assert len(server.peers) == 1

    run(main)


def test_what_is_not_http(run):
    async def main():
        async with serving(once("220 mail.example ESMTP\n")) as server, fetch.Client() as client:
            with pytest.raises(fetch.ProtocolError):
                await client.get(server.url)

    run(main)


def test_a_connection_that_the_server_has_closed_meanwhile_is_replaced(run):
    async def main():
        async with serving(once(OK)) as server, fetch.Client() as client:
            for count in range(1, 4):
                # Of a POST too: it is seen before anything is sent.
                assert await (await client.post(server.url, body="x")).text() == "ok"
                await until(lambda count=count: server.peers[count - 1].writer.is_closing())
                await asyncio.sleep(0.01)
            assert len(server.peers) == 3

    run(main)


def test_a_request_that_meets_the_servers_close_is_repeated_once_if_that_is_safe(run):
    heads = []

    async def serve(peer):
        heads.append(await peer.request())
        await peer.answer(OK)
        heads.append(await peer.request())  # and closes

    async def main():
        async with serving(serve) as server, fetch.Client() as client:
            for _ in range(2):
                assert await (await client.get(server.url)).text() == "ok"
            assert [head[:5] for head in heads] == ["GET /", "GET /", "GET /"]
            with pytest.raises(fetch.Disconnected):
                await client.post(server.url, body="order")
            assert len(server.peers) == 2
            # By a new connection, and that is closed too.
            assert await (await client.post(server.url, body="order")).text() == "ok"
            with pytest.raises(fetch.Disconnected):
                await client.post(server.url, body="order")

    run(main)


def test_nobody_listens(run):
    async def main():
        async with serving(answering(OK)) as server:
            pass
        async with fetch.Client() as client:
            with pytest.raises(ConnectionError, match=r"cannot connect to 127\.0\.0\.1:") as caught:
                await client.get(server.url)
            assert isinstance(caught.value, fetch.ConnectError)
            assert caught.value.errno == ECONNREFUSED

    run(main)


def test_a_connection_that_does_not_come_about_in_time(run):
    async def main():
        with deaf() as url:
            async with fetch.Client(connect_timeout=0.05) as client:
                with pytest.raises(fetch.ConnectTimeout) as caught:
                    await client.get(url)
            assert isinstance(caught.value, fetch.ConnectError | fetch.Timeout)
            async with fetch.Client(timeout=0.05) as client:
                with pytest.raises(fetch.Timeout) as caught:
                    await client.get(url)
            assert not isinstance(caught.value, fetch.ConnectTimeout)

    run(main)


def test_the_time_is_up_before_the_head_or_the_whole_body_has_come(run):
    async def serve(peer):
        if "/head" not in await peer.request():
            await peer.answer("HTTP/1.1 200 OK\nContent-Length: 10\n\nhalf")
        await peer.closed()

    async def main():
        async with serving(serve) as server, fetch.Client(timeout=0.05) as client:
            with pytest.raises(TimeoutError, match="50ms"):
                await client.get(f"{server.url}/head")
            reply = await client.get(server.url)
            with pytest.raises(fetch.Timeout):
                await reply.read()
            chunks = []
            with pytest.raises(fetch.Timeout):
                async for chunk in await client.get(server.url):
                    chunks.append(chunk)
            assert chunks == [b"half"]
            with pytest.raises(fetch.Timeout, match="20ms"):
                await client.get(f"{server.url}/head", timeout=0.02)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await client.get(f"{server.url}/head", timeout=None)
            await until(lambda: all(peer.writer.is_closing() for peer in server.peers))

    run(main)


def test_the_time_is_up_though_there_is_always_more_to_read(run):
    async def serve(peer):
        await peer.request()
        with contextlib.suppress(ConnectionError):
            await peer.answer("HTTP/1.1 200 OK\nContent-Length: 1000000000\n\n")
            while True:
                await peer.answer("x" * 100_000)

    async def main():
        async with serving(serve) as server, fetch.Client(timeout=0.2) as client:
            reply = await client.get(server.url)
            with pytest.raises(fetch.Timeout):
                async for _ in reply:
                    await asyncio.sleep(0.01)
            await until(lambda: server.peers[0].writer.is_closing())

    run(main)


def test_a_cancelled_request_closes_its_connection_and_leaves_its_place(run):
    async def main():
        asked = asyncio.Queue()

        async def serve(peer):
            if "/slow" in await peer.request():
                asked.put_nowait(peer)
                await peer.closed()
            else:
                await peer.answer(OK)

        async with serving(serve) as server, fetch.Client(connections_per_host=1) as client:
            slow = asyncio.ensure_future(client.get(f"{server.url}/slow"))
            await asked.get()
            # One that waits for the place, and one that does not any more.
            other = asyncio.ensure_future(client.get(server.url))
            third = asyncio.ensure_future(client.get(server.url))
            await asyncio.sleep(0)
            third.cancel()
            slow.cancel()
            assert await (await other).text() == "ok"
            await asyncio.wait([slow, third])
            assert slow.cancelled() and third.cancelled()
            await until(lambda: server.peers[0].writer.is_closing())

    run(main)


def test_a_cancelled_read_closes_and_a_cancelled_anext_loses_nothing(run):
    async def main():
        go_on = asyncio.Event()

        async def serve(peer):
            while await peer.request():
                await peer.answer("HTTP/1.1 200 OK\nContent-Length: 8\n\nhalf")
                await go_on.wait()
                await peer.answer("half")

        async with serving(serve) as server, fetch.Client() as client:
            chunks = aiter(await client.get(server.url))
            assert await anext(chunks) == b"half"
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await anext(chunks)
            go_on.set()
            assert await anext(chunks) == b"half"
            assert [chunk async for chunk in chunks] == []
            go_on.clear()

            reply = await client.get(server.url)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await reply.read()
            go_on.set()
            await until(lambda: server.peers[-1].writer.is_closing())
            with pytest.raises(fetch.ClosedError):
                await reply.read()

    run(main)


def test_a_reply_that_nobody_reads_is_closed_with_it(run):
    async def serve(peer):
        if await peer.request():
            await peer.answer("HTTP/1.1 200 OK\nContent-Length: 8\n\nhalf")
            await peer.closed()

    async def main():
        async with serving(serve) as server, fetch.Client(connections_per_host=1) as client:
            reply = await client.get(server.url)
            reply.close()
            with await client.get(server.url) as reply:
                pass
            with pytest.raises(fetch.ClosedError):
                await reply.text()
            reply = await client.get(server.url)
            del reply
            gc.collect()
            chunks = aiter(await client.get(server.url))
            await anext(chunks)
            await chunks.aclose()
            await until(
                lambda: len(server.peers) == 4 and all(peer.writer.is_closing() for peer in server.peers)
            )

    run(main)


def test_one_that_is_never_awaited_sends_nothing(run):
    async def main():
        async with serving(answering(OK)) as server, fetch.Client() as client:
            asked = client.get(server.url)
            with pytest.warns(RuntimeWarning, match=r"Client\.get.* was never awaited"):
                del asked
                gc.collect()
            assert server.peers == []

    run(main)


def test_an_error_of_the_bodys_iterator_is_the_requests(run):
    async def chunks():
        yield b"some"
        raise LookupError("no more")

    async def numbers():
        yield [1, 2]

    async def endless():
        while True:
            yield b"x" * 65536

    async def serve(peer):
        await peer.request()
        await peer.closed()

    async def main():
        async with serving(serve) as server, fetch.Client(timeout=0.1) as client:
            with pytest.raises(LookupError, match="no more"):
                await client.post(server.url, body=chunks())
            with pytest.raises(TypeError, match="not list"):
                await client.post(server.url, body=numbers())
            with pytest.raises(fetch.Timeout):
                await client.post(server.url, body=endless())

    run(main)


def redirecting(status, location):
    async def serve(peer):
        while head := await peer.request():
            length = next(
                (int(line[15:]) for line in head.split("\r\n") if line.startswith("content-length")), 0
            )
            body = (await peer.reader.readexactly(length)).decode()
            heads.append((head, body))
            if "/from" in head:
                to = location() if callable(location) else location
                answer = f"HTTP/1.1 {status} There\nLocation: {to}\nContent-Length: 4\n\n"
                await peer.answer(answer if head.startswith("HEAD") else f"{answer}gone")
            else:
                await peer.answer(OK.removesuffix("ok") if head.startswith("HEAD") else OK)

    heads = serve.heads = []
    return serve


@pytest.mark.parametrize(
    ("status", "method", "follows", "body"),
    [
        (301, "POST", "GET", ""),
        (301, "PUT", "PUT", "order"),
        (302, "POST", "GET", ""),
        (303, "PUT", "GET", ""),
        (303, "HEAD", "HEAD", ""),
        (307, "POST", "POST", "order"),
        (308, "PUT", "PUT", "order"),
        (308, "GET", "GET", ""),
    ],
)
def test_redirects_are_followed_with_the_method_that_is_meant(run, status, method, follows, body):
    serve = redirecting(status, "../to?a=b")

    async def main():
        async with serving(serve) as server, fetch.Client() as client:
            given = "order" if method in ("POST", "PUT") else None
            headers = {"Authorization": "secret", "Content-Type": "text/order"}
            reply = await client.request(method, f"{server.url}/x/from", body=given, headers=headers)
            if method != "HEAD":
                assert await reply.text() == "ok"
            assert (reply.status, reply.url) == (200, f"{server.url}/to?a=b")
            head, sent = serve.heads[1]
            assert (head.split()[0], sent) == (follows, body)
            assert ("content-type: text/order" in head) == (follows == method)
            assert "authorization: secret" in head
            # The connection serves on; after HEAD's reply too.
            assert len(server.peers) == 1

    run(main)


def test_what_was_meant_for_one_host_does_not_go_to_another(run):
    async def main():
        elsewhere = redirecting(302, "/")
        async with serving(elsewhere) as other, fetch.Client() as client:
            serve = redirecting(302, lambda: f"{other.url}/to")
            async with serving(serve) as server:
                headers = {"Authorization": "secret", "Cookie": "secret", "X-Mine": "1"}
                reply = await client.get(f"{server.url}/from", headers=headers)
                assert reply.url == f"{other.url}/to"
                assert "secret" in serve.heads[0][0]
                head, _ = elsewhere.heads[0]
                assert "secret" not in head and "x-mine: 1" in head
                assert f"host: {other.url.removeprefix('http://')}" in head

    run(main)


def test_redirects_that_never_end_and_those_that_are_not_followed(run):
    async def main():
        serve = redirecting(302, "/from")
        async with serving(serve) as server, fetch.Client(max_redirects=5) as client:
            with pytest.raises(fetch.TooManyRedirects):
                await client.get(f"{server.url}/from")
            assert len(serve.heads) == 6
            with pytest.raises(fetch.FetchError):
                await client.get(f"{server.url}/from", max_redirects=1)
            assert len(serve.heads) == 8
            reply = await client.get(f"{server.url}/from", max_redirects=0)
            assert (reply.status, reply.headers["Location"], await reply.text()) == (302, "/from", "gone")

        for location in ("ftp://elsewhere/", "http://"):
            async with serving(redirecting(302, location)) as server, fetch.Client() as client:
                with pytest.raises(fetch.InvalidURL):
                    await client.get(f"{server.url}/from")

        async def chunks():
            yield b"once"

        async def serve(peer):
            await peer.request()
            await peer.reader.readuntil(b"0\r\n\r\n")
            await peer.answer("HTTP/1.1 307 There\nLocation: /to\nContent-Length: 0\n\n")

        async with serving(serve) as server, fetch.Client() as client:
            assert (await client.post(server.url, body=chunks())).status == 307

    run(main)


def test_status_errors_are_raised_where_one_asks_for_them(run):
    async def main():
        text = "HTTP/1.1 404 Not Found\nContent-Length: 4\n\noops"
        async with serving(answering(text)) as server, fetch.Client() as client:
            reply = await client.get(server.url)
            assert not reply.ok
            with pytest.raises(fetch.StatusError, match="404") as caught:
                reply.raise_for_status()
            assert caught.value.status == 404
            assert await reply.text() == "oops"
        async with serving(answering(OK)) as server, fetch.Client() as client:
            (await client.get(server.url)).raise_for_status()

    run(main)


def test_each_error_is_what_python_calls_it():
    for error in (fetch.ConnectError, fetch.Disconnected, fetch.TLSError):
        assert issubclass(error, ConnectionError)
    assert issubclass(fetch.Timeout, TimeoutError)
    assert issubclass(fetch.ConnectTimeout, fetch.Timeout)
    names = (getattr(fetch, name) for name in fetch.__all__)
    errors = [each for each in names if issubclass(each, Exception)]
    assert len(errors) == 11
    assert all(issubclass(error, fetch.FetchError) for error in errors)
    assert issubclass(fetch.FetchError, OSError)
