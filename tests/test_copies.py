"""Copies and pickles of the classes that ironloop puts behind asyncio's names."""

import asyncio
import copy
import copyreg
import pickle
from dataclasses import asdict, dataclass, field

import ironloop
import pytest
from conftest import needs_ironloop


def used(made):
    """An object that is not as new."""
    match made:
        case asyncio.Queue():
            made.put_nowait(1)
            made.put_nowait(2)
        case asyncio.Event():
            made.set()
    made.note = ["own"]
    return made


def seen(made):
    """What can be seen of an object."""
    match made:
        case asyncio.Queue():
            state = (
                made.maxsize,
                made.qsize(),
                made._unfinished_tasks,
                made._finished.is_set(),
                list(made._queue),
            )
        case asyncio.Event():
            state = made.is_set()
        case asyncio.Semaphore():
            state = made.locked(), made._value
        case asyncio.Barrier():
            state = made.parties, made.n_waiting, made.broken
        case _:
            state = made.locked()
    return type(made), state, made.note


WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {protocol}": lambda made, protocol=protocol: pickle.loads(pickle.dumps(made, protocol))
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    },
}
COPIED = {
    "Barrier": (2,),
    "BoundedSemaphore": (3,),
    "Condition": (),
    "Event": (),
    "LifoQueue": (5,),
    "Lock": (),
    "PriorityQueue": (5,),
    "Queue": (5,),
    "Semaphore": (3,),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", COPIED)
def test_copies(run, vocabulary, name, way):
    made = used(getattr(vocabulary, name)(*COPIED[name]))
    copied = WAYS[way](made)
    assert copied is not made
    if way.startswith("pickle"):
        # It names asyncio's class; ironloop's stands there only while the names are exchanged.
        assert type(copied) is getattr(asyncio, name)
        assert seen(copied)[1:] == seen(made)[1:]
    else:
        assert seen(copied) == seen(made)

    async def use():
        """It does not share its state with the other."""
        match copied:
            case asyncio.Queue():
                await copied.put(3)
                assert sorted([await copied.get() for _ in range(3)]) == [1, 2, 3]
            case asyncio.Event():
                await copied.wait()
                copied.clear()
            case asyncio.Barrier():
                await asyncio.gather(copied.wait(), copied.wait())
            case _:
                async with copied:
                    if isinstance(copied, asyncio.Condition):
                        copied.notify_all()
                if isinstance(copied, asyncio.BoundedSemaphore):
                    with pytest.raises(ValueError, match="released too many times"):
                        copied.release()

    before = seen(made) if way != "copy" else None
    run(use)
    if before:
        assert seen(made) == before


def test_a_reader_is_copied(run, vocabulary):
    async def main():
        reader = vocabulary.StreamReader(limit=100)
        reader.feed_data(b"data")
        copied = copy.copy(reader)
        copied.feed_eof()
        assert await copied.read() == b"data"
        assert copied._limit == 100
        assert not reader.at_eof()

    run(main)


def test_a_dataclass_with_a_lock(vocabulary):
    @dataclass
    class Shared:
        lock: object = field(default_factory=vocabulary.Lock)

    assert type(asdict(Shared())["lock"]) is vocabulary.Lock


def test_a_subclass_is_copied(vocabulary):
    class Own(vocabulary.Queue):
        __slots__ = ("slot",)

    made = Own(3)
    made.slot, made.attribute = "slot", "attribute"
    copied = copy.copy(made)
    assert (type(copied), copied.slot, copied.attribute, copied.maxsize) == (Own, "slot", "attribute", 3)


@needs_ironloop
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", COPIED)
def test_what_was_made_before_the_names_were_exchanged(name, way):
    stock = getattr(asyncio, name)
    made = used(stock(*COPIED[name]))
    ironloop.install(native=True)
    try:
        copied = WAYS[way](made)
        written = pickle.dumps(made)
        of_ours = pickle.dumps(used(getattr(asyncio, name)(*COPIED[name])))
    finally:
        ironloop.uninstall()
    assert seen(copied) == seen(made) == seen(pickle.loads(written))
    assert type(made) is stock
    assert seen(pickle.loads(of_ours))[1:] == seen(made)[1:]
    assert stock not in copyreg.dispatch_table
