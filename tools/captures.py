"""Reads a million stacks of threads that come, go, call, raise and collect: `make captures`.

    tools/captures.py [COUNT]

On the Python that runs it, by the extension's own reader of stacks (`ffi/stack_of_others`). It has to come to
its end, and each file, function and line that it names has to be one that is compiled so. (But for one in a
hundred thousand: code that is dropped and made anew at the same address, by the same frame, meanwhile.)
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

from ironloop import _ironloop as native

PIECE = 20_000
FRESH = """\
def fresh(number):
    return fresh(number - 1) if number else 0
"""


def deep(depth: int) -> int:
    return 0 if depth == 0 else 1 + deep(depth - 1)


def generated(count: int) -> Iterator[int]:
    for number in range(count):
        yield deep(number % 9)


def raises(depth: int) -> None:
    if depth == 0:
        raise ValueError
    raises(depth - 1)


def catches() -> None:
    with contextlib.suppress(ValueError):
        raises(12)


def made_anew() -> None:
    """Code that is made, run and dropped."""
    namespace: dict[str, object] = {}
    exec(FRESH, namespace)
    namespace["fresh"](5)  # type: ignore[operator]


async def awaits(depth: int) -> None:
    if depth:
        await awaits(depth - 1)
    else:
        await asyncio.sleep(0)


async def many() -> None:
    await asyncio.gather(*(awaits(5) for _ in range(20)))


def work() -> None:
    sum(generated(50))
    catches()
    made_anew()
    sorted(range(30), key=lambda number: deep(number % 5))


def stays() -> None:
    native.show_to_captures(True)
    while not stop.is_set():
        work()


def runs_a_loop() -> None:
    native.show_to_captures(True)
    loop = asyncio.new_event_loop()
    while not stop.is_set():
        loop.run_until_complete(many())
    loop.close()


def is_short() -> None:
    native.show_to_captures(False)
    work()


def makes_threads() -> None:
    while not stop.is_set():
        threads = [threading.Thread(target=is_short) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        gc.collect(0)


stop = threading.Event()


def places(code: CodeType, file: str) -> Iterator[str]:
    """Whatever may be named of a code, and of what it has in it."""
    lines = {code.co_firstlineno, *(line for _, _, line in code.co_lines() if line is not None)}
    yield from (f'File "{file}", line {line}, in {code.co_qualname}' for line in lines)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from places(constant, file)


def known() -> set[str]:
    found = set(places(compile(FRESH, "<string>", "exec"), "<string>"))
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file is not None and file.endswith(".py"):
            source = Path(file).read_bytes()
            found.update(places(compile(source, file, "exec", dont_inherit=True), file))
    return found


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    right = known()
    sys.setswitchinterval(1e-5)
    churn = [threading.Thread(target=target) for target in (stays, runs_a_loop, makes_threads)]
    for thread in churn:
        thread.start()
    time.sleep(0.1)
    total, wrong = [0] * 4, set[str]()
    begun, done = time.monotonic(), 0
    while done < count:
        step = min(PIECE, count - done)
        found, unknown = native.capture(step, right)
        wrong.update(unknown)
        total = [before + more for before, more in zip(total, found, strict=True)]
        done += step
    stop.set()
    for thread in churn:
        thread.join()
    whole, restless, refused, frames = total
    micros = (time.monotonic() - begun) * 1e6 / max(done, 1)
    print(
        f"Python {sys.version.split()[0]}: {done} captures, {whole} whole, "
        f"{restless} but for the inner calls, {refused} refused; {frames} frames, "
        f"{len(wrong)} places that there are not; {micros:.0f} us each beside the churn"
    )
    for place in sorted(wrong)[:20]:
        print("  ", place)
    sys.exit(1 if len(wrong) > frames // 100_000 else 0)


if __name__ == "__main__":
    main()
