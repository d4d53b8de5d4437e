"""A pool of database connections with asyncpg: eight readers in a library share one connection, then four.

A connection answers one query at a time. The pool lends it out to whoever asks, and makes the others wait
without blocking the loop. It runs against a PostgreSQL of its own, which is gone at the end.
"""

import asyncio
import sys
from contextlib import ExitStack

import asyncpg
from narration import chapter, elapsed, say
from services.database import PostgreSQL

BOOKS = ["Emma", "Dracula", "Ulysses", "Moby-Dick", "Candide", "Nostromo", "Middlemarch", "Kidnapped"]
BOOKS_TABLE = "CREATE TABLE books (id integer PRIMARY KEY, title text, copies integer CHECK (copies >= 0))"
LOOK_UP = "SELECT title, pg_sleep(0.2) FROM books WHERE id = $1"  # a query that takes the server its time


async def set_up(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as connection:
        await connection.execute(BOOKS_TABLE)
        await connection.executemany("INSERT INTO books VALUES ($1, $2, 1)", enumerate(BOOKS, 1))


async def look_up(pool: asyncpg.Pool, book: int) -> str:
    async with pool.acquire() as connection:
        row = await connection.fetchrow(LOOK_UP, book)
        title: str = row["title"]
        say(f"found {title:12} (connections: {pool.get_size()}, idle: {pool.get_idle_size()})")
        return title


async def everyone_looks_up(dsn: str, connections: int) -> None:
    async with asyncpg.create_pool(dsn, min_size=connections, max_size=connections) as pool:
        chapter(f"Eight queries of 0.2 s through a pool of {connections}")
        titles = await asyncio.gather(*(look_up(pool, book) for book in range(1, len(BOOKS) + 1)))
        print(f"{len(titles)} books found in {elapsed():.2f} s")


async def borrow(pool: asyncpg.Pool, reader: str, books: list[int]) -> None:
    """Borrow all the books or none: a transaction undoes what it did if one of them is out."""
    try:
        async with pool.acquire() as connection, connection.transaction():
            for book in books:
                await connection.execute("UPDATE books SET copies = copies - 1 WHERE id = $1", book)
        say(f"{reader} borrows {books}")
    except asyncpg.CheckViolationError:
        say(f"{reader} gets none of {books}: a book is out, rolled back")


async def transactions(dsn: str) -> None:
    async with asyncpg.create_pool(dsn, min_size=2, max_size=2) as pool:
        chapter("Transactions: all or nothing")
        await borrow(pool, "Ada", [1, 2])
        await borrow(pool, "Ben", [3, 2])
        left = await pool.fetchval("SELECT array_agg(id ORDER BY id) FROM books WHERE copies > 0")
        say(f"on the shelf: {left}")


async def main(dsn: str) -> None:
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        await set_up(pool)
    await everyone_looks_up(dsn, connections=1)
    await everyone_looks_up(dsn, connections=4)
    await transactions(dsn)


if __name__ == "__main__":
    print("Starting a private PostgreSQL ...", flush=True)
    with ExitStack() as stack:
        try:
            server = stack.enter_context(PostgreSQL())
        except RuntimeError as error:
            sys.exit(f"This example needs PostgreSQL: {error}")
        asyncio.run(main(server.dsn))
