"""PostgreSQL, awaited like any coroutine, on asyncio, uvloop and ironloop.

async with elephant.Pool("postgresql://user:password@localhost/database") as pool:
    rows = await pool.query("SELECT name FROM people WHERE age > $1", 17)
    async with pool.transaction() as transaction:
        await transaction.query("UPDATE people SET age = age + 1")
"""

from ._elephant import Pool, Transaction
from .errors import PostgresError

__all__ = ["Pool", "PostgresError", "Transaction"]
