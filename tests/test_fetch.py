"""examples/fetch, an HTTP client in Rust, with servers that behave; on ironloop, asyncio and uvloop."""

import asyncio
import gc
import threading
from contextlib import asynccontextmanager

import pytest
import uvicorn
from aiohttp import web
from conftest import server_context
from fetch_servers import OK, answering, fetch, serving
from support import HOST, PATIENCE, until
from uvicorn_app import app

pytestmark = pytest.mark.three_loops


@asynccontextmanager
async def aiohttp_server(ssl=None):
    async def mirror(request):
        headers = {"X-Query": request.query_string, "X-Kind": request.headers.get("Content-Type", "")}
        headers["X-Length"] = request.headers.get("Content-Length", "unknown")
        headers["X-Method"] = request.method
        return web.Response(body=await request.read(), headers=headers)

    async def nothing(request):
        return web.Response(status=204)

    async def twelve(request):
        response = web.StreamResponse()
        await response.prepare(request)
        for number in range(12):
            await response.write(bytes([number]) * 100_000)
        return response

    application = web.Application(client_max_size=10**8)
    application.router.add_route("*", "/mirror", mirror)
    application.router.add_get("/nothing", nothing)
    application.router.add_get("/twelve", twelve)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0, ssl_context=ssl).start()
    try:
        yield f"http{'s' if ssl else ''}://{HOST}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def test_a_reply_has_status_headers_and_a_body(run):
    async def main():
        head = "HTTP/1.1 200 OK\nContent-Type: application/json; charset=latin-1\nContent-Length: 8\n"
        text = f'{head}Set-Cookie: a=1\nSet-Cookie: b=2\n\n{{"a": 1}}'
        async with (
            serving(answering(text)) as server,
            fetch.Client() as client,
        ):
            reply = await client.get(f"{server.url}/path?a=b#c")
            assert (reply.status, reply.ok, reply.url) == (200, True, f"{server.url}/path?a=b#c")
            assert reply.headers["content-TYPE"] == "application/json; charset=latin-1"
            assert reply.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
            assert reply.headers["Set-Cookie"] == "a=1, b=2"
            assert "nothing" not in reply.headers and reply.headers.get("nothing") is None
            assert reply.headers.get("nothing", "so") == "so"
            with pytest.raises(KeyError):
                reply.headers["nothing"]
            assert dict(reply.headers) == {name: reply.headers[name] for name in reply.headers}
            assert reply.headers.keys() == list(reply.headers) and len(reply.headers) == 3
            assert await reply.read() == b'{"a": 1}'
            assert (await reply.text(), await reply.json()) == ('{"a": 1}', {"a": 1})
            assert repr(reply) == f"<Reply 200 from {server.url}/path?a=b#c>"

    run(main)


def test_the_request_is_as_it_was_asked_for(run):
    heads = []

    async def serve(peer):
        while head := await peer.request():
            heads.append(head)
            await peer.answer(OK)

    async def main():
        async with (
            serving(serve) as server,
            fetch.Client(headers={"X-All": "1", "Accept": "text/*"}) as client,
        ):
            await (await client.get(f"{server.url}/a%20b?c=d", params={"e": "ü &", "f": 5})).read()
            await (await client.request("PURGE", server.url, headers=[("X-Two", "a"), ("X-Two", "b")])).read()
        host = server.url.removeprefix("http://")
        lines = heads[0].split("\r\n")
        assert lines[0] == "GET /a%20b?c=d&e=%C3%BC+%26&f=5 HTTP/1.1"
        assert sorted(lines[1:-2]) == [
            "accept: text/*",
            f"host: {host}",
            "user-agent: ironloop-fetch/0.1.0",
            "x-all: 1",
        ]
        assert heads[1].startswith("PURGE / HTTP/1.1\r\n")
        assert "x-two: a\r\nx-two: b\r\n" in heads[1]

    run(main)


def test_bodies_are_bytes_text_json_and_what_comes_bit_by_bit(run):
    async def count():
        for number in range(3):
            yield f"{number} " if number % 2 else f"{number} ".encode()
            await asyncio.sleep(0)

    async def main():
        async with aiohttp_server() as url, fetch.Client() as client:
            for body, length in (
                (b"b\0", "2"),
                ("ü", "2"),
                (bytearray(b"abc"), "3"),
                (memoryview(b"a-b-c")[::2], "3"),
                (count(), "unknown"),
                (None, "0"),
            ):
                reply = await client.post(f"{url}/mirror", body=body)
                assert (reply.headers["X-Method"], reply.headers["X-Length"]) == ("POST", length)
                expected = {"2": b"b\0" if body == b"b\0" else "ü".encode(), "3": b"abc", "0": b""}
                assert await reply.read() == expected.get(length, b"0 1 2 ")
            reply = await client.put(f"{url}/mirror", json={"a": [1]})
            assert (reply.headers["X-Kind"], await reply.json()) == ("application/json", {"a": [1]})
            large = bytes(range(256)) * 20_000
            assert await (await client.post(f"{url}/mirror", body=large)).read() == large
            assert (await client.delete(f"{url}/mirror")).headers["X-Method"] == "DELETE"

    run(main)


def test_the_body_comes_in_chunks_as_they_are_sent(run):
    async def main():
        go_on = asyncio.Event()

        async def serve(peer):
            await peer.request()
            await peer.answer("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5\nfirst\n")
            await go_on.wait()
            await peer.answer("6\nsecond\n0\n\n")
            await peer.closed()

        async with serving(serve) as server, fetch.Client() as client:
            chunks = []
            async for chunk in await client.get(server.url):
                chunks.append(chunk)
                go_on.set()
            assert chunks == [b"first", b"second"]
        async with aiohttp_server() as url, fetch.Client() as client:
            whole = b"".join([chunk async for chunk in await client.get(f"{url}/twelve")])
            assert whole == b"".join(bytes([number]) * 100_000 for number in range(12))

    run(main)


def test_a_body_is_given_out_once(run):
    async def main():
        async with serving(answering(OK)) as server, fetch.Client() as client:
            reply = await client.get(server.url)
            assert await reply.read() == await reply.read() == b"ok"
            with pytest.raises(fetch.ClosedError):
                aiter(reply)
            reply = await client.get(server.url)
            assert [chunk async for chunk in reply] == [b"ok"]
            with pytest.raises(fetch.ClosedError):
                await reply.read()

    run(main)


def test_a_connection_serves_again_also_after_replies_without_bodies(run):
    async def serve(peer):
        while head := await peer.request():
            if head.startswith("HEAD"):
                await peer.answer("HTTP/1.1 200 OK\nContent-Length: 1000\n\n")
            elif "/continued" in head:
                await peer.answer("HTTP/1.1 100 Continue\n\n" + OK)
            elif "/nothing" in head:
                await peer.answer("HTTP/1.1 204 No Content\n\n")
            elif "/chunked" in head:
                await peer.answer("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nok\n0\nTrailer: x\n\n")
            else:
                await peer.answer(OK)

    async def main():
        async with serving(serve) as server, fetch.Client() as client:
            for _ in range(3):
                assert (await client.head(server.url)).headers["Content-Length"] == "1000"
                assert (await client.get(f"{server.url}/nothing")).status == 204
                for path in ("", "/chunked", "/continued"):
                    assert await (await client.get(server.url + path)).text() == "ok"
            assert len(server.peers) == 1

    run(main)


def test_what_says_close_is_closed_and_a_body_may_end_with_the_connection(run):
    async def serve(peer):
        head = await peer.request()
        await peer.answer(
            "HTTP/1.1 200 OK\n\nok" if "/old" in head else OK.replace("\n", "\nConnection: close\n", 1)
        )

    async def main():
        async with serving(serve) as server, fetch.Client() as client:
            for path in ("/old", "/", "/old"):
                assert await (await client.get(server.url + path)).text() == "ok"
            assert len(server.peers) == 3

    run(main)


def test_so_many_connections_to_a_host_at_once(run):
    async def main():
        now = most = 0

        async def serve(peer):
            nonlocal now, most
            while await peer.request():
                now += 1
                most = max(most, now)
                await asyncio.sleep(0.001)
                now -= 1
                await peer.answer(OK)

        async with serving(serve) as server, fetch.Client(connections_per_host=3) as client:

            async def get():
                return await (await client.get(server.url)).text()

            assert await asyncio.gather(*(get() for _ in range(30))) == ["ok"] * 30
            assert (most, len(server.peers)) == (3, 3)

    run(main)


def test_idle_connections_are_closed_in_time_and_with_the_client(run):
    async def main():
        async with serving(answering(OK)) as server:
            async with fetch.Client(idle_timeout=0.02) as client:
                await (await client.get(server.url)).read()
                await until(lambda: server.peers[0].writer.is_closing())
                # It begins anew.
                await (await client.get(server.url)).read()
                await until(lambda: server.peers[1].writer.is_closing())
            async with fetch.Client() as client:
                await (await client.get(server.url)).read()
                arriving = await client.get(server.url)
                assert not server.peers[2].writer.is_closing()
            assert await arriving.text() == "ok"
            await until(lambda: server.peers[2].writer.is_closing())
            with pytest.raises(fetch.ClosedError, match="the client is closed"):
                await client.get(server.url)
            client.close()

    run(main)


def test_a_client_that_keeps_nothing_idle_lets_the_loop_go_on(run):
    async def main():
        async with serving(answering(OK)) as server, fetch.Client(idle_timeout=0) as client:
            for count in range(1, 4):
                # More than one host, and one in use.
                arriving = await client.get(server.url.replace(HOST, "localhost"))
                assert await (await client.get(server.url)).text() == "ok"
                await until(lambda count=count: server.peers[2 * count - 1].writer.is_closing())
                assert await arriving.text() == "ok"

    run(main)


def test_tls_with_an_authority_of_ones_own(run, authority, tmp_path):
    import trustme

    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    trustme.CA().cert_pem.write_to_path(tmp_path / "stranger.pem")

    async def main():
        async with aiohttp_server(server_context(authority)) as url:
            async with fetch.Client(ca_file=tmp_path / "authority.pem") as client:
                for _ in range(3):
                    reply = await client.post(f"{url}/mirror", body=b"x" * 100_000)
                    assert await reply.read() == b"x" * 100_000
                reply = await client.get(f"{url.replace(HOST, 'localhost')}/nothing")
                assert reply.status == 204
                chunks = [chunk async for chunk in await client.get(f"{url}/twelve")]
                assert sum(map(len, chunks)) == 1_200_000
            async with fetch.Client(ca_file=str(tmp_path / "stranger.pem")) as client:
                with pytest.raises(fetch.TLSError, match="certificate"):
                    await client.get(f"{url}/mirror")
            async with fetch.Client() as client:  # of the web
                with pytest.raises(ConnectionError, match="certificate"):
                    await client.get(f"{url}/mirror")

    run(main)
    with pytest.raises(fetch.TLSError, match="absent"):
        fetch.Client(ca_file=tmp_path / "absent.pem")


def test_uvicorn(run):
    async def main():
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", ws="none"))
        serving = asyncio.ensure_future(server._serve())
        await until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with fetch.Client() as client:
            bodies = [str(number) * 10_000 for number in range(20)]
            replies = await asyncio.gather(
                *(client.post(f"http://{HOST}:{port}/mirror", body=body) for body in bodies)
            )
            assert [await reply.text() for reply in replies] == bodies
        server.should_exit = True
        await serving

    run(main)


def test_a_client_goes_from_loop_to_loop(loop_factory):
    client = fetch.Client()

    async def main():
        async with serving(answering(OK)) as server:
            for _ in range(2):
                assert await (await client.get(server.url)).text() == "ok"
            return server

    for _ in range(2):
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            assert len(runner.run(main()).peers) == 1


def test_a_client_serves_two_threads_at_once(run, loop_factory):
    client = fetch.Client()

    async def ask(url):
        for _ in range(50):
            assert await (await client.get(url)).text() == "ok"

    def in_thread(url):
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(ask(url))

    async def main():
        async with serving(answering(OK)) as server:
            await asyncio.gather(ask(server.url), asyncio.to_thread(in_thread, server.url))
        client.close()

    run(main)


def test_nothing_is_left_of_requests(run):
    async def main():
        async with serving(answering(OK)) as server, fetch.Client() as client:

            async def ask():
                await (await client.get(server.url)).text()

            await ask()
            gc.collect()
            threads, objects = threading.active_count(), len(gc.get_objects())
            for _ in range(200):
                await ask()
            gc.collect()
            assert threading.active_count() == threads
            assert len(gc.get_objects()) < objects + 100

    run(main)


@pytest.mark.parametrize("option", [{"connections_per_host": 0}, {"timeout": -1}, {"headers": {"a b": "c"}}])
def test_settings_that_make_no_sense(option):
    with pytest.raises(ValueError):
        fetch.Client(**option)


def test_what_is_no_request_is_an_error_where_it_is_awaited(run):
    async def main():
        async with fetch.Client() as client, asyncio.timeout(PATIENCE):
            for url in ("nothing", "ftp://host/", "http://", "http://user:secret@host/"):
                asked = client.get(url)
                with pytest.raises(fetch.InvalidURL) as caught:
                    await asked
                assert isinstance(caught.value, ValueError)
            with pytest.raises(fetch.InvalidURL, match="too long"):
                await client.get(f"http://host/?{'x' * 100_000}")
            with pytest.raises(TypeError, match="no option 'bodi'"):
                await client.get("http://host", bodi=b"")
            for body, name in ((5, "int"), ([1, 2], "list"), ((), "tuple")):
                with pytest.raises(TypeError, match=f"not {name}"):
                    await client.get("http://host", body=body)
            with pytest.raises(UnicodeEncodeError):
                await client.get("http://host", body="\ud800")
            with pytest.raises(ValueError, match="not a method"):
                await client.request("GET IT", "http://host")

    run(main)
