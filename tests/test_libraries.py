"""Real libraries on the loop: aiohttp, httpx, uvicorn with httptools, asyncpg."""

import asyncio
import io
import random
import signal
import subprocess
import sys
import urllib.request
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import asyncpg
import httpx
import pytest
from aiohttp import web
from support import HOST, PATIENCE, open_descriptors, until


@asynccontextmanager
async def aiohttp_server(ssl=None):
    """An aiohttp server; yields its base URL."""

    async def hello(request):
        return web.json_response({"method": request.method, "path": request.path})

    async def mirror(request):
        return web.Response(body=await request.read())

    async def stream(request):
        response = web.StreamResponse()
        await response.prepare(request)
        for number in range(100):
            await response.write(f"{number},".encode())
        return response

    async def socket(request):
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        async for message in websocket:
            await websocket.send_str(message.data.upper())
        return websocket

    async def slow(request):
        await asyncio.sleep(3600)

    app = web.Application(client_max_size=100_000_000)
    app.router.add_get("/hello", hello)
    app.router.add_post("/mirror", mirror)
    app.router.add_get("/stream", stream)
    app.router.add_get("/socket", socket)
    app.router.add_get("/slow", slow)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, HOST, 0, ssl_context=ssl)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"https://localhost:{port}" if ssl else f"http://{HOST}:{port}"
    finally:
        await runner.cleanup()


def test_aiohttp(run):
    async def main():
        async with aiohttp_server() as url, aiohttp.ClientSession(url) as session:
            async with session.get("/hello") as response:
                assert await response.json() == {"method": "GET", "path": "/hello"}
            body = random.Random(6).randbytes(5_000_000)
            async with session.post("/mirror", data=io.BytesIO(body)) as response:
                assert await response.read() == body
            async with session.get("/stream") as response:
                assert await response.text() == "".join(f"{number}," for number in range(100))
            async with session.ws_connect("/socket") as websocket:
                for number in range(50):
                    await websocket.send_str(f"message {number}")
                    assert await websocket.receive_str() == f"MESSAGE {number}"
            with pytest.raises(TimeoutError):
                await session.get("/slow", timeout=aiohttp.ClientTimeout(total=0.05))

            async def get():
                async with session.get("/hello") as response:
                    return response.status

            assert await asyncio.gather(*(get() for _ in range(300))) == [200] * 300

    run(main)


def test_aiohttp_over_tls(run, server_tls, client_tls):
    async def main():
        before = open_descriptors()
        async with aiohttp_server(server_tls) as url:
            connector = aiohttp.TCPConnector(ssl=client_tls)
            async with aiohttp.ClientSession(url, connector=connector) as session:
                body = random.Random(7).randbytes(2_000_000)
                async with session.post("/mirror", data=io.BytesIO(body)) as response:
                    assert await response.read() == body
        await until(lambda: open_descriptors() <= before)  # aiohttp closes its TLS in the background

    run(main)


def test_httpx(run):
    async def main():
        async with (
            aiohttp_server() as url,
            httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as client,
        ):
            assert (await client.get("/hello")).json() == {"method": "GET", "path": "/hello"}
            body = random.Random(8).randbytes(2_000_000)
            assert (await client.post("/mirror", content=body)).content == body
            responses = await asyncio.gather(*(client.get("/hello") for _ in range(50)))
            assert [response.status_code for response in responses] == [200] * 50
            with pytest.raises(httpx.ReadTimeout):
                await client.get("/slow", timeout=httpx.Timeout(PATIENCE, read=0.05))

    run(main)


def test_httpx_over_tls(run, server_tls, client_tls):
    async def main():
        async with (
            aiohttp_server(server_tls) as url,
            httpx.AsyncClient(base_url=url, verify=client_tls, trust_env=False, timeout=PATIENCE) as client,
        ):
            assert (await client.get("/hello")).json()["path"] == "/hello"

    run(main)


@pytest.fixture
def uvicorn(loop_name):
    """A uvicorn process with httptools on the loop under test: (process, base URL)."""
    loop = "asyncio" if loop_name == "asyncio" else "ironloop:new_event_loop"
    command = [sys.executable, "-m", "uvicorn", "uvicorn_app:app", "--host", HOST, "--port", "0"]
    with subprocess.Popen(
        [
            *command,
            "--http",
            "httptools",
            "--loop",
            loop,
            "--no-access-log",
            "--app-dir",
            Path(__file__).parent,
        ],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "running on" in line:
                break
        else:
            pytest.fail("uvicorn did not start:\n" + "".join(lines))
        yield process, line.split("running on ")[1].split()[0]
        process.terminate()
        process.stderr.read()
        process.wait(PATIENCE)


def test_uvicorn_serves_and_ends_on_a_signal(uvicorn, loop_name):
    process, url = uvicorn
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{url}/loop") as response:
        module, http = response.read().decode().split()
    assert module.startswith("ironloop" if loop_name == "ironloop" else "asyncio")
    assert http == "1.1"
    body = random.Random(9).randbytes(3_000_000)
    with opener.open(f"{url}/mirror", data=body) as response:
        assert response.read() == body
    process.send_signal(signal.SIGINT)
    assert "Finished server process" in process.stderr.read()
    process.wait(PATIENCE)


def test_uvicorn_under_load(uvicorn):
    _, url = uvicorn

    async def main():
        async with aiohttp.ClientSession(url) as session:

            async def get():
                async with session.get("/loop") as response:
                    return response.status

            assert await asyncio.gather(*(get() for _ in range(500))) == [200] * 500

    asyncio.run(main())


def test_asyncpg(run, postgres):
    async def main():
        pool = await asyncpg.create_pool(postgres.dsn, min_size=1, max_size=5)
        async with pool:
            squares = await asyncio.gather(
                *(pool.fetchval("SELECT $1::int * $1", number) for number in range(100))
            )
            assert squares == [number**2 for number in range(100)]
            async with pool.acquire() as connection:
                rows = await connection.fetch(
                    "SELECT g, repeat('x', 1000) AS text FROM generate_series(1, 5000) g"
                )
                assert [row["g"] for row in rows] == list(range(1, 5001))
                with pytest.raises(asyncpg.DivisionByZeroError):
                    await connection.execute("SELECT 1 / 0")
                # Prepared, for a cancel that comes before the server is at it might hit what comes next.
                sleep = await connection.prepare("SELECT pg_sleep(30)")
                with pytest.raises(TimeoutError):
                    await sleep.fetchval(timeout=0.5)
                assert await connection.fetchval("SELECT 'lives on'") == "lives on"

    run(main)


def test_asyncpg_transactions_copies_and_notifications(run, postgres):
    async def main():
        first = await asyncpg.connect(postgres.dsn)
        second = await asyncpg.connect(postgres.dsn)
        try:
            await first.execute("CREATE TEMPORARY TABLE numbers (n int)")
            records = [(number,) for number in range(20_000)]
            await first.copy_records_to_table("numbers", records=records)
            with pytest.raises(KeyError):
                async with first.transaction():
                    await first.execute("DELETE FROM numbers")
                    raise KeyError
            assert await first.fetchval("SELECT count(*) FROM numbers") == 20_000
            async with first.transaction():
                total = 0
                async for row in first.cursor("SELECT n FROM numbers"):
                    total += row["n"]
            assert total == sum(range(20_000))
            heard = asyncio.get_running_loop().create_future()
            await first.add_listener("channel", lambda *arguments: heard.set_result(arguments[-1]))
            await second.execute("NOTIFY channel, 'payload'")
            assert await asyncio.wait_for(heard, PATIENCE) == "payload"
        finally:
            await first.close()
            await second.close()

    run(main)


def test_asyncpg_refused(run, postgres):
    async def main():
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(postgres.dsn, password="wrong")
        with pytest.raises(OSError, match="Connect call failed"):
            await asyncpg.connect(postgres.dsn, port=1)

    run(main)
