"""One waiter, three tables: the numbered steps show when he switches from one to another.

The waiter is the event loop's one thread. Whenever a coroutine awaits the kitchen, it gives him back to the
loop, and the loop sends him to whoever is ready next. He never does two things at once, and never stands idle
while a table could be served.
"""

import asyncio
from itertools import count

from narration import chapter, elapsed, say

TABLES = ("window", "terrace", "corner")
ORDERS = {"window": ("risotto", 0.6), "terrace": ("fish soup", 0.4), "corner": ("olives", 0.2)}


class Waiter:
    """Numbers each step, and prints it in the column of its table: a switch is a jump to another column."""

    def __init__(self) -> None:
        self.numbers = count(1)

    def does(self, table: str, what: str) -> None:
        column = " " * 26 * TABLES.index(table)
        say(f"{next(self.numbers):2}  {column}{what}")

    async def serve(self, table: str) -> str:
        dish, cooking = ORDERS[table]
        self.does(table, f"{table} sits down")
        self.does(table, f"{table} orders {dish}")
        await asyncio.sleep(cooking)  # the kitchen cooks: the waiter is free to go
        self.does(table, f"{table} gets {dish}")
        self.does(table, f"{table} pays")
        return f"{table}'s bill"


async def one_table_after_another() -> None:
    waiter = Waiter()
    for table in TABLES:
        await waiter.serve(table)


async def all_tables_at_once() -> None:
    waiter = Waiter()
    bills = await asyncio.gather(*(waiter.serve(table) for table in TABLES))
    print(f"\ngather() returns in the order of the call, whoever was first to pay: {', '.join(bills)}")


async def main() -> None:
    chapter("One table after another: the waiter stands in the kitchen until the dish is done")
    await one_table_after_another()
    in_turn = elapsed()

    chapter("All tables at once: steps 1 to 6 need no waiting, then the quickest dish goes first")
    await all_tables_at_once()
    at_once = elapsed()

    print(f"\nThe same twelve steps, the same waiter: {in_turn:.2f} s in turn, {at_once:.2f} s at once.")
    print("In turn the waits add up; at once only the longest of them counts.")


if __name__ == "__main__":
    asyncio.run(main())
