"""The classes that ironloop puts behind asyncio's names, used as programs use asyncio's."""

import asyncio

import ironloop
import pytest


class Closed(asyncio.Transport):
    def is_closing(self):
        return True


# All that are exchanged, with the arguments with which a program makes them.
ARGUMENTS = {
    "Barrier": lambda: (2,),
    "BoundedSemaphore": tuple,
    "Condition": tuple,
    "Event": tuple,
    "LifoQueue": tuple,
    "Lock": tuple,
    "PriorityQueue": tuple,
    "Queue": tuple,
    "Semaphore": tuple,
    "StreamReader": tuple,
    "StreamReaderProtocol": lambda: (asyncio.StreamReader(),),
    "StreamWriter": lambda: (Closed(), asyncio.Protocol(), None, asyncio.get_running_loop()),
    "TaskGroup": tuple,
}


@pytest.fixture
def vocabulary(loop_name):
    return ironloop if loop_name == "ironloop" else asyncio


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_subclass_takes_other_arguments(run, vocabulary, name):
    class Own(getattr(vocabulary, name)):
        def __init__(self, limit, *, colour):
            super().__init__(*ARGUMENTS[name]())
            self.limit, self.colour = limit, colour

    async def main():
        made = Own(3, colour="red")
        assert (type(made), made.limit, made.colour) == (Own, 3, "red")

    run(main)


# Not a writer: without its arguments it cannot be finalised either.
@pytest.mark.parametrize("name", sorted(ARGUMENTS.keys() - {"StreamWriter"}))
def test_a_class_refuses_the_arguments_that_asyncios_refuses(run, vocabulary, name):
    async def main():
        with pytest.raises(TypeError, match="argument"):
            getattr(vocabulary, name)(*ARGUMENTS[name](), no_such_argument=1)

    run(main)
