"""A task waits for a future that nobody else has: no one can ever give it a result.

Look at it while it waits: python -m ironloop THIS_FILE 60 & python -m ironloop tree
"""

import asyncio
import sys


class Answers:
    """Who asks for a number waits until somebody answers it."""

    def __init__(self) -> None:
        self.waiting: dict[int, asyncio.Future[str]] = {}

    async def to(self, number: int) -> str:
        answer = asyncio.get_running_loop().create_future()
        self.waiting.setdefault(
            number, answer
        )  # who asks second is not put in; `return await` what it returns
        return await answer

    def give(self, number: int, text: str) -> None:
        self.waiting.pop(number).set_result(text)


async def main(seconds: float = 1) -> None:
    answers = Answers()
    asking = [asyncio.create_task(answers.to(7), name=name) for name in ("first", "second")]
    asyncio.get_running_loop().call_later(0.01, answers.give, 7, "yes")
    answered, waiting = await asyncio.wait(asking, timeout=seconds)
    print(f"after {seconds:g} s {len(answered)} has its answer, {len(waiting)} still waits")


if __name__ == "__main__":
    asyncio.run(main(*map(float, sys.argv[1:])))
