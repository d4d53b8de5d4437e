"""A lost update: two bookings into one account, of which one is now and then forgotten.

The store is asked in threads, as sqlite3 would be. Between what a booking has read and what it writes there
is a moment in which another one may write: it takes some milliseconds, once in a while, and in production a
month to be found. A simulation tries schedules until it meets one, and makes that one short.
"""

import asyncio

import ironloop


class Store:
    """Rows of a database; each call takes its time in a thread."""

    def __init__(self):
        self._rows = {"savings": 0}

    async def read(self, name):
        return await asyncio.to_thread(self._rows.__getitem__, name)

    async def write(self, name, value):
        await asyncio.to_thread(self._rows.__setitem__, name, value)


async def book(store, amount):
    balance = await store.read("savings")
    await store.write("savings", balance + amount)


@ironloop.simulate(seeds=1000)
async def test_bookings_add_up():
    store = Store()
    first = asyncio.create_task(book(store, 100), name="first")
    await asyncio.sleep(0.012)
    await book(store, 20)
    await first
    assert await store.read("savings") == 120, "a booking is lost"


if __name__ == "__main__":
    try:
        test_bookings_add_up()
    except AssertionError as error:
        print(error, *error.__notes__, sep="\n")
    else:
        print("no booking was lost")
