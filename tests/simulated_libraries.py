"""Programs of the field's libraries, unchanged, in simulations: services on hosts, clients, faults.

    simulated_libraries.py SEEDS [NAME...]

prints a line a program and seed, with the digest of what has happened. Two processes print the same.
"""

import asyncio
import contextlib
import queue
import ssl
import sys
import threading

import aiohttp
import anyio
import anyio.from_thread
import anyio.to_thread
import asyncpg
import httpx
import ironloop
import redis.asyncio
import redis.exceptions
import trustme
import uvicorn
import websockets
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from simulated_postgres import INT4, INT8, TEXT, Database, Statement

CA = trustme.CA()
SERVER = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
CA.issue_cert("web", "proxy").configure_cert(SERVER)
CLIENT = ssl.create_default_context()
CA.configure_trust(CLIENT)

PROGRAMS = {}


def program(function):
    PROGRAMS[function.__name__] = function
    return function


async def listening(host, port):
    """Until somebody does."""
    while True:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return


def slow(sim):
    sim.network.link(latency=(0.001, 0.1), loss=0.05)


@program
async def aiohttp_client_and_server(sim):
    """Over TLS, to a host that is cut off, crashes and comes back; its answers are made by threads."""
    slow(sim)

    async def handle(request):
        number = int(await request.text())
        return web.Response(text=str(await asyncio.to_thread(pow, number, 2)))

    async def serve():
        app = web.Application()
        app.router.add_post("/", handle)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "0.0.0.0", 443, ssl_context=SERVER).start()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await runner.cleanup()

    host = sim.host("web")
    host.start(serve)
    await asyncio.sleep(1)
    answers = []

    async def ask(number):
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(30)) as session:
            while True:
                try:
                    async with session.post("https://web/", data=str(number), ssl=CLIENT) as response:
                        answers.append((number, int(await response.text())))
                        return
                except (OSError, aiohttp.ClientError):
                    await asyncio.sleep(5)

    async def ask_all():
        for number in range(3):
            await ask(number)
            await asyncio.sleep(1)

    async def fail():
        await asyncio.sleep(0.5)
        sim.network.partition("web")
        await asyncio.sleep(5)
        sim.network.heal()
        host.crash()
        await asyncio.sleep(5)
        host.restart()

    await asyncio.gather(ask_all(), ask_all(), fail())
    assert sorted(answers) == [(number, number**2) for number in (0, 0, 1, 1, 2, 2)]


@program
async def aiohttps_test_server(sim):
    async def hello(request):
        await asyncio.sleep(10)
        return web.json_response({"from": request.remote, "said": await request.text()})

    async def chat(request):
        socket = web.WebSocketResponse(heartbeat=30)
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data.upper())
        return socket

    app = web.Application()
    app.router.add_post("/", hello)
    app.router.add_get("/chat", chat)
    async with TestClient(TestServer(app)) as client:
        response = await client.post("/", data="x" * 300_000)
        answer = await response.json()
        assert (answer["from"], len(answer["said"])) == ("127.0.0.1", 300_000)
        socket = await client.ws_connect("/chat")
        await socket.send_str("hello")
        assert (await socket.receive()).data == "HELLO"
        await asyncio.sleep(100)
        await socket.close()


@program
async def uvicorn_and_httpx(sim):
    slow(sim)

    async def app(scope, receive, send):
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": scope["client"][0].encode()})

    config = uvicorn.Config(app, host="0.0.0.0", port=80, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    host, user = sim.host("web"), sim.host("user")
    serving = host.create_task(server._serve())
    await listening("web", 80)

    async def ask(timeout):
        async with httpx.AsyncClient(verify=CLIENT, timeout=timeout) as client:
            return [(await client.get("http://web/")).text for _ in range(3)]

    answers = await asyncio.gather(*(user.run(ask(60)) for _ in range(3)))
    assert answers == [[user.address] * 3] * 3
    sim.network.partition(host, user)
    try:
        await user.run(ask(5))
    except httpx.ConnectTimeout:
        pass
    else:
        raise AssertionError("it was answered")
    sim.network.heal()
    server.should_exit = True
    await serving


@program
async def chats_by_websockets(sim):
    slow(sim)

    async def echo(connection):
        with contextlib.suppress(websockets.ConnectionClosedError):
            async for message in connection:
                await connection.send(message[::-1])

    async def serve():
        async with websockets.serve(echo, "0.0.0.0", 80, ping_interval=20, ping_timeout=20):
            await asyncio.get_running_loop().create_future()

    sim.host("server").start(serve)
    await listening("server", 80)
    async with websockets.connect("ws://server/") as connection:
        await connection.send("abc")
        assert await connection.recv() == "cba"
        await asyncio.sleep(300)
        sim.network.partition("server")
        # Nobody answers the pings any more.
        try:
            await connection.recv()
        except websockets.ConnectionClosedError:
            pass
        else:
            raise AssertionError("it is still open")
        sim.network.heal()
    assert asyncio.get_running_loop().time() < 1000


def _move(store, number, amount):
    store[number] = store.get(number, 0) + amount
    return []


STATEMENTS = {
    "INSERT INTO accounts VALUES ($1, $2)": Statement(_move, (INT4, INT8)),
    "UPDATE accounts SET balance = balance + $2 WHERE number = $1": Statement(_move, (INT4, INT8)),
    "SELECT number, balance FROM accounts WHERE number >= $1": Statement(
        lambda store, least: [each for each in sorted(store.items()) if each[0] >= least],
        (INT4,),
        (("number", INT4), ("balance", INT8)),
    ),
    "SELECT balance FROM accounts WHERE number = $1": Statement(
        lambda store, number: [(store[number],)], (INT4,), (("balance", INT8),)
    ),
    "SELECT upper($1)": Statement(lambda _, text: [(text.upper(),)], (TEXT,), (("upper", TEXT),)),
}


@program
async def transfers_by_asyncpg(sim):
    """A pool, prepared statements, transactions; what is not committed when the network is reset is gone."""
    slow(sim)
    sim.host("db").start(Database(STATEMENTS).serve)
    await listening("db", 5432)
    options = {"host": "db", "user": "us", "password": "secret", "database": "bank", "timeout": 30}
    try:
        await asyncpg.connect(**{**options, "password": "wrong"})
    except asyncpg.InvalidPasswordError:
        pass
    else:
        raise AssertionError("anybody may connect")
    async with asyncpg.create_pool(**options, min_size=1, max_size=4) as pool:
        await pool.executemany("INSERT INTO accounts VALUES ($1, $2)", [(n, 100) for n in range(4)])
        assert await pool.fetchval("SELECT upper($1)", "schön") == "SCHÖN"

        async def transfer(source, target, amount, fails=False):
            async with pool.acquire() as connection, connection.transaction():
                change = await connection.prepare(
                    "UPDATE accounts SET balance = balance + $2 WHERE number = $1"
                )
                await change.fetch(source, -amount)
                if fails:
                    raise ZeroDivisionError
                await change.fetch(target, amount)

        transfers = [transfer(n % 4, (n + 1) % 4, n, fails=n == 5) for n in range(10)]
        failed = [each for each in await asyncio.gather(*transfers, return_exceptions=True) if each]
        assert [type(each) for each in failed] == [ZeroDivisionError]
        try:
            await pool.fetch("SELECT nothing")
        except asyncpg.PostgresSyntaxError:
            pass
        else:
            raise AssertionError("it knows all statements")

        async with pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute("UPDATE accounts SET balance = balance + $2 WHERE number = $1", 0, 1000)
            sim.network.reset("db")
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await transaction.commit()
        while True:
            try:
                rows = await pool.fetch("SELECT number, balance FROM accounts WHERE number >= $1", 0)
                break
            except (OSError, asyncpg.PostgresConnectionError):
                await asyncio.sleep(1)
        assert sum(row["balance"] for row in rows) == 400, rows


@program
async def commands_by_redis_py(sim):
    slow(sim)
    store = {}

    async def command(reader):
        count = int((await reader.readuntil(b"\r\n"))[1:])
        parts = []
        for _ in range(count):
            size = int((await reader.readuntil(b"\r\n"))[1:])
            parts.append((await reader.readexactly(size + 2))[:-2])
        return parts

    async def answer(reader, writer):
        try:
            while True:
                name, *args = await command(reader)
                if name == b"SET":
                    store[args[0]] = args[1]
                    writer.write(b"+OK\r\n")
                elif name == b"GET":
                    value = store.get(args[0])
                    writer.write(b"$-1\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value))
                else:
                    writer.write(b"+OK\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def serve():
        await (await asyncio.start_server(answer, "0.0.0.0", 6379)).serve_forever()

    sim.host("redis").start(serve)
    await listening("redis", 6379)
    async with redis.asyncio.Redis(host="redis", protocol=2) as client:
        await asyncio.gather(*(client.set(f"key{number}", number) for number in range(10)))
        values = await asyncio.gather(*(client.get(f"key{number}") for number in range(10)))
        assert values == [b"%d" % number for number in range(10)]
        sim.network.reset("redis")
        while True:
            try:
                assert await client.get("key1") == b"1"
                return
            except redis.exceptions.ConnectionError:
                await asyncio.sleep(1)


@program
async def anyio_with_threads(sim):
    """Streams, datagrams, and threads that call back."""
    answers = []

    def work(data):
        anyio.from_thread.run(anyio.sleep, 0.5)
        return anyio.from_thread.run_sync(bytes.upper, data)

    async def handle(stream):
        async with stream:
            await stream.send(await anyio.to_thread.run_sync(work, await stream.receive()))

    async def ask(data):
        async with await anyio.connect_tcp("127.0.0.1", 4000) as stream:
            await stream.send(data)
            answers.append(await stream.receive())

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=4000)
    async with anyio.create_task_group() as group:
        group.start_soon(listener.serve, handle)
        async with anyio.create_task_group() as inner:
            for data in (b"a", b"b", b"c"):
                inner.start_soon(ask, data)
        group.cancel_scope.cancel()
    await listener.aclose()
    assert sorted(answers) == [b"A", b"B", b"C"]
    async with await anyio.create_udp_socket(local_host="127.0.0.1", local_port=53) as udp:
        await udp.sendto(b"itself", "127.0.0.1", 53)
        assert (await udp.receive())[0] == b"itself"


@program
async def streams_over_tls(sim):
    """A proxy that ends TLS, and one connection that becomes TLS on its way."""
    slow(sim)

    async def answer(reader, writer):
        if await reader.readline() == b"STARTTLS\n":
            writer.write(b"GO\n")
            await writer.start_tls(SERVER)
            writer.write((await reader.readline()).upper())
            await writer.drain()
        writer.close()

    async def serve(port, handler, **options):
        await (await asyncio.start_server(handler, "0.0.0.0", port, **options)).serve_forever()

    async def upgraded(name, question):
        reader, writer = await asyncio.open_connection(name, 25)
        writer.write(b"STARTTLS\n")
        assert await reader.readline() == b"GO\n"
        await writer.start_tls(CLIENT, server_hostname="web")
        writer.write(question)
        answered = await reader.readline()
        writer.close()
        return answered

    async def forward(reader, writer):
        writer.write(await upgraded("web", await reader.readline()))
        writer.close()

    sim.host("web").start(serve, 25, answer)
    proxy = sim.host("proxy")

    async def proxies():
        await serve(443, forward, ssl=SERVER)

    proxy.start(proxies)
    await listening("web", 25)
    await listening("proxy", 443)

    async def ask(number):
        reader, writer = await asyncio.open_connection("proxy", 443, ssl=CLIENT)
        writer.write(b"secret %d\n" % number)
        assert await reader.readline() == b"SECRET %d\n" % number
        writer.close()

    await asyncio.gather(*map(ask, range(3)))
    try:
        await asyncio.open_connection("proxy", 443, ssl=CLIENT, server_hostname="other")
    except ssl.SSLCertVerificationError:
        # Goodbyes arrive.
        await asyncio.sleep(60)
    else:
        raise AssertionError("it is another's certificate")


class _NameServer(asyncio.DatagramProtocol):
    """Answers each question, a name, with the question's number and an address."""

    def __init__(self, zone):
        self.zone = zone

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.transport.sendto(data[:2] + self.zone[data[2:].decode()].encode(), address)


class _Resolver(asyncio.DatagramProtocol):
    def __init__(self):
        self.waiting = {}

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        # An answer may come twice, or after its question was given up.
        future = self.waiting.pop(int.from_bytes(data[:2]), None)
        if future is not None and not future.done():
            future.set_result(data[2:].decode())

    async def ask(self, number, name):
        while True:
            future = self.waiting[number] = asyncio.get_running_loop().create_future()
            self.transport.sendto(number.to_bytes(2) + name.encode())
            try:
                return await asyncio.wait_for(future, 2)
            except TimeoutError:
                continue


@program
async def names_by_datagrams(sim):
    sim.network.link(latency=(0.001, 1.5), loss=0.2, duplicate=0.2)
    loop = asyncio.get_running_loop()
    zone = {f"host{number}": f"10.7.0.{number}" for number in range(5)}

    async def serve():
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _NameServer(zone), local_addr=("0.0.0.0", 53)
        )
        try:
            await loop.create_future()
        finally:
            transport.close()

    server = sim.host("names")
    server.start(serve)
    await asyncio.sleep(1)
    assert (await loop.getaddrinfo("names", 53))[0][4][0] == server.address
    transport, resolver = await loop.create_datagram_endpoint(_Resolver, remote_addr=("names", 53))
    answers = await asyncio.gather(*(resolver.ask(number, f"host{number}") for number in range(5)))
    assert answers == list(zone.values())
    transport.close()


@program
async def workers_of_a_queue(sim):
    """Tasks and threads that share work, a plain thread that listens, and a journal that one lock keeps."""
    loop, jobs, journal, lock = asyncio.get_running_loop(), asyncio.Queue(5), [], asyncio.Lock()
    ended = loop.create_future()
    told = []

    def listen(words):
        # In a thread of its own.
        while (word := words.get()) is not None:
            loop.call_soon_threadsafe(told.append, word)
        loop.call_soon_threadsafe(ended.set_result, None)

    words = queue.SimpleQueue()
    thread = threading.Thread(target=listen, args=(words,))
    thread.start()

    async def work():
        while True:
            number = await jobs.get()
            result = await asyncio.to_thread(pow, number, 3)
            async with lock:
                await asyncio.sleep(0)
                journal.append((number, result))
            words.put(number)
            jobs.task_done()

    workers = [asyncio.create_task(work()) for _ in range(4)]
    for number in range(20):
        await jobs.put(number)
    await jobs.join()
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    words.put(None)
    await asyncio.wait_for(ended, 60)
    thread.join()
    assert sorted(journal) == [(number, number**3) for number in range(20)]
    assert told == [number for number, _ in journal]


def main():
    seeds, *names = sys.argv[1:]
    for name in names or PROGRAMS:
        for seed in range(int(seeds)):
            with ironloop.simulation(seed) as sim:
                sim.run(PROGRAMS[name](sim))
            print(name, seed, sim.digest, flush=True)


if __name__ == "__main__":
    main()
