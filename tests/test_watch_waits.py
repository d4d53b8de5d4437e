"""Each thing that a task can wait for is called by its name, in the program and by viewers."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import threading

import ironloop
import pytest
from watched import view

# What `tasks` says that each waits for.
WAITS = {
    "sleep": "sleep",
    "lock": "lock",
    "semaphore": "semaphore",
    "event": "event",
    "condition": "condition",
    "barrier": "barrier",
    "get": "queue get",
    "put": "queue put",
    "join": "queue join",
    "task": "task",
    "shield": "task",
    "gather": "group of tasks",
    "wait": "group of tasks",
    "as_completed": "group of tasks",
    "group": "group of tasks",
    "sock_recv": "socket read",
    "sock_sendall": "socket write",
    "sock_accept": "socket accept",
    "serve": "socket accept",
    "read": "stream read",
    "drain": "stream write",
    "to_thread": "executor job",
    "subprocess": "subprocess",
    "future": "future",
    "in_time": "future",
}


def line_of(text):
    with open(__file__, encoding="utf-8") as file:
        return f"{__file__}:{next(number for number, line in enumerate(file, 1) if text in line)}"


async def _all_of_them(record):
    if record:
        ironloop.watch()
    loop, stop = asyncio.get_running_loop(), threading.Event()
    lock, condition, full, unfinished = asyncio.Lock(), asyncio.Condition(), asyncio.Queue(1), asyncio.Queue()
    await lock.acquire()
    full.put_nowait(1)
    unfinished.put_nowait(1)
    (one, other), (silent, quiet) = socket.socketpair(), socket.socketpair()
    listener = socket.create_server(("127.0.0.1", 0))
    sockets = (one, other, silent, quiet, listener)
    for each in sockets:
        each.setblocking(False)

    async def accepted(reader, writer):
        writers.append(writer)
        await asyncio.Event().wait()

    writers = []
    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    child = await asyncio.create_subprocess_exec("sleep", "1000")
    sleeper = asyncio.create_task(asyncio.sleep(1000), name="sleep")

    def fresh(name):
        return asyncio.create_task(asyncio.sleep(1000), name=name)

    async def condition_():
        async with condition:
            await condition.wait()

    async def task():
        await sleeper

    async def shield():
        await asyncio.shield(sleeper)

    async def gather():
        await asyncio.gather(fresh("gathered"))

    async def wait():
        await asyncio.wait([fresh("waited for")])

    async def as_completed():
        for next_one in asyncio.as_completed([fresh("completed")]):
            await next_one

    async def group():
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.sleep(1000), name="member")

    async def drain():
        writer.write(bytes(1 << 25))
        await writer.drain()

    async def future():
        await loop.create_future()  # here it waits

    async def in_time():
        async with asyncio.timeout(1000):
            await loop.create_future()

    coroutines = {
        "lock": lock.acquire(),
        "semaphore": asyncio.Semaphore(0).acquire(),
        "event": asyncio.Event().wait(),
        "condition": condition_(),
        "barrier": asyncio.Barrier(2).wait(),
        "get": asyncio.Queue().get(),
        "put": full.put(2),
        "join": unfinished.join(),
        "sock_recv": loop.sock_recv(silent, 1),
        "sock_sendall": loop.sock_sendall(other, bytes(1 << 23)),
        "sock_accept": loop.sock_accept(listener),
        "serve": server.serve_forever(),
        "read": reader.read(1),
        "to_thread": asyncio.to_thread(stop.wait),
        "subprocess": child.wait(),
    }
    for function in (task, shield, gather, wait, as_completed, group, drain, future, in_time):
        coroutines[function.__name__] = function()

    async def await_it(coroutine):
        return await coroutine

    tasks = {name: asyncio.create_task(await_it(one), name=name) for name, one in coroutines.items()}
    try:
        expected = {**WAITS}
        while True:
            found = {state.name: state for state in ironloop.tasks()}
            told = {name: found[name].reason for name in expected if name in found}
            if told == expected or loop.time() > _deadline(loop):
                break
            await asyncio.sleep(0.01)
        tree = None
        if record:
            words = [sys.executable, "-m", "ironloop", "tree", "--json", str(os.getpid())]
            tree = await asyncio.to_thread(subprocess.run, words, capture_output=True, timeout=60)
        return told, found["future"].place, tree and json.loads(tree.stdout)
    finally:
        stop.set()
        child.kill()
        await child.wait()
        for each in (writer, *writers):
            each.transport.abort()
        server.close()
        for each in (*tasks.values(), sleeper):
            each.cancel()
        for each in asyncio.all_tasks() - {asyncio.current_task()}:
            each.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        # Until the transports are gone, too.
        while loop.metrics().transports:
            await asyncio.sleep(0)
        for each in sockets:
            each.close()


_UNTIL = {}


def _deadline(loop):
    return _UNTIL.setdefault(id(loop), loop.time() + 10)


def test_tasks_names_what_each_waits_for():
    told, place, _ = ironloop.run(_all_of_them(record=False))
    assert told == WAITS
    assert place == line_of("# here it waits")


def test_a_viewer_names_the_same_and_the_line():
    told, _, tree = ironloop.run(_all_of_them(record=True))
    assert told == WAITS
    found, parents = {}, {}

    def walk(tasks, above):
        for task in tasks:
            found.setdefault(task["name"], task)
            parents.setdefault(task["name"], above)
            walk(task["awaits"], task["name"])

    walk(tree["tasks"], None)
    shown = {
        "sleep": "sleep, ",
        "lock": r"Lock \d+, held by ",
        "semaphore": r"Semaphore \d+",
        "event": r"Event \d+",
        "condition": r"Condition \d+",
        "barrier": "barrier",
        "get": r"get of Queue \d+, 0 in it",
        "put": r"put of Queue \d+, 1 in it",
        "join": "queue join",
        "task": "task sleep",
        "shield": "task sleep",
        "gather": r"group \d+, 1 to go",
        "wait": r"group \d+, 1 to go",
        "as_completed": "group of tasks",
        "group": r"group \d+, 1 to go",
        "sock_recv": r"socket read, descriptor \d+",
        "sock_sendall": r"socket write, descriptor \d+",
        "sock_accept": "socket accept",
        "serve": "socket accept",
        "read": "stream read",
        "drain": "stream write",
        "to_thread": "executor job",
        "subprocess": "subprocess",
        "future": "future",
        "in_time": "future",
    }
    assert set(shown) == set(WAITS)
    assert {
        name: found[name]["waits_for"]
        for name, text in shown.items()
        if not re.match(text, found[name]["waits_for"])
    } == {}
    assert found["future"]["waits_at"] == line_of("# here it waits")
    assert (parents["gathered"], parents["waited for"], parents["member"]) == ("gather", "wait", "group")


async def _seen_of(tasks, path):
    """What a viewer says of each when they have come as far as they come: what it waits for, and for whom."""
    for _ in range(20):
        await asyncio.sleep(0)
    seen, found = json.loads(await asyncio.to_thread(view, "tree", "--json", path))["tasks"], {}
    while seen:
        task = seen.pop()
        seen += task["awaits"]
        if not task["above"]:
            found[task["name"]] = (
                re.sub(r"\d+", "N", task["waits_for"].replace("to go", ""), count=1).strip(),
                sorted(other["name"] for other in task["awaits"]),
            )
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return found


def test_a_group_waits_for_its_members_that_have_not_ended():
    async def main():
        path = ironloop.watch()

        def fresh(name):
            return asyncio.create_task(asyncio.Event().wait(), name=name)

        async def gather():
            await asyncio.gather(fresh("gathered"), asyncio.sleep(0))

        async def group():
            async with ironloop.TaskGroup() as members:

                async def first():
                    for _ in range(3):
                        await asyncio.sleep(0)
                    members.create_task(asyncio.Event().wait(), name="late")
                    await asyncio.Event().wait()

                members.create_task(first(), name="first")
                members.create_task(asyncio.sleep(0))

        return await _seen_of(
            [asyncio.create_task(each(), name=each.__name__) for each in (gather, group)], path
        )

    seen = ironloop.run(main())
    assert seen["gather"] == ("group N, 1", ["gathered"])
    assert seen["group"] == ("group N, 2", ["first", "late"])


def test_who_waits_for_a_while_does_not_take_tasks_from_their_group():
    async def main():
        path = ironloop.watch()
        shared = [asyncio.create_task(asyncio.Event().wait(), name=name) for name in ("one", "other")]

        async def gather():
            await asyncio.gather(*shared)

        async def looks():
            await asyncio.wait(shared, timeout=0)
            await asyncio.wait(shared[:1])

        tasks = [asyncio.create_task(each(), name=each.__name__) for each in (gather, looks)]
        return await _seen_of([*tasks, *shared], path)

    seen = ironloop.run(main())
    assert seen["gather"] == ("group N, 2", ["one", "other"])
    assert seen["looks"][0] == "group N, 1"


def test_a_group_of_the_programs_own_is_not_asked():
    asked = []

    class Group(asyncio.TaskGroup):
        def __setattr__(self, name, value):
            asked.append(name)
            super().__setattr__(name, value)

        def __getattribute__(self, name):
            asked.append(name)
            return super().__getattribute__(name)

    async def main():
        path = ironloop.watch()

        async def group():
            async with Group() as members:
                members.create_task(asyncio.Event().wait(), name="member")

        return await _seen_of([asyncio.create_task(group(), name="group")], path)

    assert ironloop.run(main())["group"][0] == "group of tasks"
    assert "_ironloop_mark" not in asked


def test_a_shielded_future_is_a_future():
    async def main():
        path = ironloop.watch()
        future = asyncio.get_running_loop().create_future()

        async def shields():
            await asyncio.shield(future)

        task = asyncio.create_task(shields(), name="shields")
        await asyncio.sleep(0)
        (told,) = [state.reason for state in ironloop.tasks() if state.task is task]
        return told, await _seen_of([task], path)

    told, seen = ironloop.run(main())
    assert (told, seen["shields"]) == ("future", ("future", []))


@pytest.mark.skipif(os.environ.get("IRONLOOP_WATCH") == "1", reason="everything is recorded")
def test_a_line_is_not_told_of_a_later_wait(tmp_path):
    """The closer looks of a loop are few: what was seen at an earlier step is not shown."""

    async def main():
        path = ironloop.watch()

        async def works():
            for _ in range(5000):
                await asyncio.sleep(0)
                await asyncio.wait([asyncio.create_task(asyncio.sleep(0))])
            await asyncio.Event().wait()  # there it waits

        task = asyncio.create_task(works(), name="worker")
        while {state.name: state.reason for state in ironloop.tasks()}.get("worker") != "event":
            await asyncio.sleep(0)
        seen = json.loads(await asyncio.to_thread(view, "tree", "--json", path))
        task.cancel()
        return next(one for one in seen["tasks"] if one["name"] == "worker")["waits_at"]

    # The row has room for eight bits of the count of steps: one in 256 times the earlier line is shown.
    shown = [ironloop.run(main())]
    if shown[0] not in (right := ("", line_of("# there it waits"))):
        shown.append(ironloop.run(main()))
    assert shown[-1] in right
