"""A bakery: one oven fills a shelf of three places, two sellers empty it. The shelf is an asyncio.Queue.

A full shelf holds the baker up and an empty one the sellers, so neither side runs away from the other, and no
code of ours looks after that.
"""

import asyncio
from collections import Counter

from narration import chapter, say

PLACES = 3
LOAVES = 9


class Bakery:
    def __init__(self) -> None:
        self.shelf: asyncio.Queue[str] = asyncio.Queue(maxsize=PLACES)
        self.sold: Counter[str] = Counter()

    def note(self, text: str) -> None:
        taken = self.shelf.qsize()
        say(f"[{'o' * taken}{'.' * (PLACES - taken)}]  {text}")

    async def bake(self) -> None:
        for number in range(1, LOAVES + 1):
            await asyncio.sleep(0.05)
            loaf = f"loaf {number}"
            if self.shelf.full():
                self.note(f"baker holds {loaf}: no room on the shelf")
            await self.shelf.put(loaf)
            self.note(f"baker puts {loaf} down")
        self.note("baker goes home")

    async def sell(self, seller: str, seconds: float) -> None:
        """Serve customers, each of whom takes so many seconds, until cancelled."""
        while True:
            loaf = await self.shelf.get()
            self.note(f"    {seller} takes {loaf}")
            await asyncio.sleep(seconds)
            self.sold[seller] += 1
            self.shelf.task_done()


async def main() -> None:
    chapter(f"{LOAVES} loaves, a shelf of {PLACES}")
    bakery = Bakery()
    sellers = [
        asyncio.create_task(bakery.sell("Mia", seconds=0.15)),
        asyncio.create_task(bakery.sell("Noah", seconds=0.3)),
    ]
    await bakery.bake()
    await bakery.shelf.join()  # returns once task_done() was called for every loaf
    bakery.note("all sold; the sellers wait for nothing, so they are sent home")

    for seller in sellers:
        seller.cancel()
    await asyncio.gather(*sellers, return_exceptions=True)
    print("\nSold:", ", ".join(f"{seller} {loaves}" for seller, loaves in bakery.sold.most_common()))


if __name__ == "__main__":
    asyncio.run(main())
