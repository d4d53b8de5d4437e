"""Loops whose clock jumps, and what their threads do meanwhile.

While a job of an executor works, time stands still. In a simulation the job begins at a time that chance
chooses, and the loop stands still as well: so what it does comes at one place in the run, each time the same.
A job that calls the loop (`run_coroutine_threadsafe`) lets it go on, and from then on each jump of the clock
waits a moment for what the thread may say.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import enum
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any

from ironloop import addresses
from ironloop.loop import Loop
from ironloop.simulator import borders, threads
from ironloop.simulator.deadlocks import report
from ironloop.simulator.errors import Deadlock
from ironloop.simulator.network import hosts, lookups, sockets
from ironloop.simulator.network.fabric import Fabric
from ironloop.simulator.threads import Threads

if TYPE_CHECKING:
    from typing import TypeVarTuple

    from ironloop._ironloop import VirtualClock, World
    from ironloop.simulator.network import Host, Network

    _Ts = TypeVarTuple("_Ts")

# How long a job may wait for a thread, in milliseconds.
_LONGEST_WAIT = 10

# The executor whose jobs are known by their threads; others may not even be able to copy them.
_Threads = concurrent.futures.ThreadPoolExecutor


class _State(enum.Enum):
    """Of a job: NEW, WORKING (time stands still), perhaps ASKING (it has called the loop), ENDED."""

    NEW = 1
    WORKING = 2
    ASKING = 3
    ENDED = 4


class _Job:
    """A call that a thread makes for a loop."""

    def __init__(self, loop: VirtualLoop, func: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._loop = loop
        self._func = func
        self._args = args
        self._state = _State.NEW
        self.thread: threading.Thread | None = None
        self._lock = threading.Lock()
        # Until the loop is to hear of its end from the thread: of one that has ended before it hears in
        # another way.
        self.may_begin = threading.Event()
        self.has_returned = False
        # It has called the loop, or has ended.
        self.has_called = threading.Event()

    def begin(self) -> None:
        self._state = _State.WORKING
        self._loop._open.add(self)
        self._loop._clock._hold()

    def perform(self) -> Any:
        """In the thread."""
        self.thread = threading.current_thread()
        self.may_begin.wait()
        self._loop._jobs[threading.get_ident()] = self
        try:
            with self._loop._border():
                return self._func(*self._args)
        finally:
            self.has_returned = True

    def ask(self) -> None:
        """It may wait for the loop from now on."""
        with self._lock:
            if self._state is _State.WORKING:
                self._state = _State.ASKING
                self._loop._clock._asks()

    def end(self) -> None:
        """The loop has heard of its end, or never will."""
        with self._lock:
            before, self._state = self._state, _State.ENDED
        if before is _State.WORKING:
            self._loop._clock._release()
        elif before is _State.ASKING:
            self._loop._clock._answered()
        self._loop._open.discard(self)


def _threads_of(executor: Any) -> int:
    """How many of its jobs an executor does at once, at most; the default one does many."""
    return getattr(executor, "_max_workers", 1 if executor else _LONGEST_WAIT)


class VirtualLoop(Loop):
    """A loop with a clock that jumps, which knows of its executors' threads. Made by `new_event_loop`."""

    __module__ = "ironloop"

    def __init__(self, *, native: bool | None = None, clock: VirtualClock) -> None:
        super().__init__(native=native, clock=clock)
        self._clock = clock
        # By thread: what it does.
        self._jobs: dict[int, _Job] = {}
        # Those of which the loop has not heard that they have ended.
        self._open: set[_Job] = set()

    def call_soon_threadsafe(
        self,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        job = self._jobs.get(threading.get_ident())
        if job is not None and job.has_returned:
            # It is the executor that tells of its end.
            job = None
        if job is not None:
            # Before the loop hears of it: it must not wait for a thread that waits for the loop.
            job.ask()
        handle = super().call_soon_threadsafe(callback, *args, context=context)
        if job is not None:
            job.has_called.set()
        return handle

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        self._check_closed()  # type: ignore[attr-defined]
        result: asyncio.Future[Any] = self.create_future()
        self._begin_job(executor, func, args, result)
        return result

    def _begin_job(
        self, executor: Any, func: Callable[..., Any], args: tuple[Any, ...], result: asyncio.Future[Any]
    ) -> _Job:
        threads = executor or self._default_threads()
        job = _Job(self, func, args)
        job.begin()
        try:
            outcome = (
                threads.submit(job.perform) if type(threads) is _Threads else threads.submit(func, *args)
            )
        except BaseException:
            job.end()
            raise
        asyncio.futures._chain_future(outcome, result)  # type: ignore[attr-defined]
        # Behind what tells the loop of the result: time goes on when the loop has heard of it.
        outcome.add_done_callback(lambda _: self._tell_of(job))
        job.may_begin.set()
        return job

    def _tell_of(self, job: _Job) -> None:
        """A job has ended; called by its thread, or by the loop's where an executor has none."""
        if asyncio._get_running_loop() is self or self.is_closed():
            job.end()
        else:
            super().call_soon_threadsafe(job.end)
        self._jobs.pop(threading.get_ident(), None)
        job.has_called.set()

    def close(self) -> None:
        super().close()
        # Of these the loop will not hear.
        for job in list(self._open):
            job.end()

    def _border(self) -> contextlib.AbstractContextManager[None]:
        """What a job may not reach."""
        return contextlib.nullcontext()

    def _default_threads(self) -> concurrent.futures.Executor:
        loop: Any = self
        loop._check_default_executor()
        if loop._default_executor is None:
            loop._default_executor = concurrent.futures.ThreadPoolExecutor(thread_name_prefix="asyncio")
        return loop._default_executor  # type: ignore[no-any-return]

    async def shutdown_default_executor(self, *timeout: Any, **named: Any) -> None:
        self._clock._hold()
        try:
            await super().shutdown_default_executor(*timeout, **named)
        finally:
            self._clock._release()


class SimulatedLoop(VirtualLoop):
    """The loop of a simulation. Made by `Simulation`, run by the thread that has entered that."""

    def __init__(self, *, clock: World, epoch: int, network: Network, tell: Callable[[str], object]) -> None:
        super().__init__(clock=clock)
        # Of what the seed does not rule.
        self._tell = tell
        self._world = clock
        self._epoch = epoch
        self._has_run = False
        self._network = network
        self._fabric = Fabric(self, clock, network)
        # By executor: the jobs that it was given, and has not begun; and by whom, in which of its lives.
        self._waiting: dict[Any, deque[tuple[Any, Any, asyncio.Future[Any], tuple[Host, int]]]] = {}
        # None: there are no other threads to stand still for.
        self._threads: Threads | None = None
        # The processors that this thread runs on elsewhere, while it shares one with others.
        self._usual: set[int] = set()
        # An executor is given a job, or shut down: the threads that are begun for it are its own.
        self._gives_job = False

    if sys.version_info < (3, 12):

        def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
            task = super().create_task(coro, **options)
            hosts.note_task(task, options.get("context"))
            return task

    def run_forever(self) -> None:
        self._has_run = True
        with borders.closed(), sockets.inside(self._fabric):
            self._network.fabric = self._fabric
            self._world.enter(self._epoch, hosts._current)
            interval = sys.getswitchinterval()
            if threads.alive():
                self._mind_threads()
            try:
                super().run_forever()
            finally:
                self._world.leave()
                sys.setswitchinterval(interval)
                usual, self._usual = self._usual, set()
                if usual:
                    threads.part(usual)

    def close(self) -> None:
        super().close()
        self._fabric.close()

    def _border(self) -> contextlib.AbstractContextManager[None]:
        return borders.working()

    # Threads that are no executor's

    def _note_thread(self, thread: threading.Thread) -> None:
        """One begins, in the loop's own."""
        if not self._gives_job:
            threads.know(thread)
            self._mind_threads()

    def _mind_threads(self) -> None:
        """From the next turn on."""
        sys.setswitchinterval(threads.SWITCH_INTERVAL)
        if not self._usual:
            self._usual = threads.share_a_processor()
        if self._threads is None:
            self._threads = Threads(self._world.choose, self.call_later, _LONGEST_WAIT, self._tell)
            self._run_once = self._settle_and_turn

    def _settle_and_turn(self) -> None:
        assert self._threads is not None
        self._threads.settle()
        super()._run_once()  # type: ignore[misc]

    def call_soon_threadsafe(
        self,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        ident = threading.get_ident()
        is_ours = ident == self._thread_id or ident in self._jobs  # type: ignore[attr-defined]
        if is_ours or self._gives_job or not self.is_running():
            return super().call_soon_threadsafe(callback, *args, context=context)
        thread = threading.current_thread()
        threads.know(thread)
        if self._threads is None:
            super().call_soon_threadsafe(self._mind_threads)
            return super().call_soon_threadsafe(callback, *args, context=context)
        self._check_closed()  # type: ignore[attr-defined]
        handle = asyncio.Handle(callback, args, self, context)
        self._threads.say(thread, handle)
        # It may wait for a job in real time.
        self._write_to_self()  # type: ignore[attr-defined]
        return handle

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        self._check_closed()  # type: ignore[attr-defined]
        result: asyncio.Future[Any] = self.create_future()
        if getattr(executor, "_shutdown", False):
            # It says so itself.
            executor.submit(func, *args)
        waiting = self._waiting.setdefault(executor, deque())
        wait = self._world.choose(_LONGEST_WAIT)
        if wait or (waiting and _threads_of(executor) == 1):
            host = hosts.current(self._network)
            waiting.append((func, args, result, (host, host.crashes)))
            self.call_later(wait / 1000, self._begin_next, executor)
        else:
            self._begin_job(executor, func, args, result)
        return result

    def _begin_next(self, executor: Any) -> None:
        """One that waits for this executor: its threads take jobs in order, and may overtake each other."""
        if not (waiting := self._waiting[executor]):
            return
        chosen = self._world.choose(min(len(waiting), _threads_of(executor)))
        func, args, result, (host, crashes) = waiting[chosen]
        del waiting[chosen]
        if result.cancelled() or host.crashes != crashes:
            return
        try:
            self._begin_job(executor, func, args, result)
        except RuntimeError:
            # Shut down since the job was given to it, which in asyncio would have begun it before.
            self._begin_job(_Threads(1), func, args, result)

    def _begin_job(
        self, executor: Any, func: Callable[..., Any], args: tuple[Any, ...], result: asyncio.Future[Any]
    ) -> _Job:
        self._gives_job = True
        try:
            job = super()._begin_job(executor, func, args, result)
        finally:
            self._gives_job = False
        work = b""
        while not job.has_called.wait(threads.PATIENCE):
            before, work = work, threads.work_of(job.thread)
            if job.thread is not None and (work != before or threads.is_at_work(job.thread)):
                continue
            # It is taken for one that waits for the loop by other means, a queue for instance; or for its
            # turn in its executor.
            if job.thread is not None:
                self._tell(threads.waits_elsewhere(f"a thread in {getattr(func, '__qualname__', func)}"))
            job.ask()
            break
        return job

    async def shutdown_default_executor(self, *timeout: Any, **named: Any) -> None:
        while self._waiting.get(None):
            self._begin_next(None)
        # It has a thread for that.
        self._gives_job = True
        try:
            await super().shutdown_default_executor(*timeout, **named)
        finally:
            self._gives_job = False

    # The network

    def add_reader(  # type: ignore[override]
        self, fd: Any, callback: Callable[..., Any], *args: Any
    ) -> None:
        borders.check_descriptor(fd)
        super().add_reader(fd, callback, *args)

    def add_writer(  # type: ignore[override]
        self, fd: Any, callback: Callable[..., Any], *args: Any
    ) -> None:
        borders.check_descriptor(fd)
        super().add_writer(fd, callback, *args)

    async def getaddrinfo(
        self, host: Any, port: Any, *, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> list[Any]:
        known = addresses.of_literal(host, port, family, type, proto, flags)
        if known is not None:
            return known
        return await lookups.of_name(self._fabric, host, port, family, type, proto, flags)

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> tuple[str, str]:
        return await lookups.of_address(self._fabric, sockaddr, flags)

    def _make_socket_transport(self, sock: Any, *args: Any, **named: Any) -> Any:
        borders.check_socket(sock)
        return super()._make_socket_transport(sock, *args, **named)  # type: ignore[misc]

    def _make_ssl_transport(self, rawsock: Any, *args: Any, **named: Any) -> Any:
        borders.check_socket(rawsock)
        return super()._make_ssl_transport(rawsock, *args, **named)  # type: ignore[misc]

    def _make_datagram_transport(self, sock: Any, *args: Any, **named: Any) -> Any:
        borders.check_socket(sock)
        if isinstance(sock, sockets.SimulatedSocket):
            sock.bind_if_new()
        return super()._make_datagram_transport(sock, *args, **named)  # type: ignore[misc]

    def _start_serving(self, protocol_factory: Any, sock: Any, *args: Any, **named: Any) -> None:
        borders.check_socket(sock)
        super()._start_serving(protocol_factory, sock, *args, **named)  # type: ignore[misc]

    def _nothing_will_happen(self) -> None:
        """For the core, which would wait for ever."""
        if self._threads is None or not self._threads.may_speak():
            raise Deadlock(report(self))
