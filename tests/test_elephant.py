"""examples/postgres, tokio-postgres over our sockets, with a real PostgreSQL; on each loop."""

import asyncio
import contextlib

import pytest
import rust_extension
from fetch_servers import serving
from support import HOST, PATIENCE, until

elephant = rust_extension.build("elephant._elephant", rust_extension.ROOT / "examples" / "postgres")

pytestmark = pytest.mark.three_loops


def test_values_go_there_and_back(run, postgres):
    async def main():
        async with elephant.Pool(postgres.dsn) as pool:
            for value, kind in (
                (None, "int"),
                (True, "bool"),
                (-3, "int2"),
                (2**30, "int4"),
                (2**62, "int8"),
                (1.5, "float4"),
                (0.1, "float8"),
                ("ü '", "text"),
                (b"\0\xff", "bytea"),
            ):
                assert await pool.query(f"SELECT $1::{kind} AS there", value) == [{"there": value}]
            rows = await pool.query("SELECT g, repeat('x', 1000) AS t FROM generate_series(1, 5000) g")
            assert rows == [{"g": number, "t": "x" * 1000} for number in range(1, 5001)]
            assert await pool.query("SELECT 1 WHERE false") == []

    run(main)


def test_what_does_not_fit_and_what_the_server_refuses(run, postgres):
    async def main():
        async with elephant.Pool(postgres.dsn, size=1) as pool:
            with pytest.raises(elephant.PostgresError, match="division by zero") as caught:
                await pool.query("SELECT 1 / $1::int", 0)
            assert caught.value.sqlstate == "22012"
            with pytest.raises(TypeError, match="no int4"):
                await pool.query("SELECT $1::int", "text")
            with pytest.raises(TypeError, match="object"):
                await pool.query("SELECT $1::int", object())
            with pytest.raises(TypeError, match="numeric"):
                await pool.query("SELECT 1.5::numeric")
            assert await pool.query("SELECT 1 AS n") == [{"n": 1}]
        with pytest.raises(RuntimeError, match="closed"):
            await pool.query("SELECT 1")
        with pytest.raises(elephant.PostgresError, match="password"):
            await elephant.Pool(postgres.dsn.replace(postgres.password, "wrong")).query("SELECT 1")
        with pytest.raises(ConnectionRefusedError):
            await elephant.Pool(postgres.dsn.replace(str(postgres.port), "1")).query("SELECT 1")

    run(main)


def test_a_pool_has_so_many_connections(run, postgres):
    async def main():
        async with elephant.Pool(postgres.dsn, size=3) as pool:
            queries = (pool.query("SELECT $1::int * 2 AS n, pg_backend_pid() AS who", n) for n in range(100))
            rows = [row for (row,) in await asyncio.gather(*queries)]
            assert [row["n"] for row in rows] == [2 * n for n in range(100)]
            assert len({row["who"] for row in rows}) == 3

    run(main)


def test_a_statement_is_prepared_once_for_a_connection(run, postgres):
    async def main():
        async with elephant.Pool(postgres.dsn, size=1) as pool:
            for number in range(3):
                assert await pool.query("SELECT $1::int AS n", number) == [{"n": number}]
            count = (
                "SELECT count(*) AS n FROM pg_prepared_statements WHERE statement LIKE 'SELECT $1::int AS%'"
            )
            assert await pool.query(count) == [{"n": 1}]

    run(main)


def test_a_transaction_commits_or_rolls_back(run, postgres, loop_name):
    table = f"numbers_{loop_name}"

    async def main():
        async with elephant.Pool(postgres.dsn, size=2) as pool:
            await pool.execute(f"DROP TABLE IF EXISTS {table}; CREATE TABLE {table} (n int)")

            async def count():
                return (await pool.query(f"SELECT count(*) AS n FROM {table}"))[0]["n"]

            async with pool.transaction() as transaction:
                await transaction.query(f"INSERT INTO {table} VALUES ($1)", 1)
                assert await transaction.query(f"SELECT n FROM {table}") == [{"n": 1}]
                assert await count() == 0
            assert await count() == 1
            with pytest.raises(KeyError):
                async with pool.transaction() as transaction:
                    await transaction.query(f"DELETE FROM {table}")
                    raise KeyError
            with pytest.raises(elephant.PostgresError):
                async with pool.transaction() as transaction:
                    await transaction.query(f"DELETE FROM {table}")
                    await transaction.query("SELECT 1 / 0")
            assert await count() == 1
            with pytest.raises(RuntimeError, match="not open"):
                await transaction.query("SELECT 1")
            await pool.execute(f"DROP TABLE {table}")

    run(main)


RUNNING = (
    "SELECT count(*) AS n FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep(%'"
)


def test_a_cancelled_query_ends_at_the_server_and_its_connection_serves_on(run, postgres):
    async def main():
        async with elephant.Pool(postgres.dsn, size=1) as pool, elephant.Pool(postgres.dsn, size=1) as other:
            [before] = await pool.query("SELECT pg_backend_pid() AS pid")

            async def running():
                return (await other.query(RUNNING))[0]["n"]

            sleeping = asyncio.ensure_future(pool.query("SELECT pg_sleep(30)"))
            waiting = asyncio.ensure_future(pool.query("SELECT 1"))
            async with asyncio.timeout(PATIENCE):
                while not await running():
                    await asyncio.sleep(0)
            # One that has no connection yet has nothing to end.
            waiting.cancel()
            await asyncio.wait([waiting])
            sleeping.cancel()
            await asyncio.wait([sleeping])
            assert waiting.cancelled() and sleeping.cancelled()
            assert await running() == 0
            assert await pool.query("SELECT pg_backend_pid() AS pid") == [before]

            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05), pool.transaction() as transaction:
                    await transaction.query("SELECT pg_sleep(30)")
            assert await pool.query("SELECT pg_backend_pid() AS pid") == [before]

    run(main)


# What a connection says first that is for a cancellation, after its length.
CANCEL = (80877102).to_bytes(4)


class Between:
    """Between a pool and the server. A cancellation goes on when it may; who ``refuses()`` takes none."""

    def __init__(self, postgres):
        self.postgres, self.port = postgres, 0
        self.may_cancel = asyncio.Event()
        self.tasks = set()

    async def __aenter__(self):
        await self.listens()
        return self

    async def __aexit__(self, *_):
        self.refuses()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def listens(self):
        self.listening = await asyncio.start_server(self.connected, HOST, self.port)
        self.port = self.listening.sockets[0].getsockname()[1]

    def refuses(self):
        self.listening.close()

    @property
    def dsn(self):
        return self.postgres.dsn.replace(str(self.postgres.port), str(self.port))

    async def connected(self, reader, writer):
        self.tasks.add(asyncio.current_task())
        first = await reader.readexactly(8)
        if first[4:] == CANCEL:
            await self.may_cancel.wait()
        server_reader, server_writer = await asyncio.open_connection(self.postgres.host, self.postgres.port)
        server_writer.write(first)

        async def forward(reader, writer):
            with contextlib.suppress(ConnectionError):
                while some := await reader.read(65536):
                    writer.write(some)
                writer.write_eof()

        try:
            await asyncio.gather(forward(reader, server_writer), forward(server_reader, writer))
        finally:
            writer.close()
            server_writer.close()


async def process_of(pool):
    """That of its only connection."""
    return (await pool.query("SELECT pg_backend_pid() AS pid"))[0]["pid"]


async def active(other, pid):
    return await other.query("SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND pid = $1", pid)


async def until_active(other, pid, wanted=True):
    async with asyncio.timeout(20):
        while bool(await active(other, pid)) != wanted:
            await asyncio.sleep(0.001)


async def end(other, pid):
    await other.query("SELECT pg_terminate_backend($1, 10000)", pid)


def test_a_query_that_cannot_be_cancelled_takes_its_connection_with_it(run, postgres):
    async def main():
        async with (
            Between(postgres) as between,
            elephant.Pool(between.dsn, size=1) as pool,
            elephant.Pool(postgres.dsn) as other,
        ):
            pid = await process_of(pool)
            asks = asyncio.ensure_future(pool.query("SELECT pg_sleep(30)"))
            await until_active(other, pid)
            between.refuses()
            asks.cancel()
            await asyncio.wait([asks])
            assert asks.cancelled()
            await between.listens()
            async with asyncio.timeout(20):
                assert await process_of(pool) != pid
            await end(other, pid)

    run(main)


def test_a_transaction_whose_query_cannot_be_cancelled_waits_for_nothing(run, postgres):
    async def main():
        async with (
            Between(postgres) as between,
            elephant.Pool(between.dsn, size=1) as pool,
            elephant.Pool(postgres.dsn) as other,
        ):
            pids = []

            async def work():
                async with pool.transaction() as transaction:
                    pids.extend(await transaction.query("SELECT pg_backend_pid() AS pid"))
                    await transaction.query("SELECT pg_sleep(30)")

            works = asyncio.ensure_future(work())
            await until(lambda: pids)
            await until_active(other, pids[0]["pid"])
            between.refuses()
            works.cancel()
            await asyncio.wait([works], timeout=20)
            assert works.cancelled()
            await end(other, pids[0]["pid"])

    run(main)


def test_a_cancellation_that_comes_late_hits_nobody_else(run, postgres):
    async def main():
        async with (
            Between(postgres) as between,
            elephant.Pool(between.dsn, size=1) as pool,
        ):
            pid = await process_of(pool)
            asks = asyncio.ensure_future(pool.query("SELECT pg_sleep(0.3)"))
            await asyncio.sleep(0.1)
            asks.cancel()
            next_one = asyncio.ensure_future(pool.query("SELECT pg_sleep(0.5), pg_backend_pid() AS pid"))
            await asyncio.sleep(0.5)
            between.may_cancel.set()
            assert [row["pid"] for row in await next_one] == [pid]
            assert asks.cancelled()

    run(main)


def test_several_statements_are_cancelled_and_fail_without_a_trace(run, postgres):
    async def main():
        async with elephant.Pool(postgres.dsn, size=1) as pool, elephant.Pool(postgres.dsn) as other:
            with pytest.raises(elephant.PostgresError, match="division"):
                await pool.execute("BEGIN; SELECT 1 / 0; COMMIT")
            pid = await process_of(pool)

            asks = asyncio.ensure_future(pool.execute("BEGIN; SELECT pg_sleep(30); COMMIT"))
            waiting = asyncio.ensure_future(pool.execute("SELECT 1"))
            await until_active(other, pid)
            waiting.cancel()
            asks.cancel()
            await asyncio.wait([waiting, asks])
            assert waiting.cancelled() and asks.cancelled()
            # The server tells us of its end before it shows it.
            await until_active(other, pid, wanted=False)
            assert await pool.query("SELECT 1 AS n") == [{"n": 1}]

    run(main)


def test_a_connection_that_has_ended_is_replaced(run, postgres):
    async def main():
        async with elephant.Pool(postgres.dsn, size=1) as pool, elephant.Pool(postgres.dsn, size=1) as other:
            [before] = await pool.query("SELECT pg_backend_pid() AS pid")
            sleeping = asyncio.ensure_future(pool.query("SELECT pg_sleep(30)"))
            await asyncio.sleep(0)
            await other.query("SELECT pg_terminate_backend($1)", before["pid"])
            with pytest.raises((ConnectionError, elephant.PostgresError)):
                await sleeping
            [after] = await pool.query("SELECT pg_backend_pid() AS pid")
            assert after != before

    run(main)


def test_a_server_that_is_none(run):
    async def serve(peer):
        await peer.answer("HTTP/1.1 400 Bad Request\n\n")

    async def main():
        async with serving(serve) as server:
            address = server.url.removeprefix("http://")
            with pytest.raises(ConnectionError):
                await elephant.Pool(f"postgresql://user@{address}/db").query("SELECT 1")
            await until(lambda: server.peers[0].writer.is_closing())

    run(main)


def test_a_pool_goes_from_loop_to_loop(loop_factory, postgres):
    pool = elephant.Pool(postgres.dsn)

    async def main():
        return await pool.query("SELECT 1 AS n")

    for _ in range(2):
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            assert runner.run(main()) == [{"n": 1}]


@pytest.mark.parametrize(("dsn", "options"), [("nonsense", {}), ("host=a", {"size": 0})])
def test_settings_that_make_no_sense(dsn, options):
    with pytest.raises(ValueError):
        elephant.Pool(dsn, **options)
