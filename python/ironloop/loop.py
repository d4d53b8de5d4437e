"""The event loop: asyncio's own cold paths over a native core.

What runs per callback or per byte is native (`_ironloop`): scheduling, turns, watching descriptors, stream
and datagram transports, accepting. What runs once per loop or per connection is asyncio's own code of the
running Python, inherited; this file overrides only what has to know the native core.
"""

from __future__ import annotations

import asyncio
import inspect
import socket
import sys
import threading
from asyncio import base_events, constants, events, format_helpers, sslproto, trsock
from asyncio.log import logger
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ironloop import internals, names
from ironloop._ironloop import (
    LoopCore,
    StreamTransport,
    awaits_job,
    native_loop,
    notice_origin_tracking,
    recorded_job,
)
from ironloop.internals import Internals, Selector
from ironloop.private import is_wanted
from ironloop.signals import SignalWakeup
from ironloop.sockets import is_plain

if TYPE_CHECKING:
    import ssl
    from contextvars import Context
    from traceback import StackSummary

    from ironloop._ironloop import VirtualClock


# Seconds until a UNIX server that was full is tried again: at first, and twice as long each time up to this.
_FIRST_RETRY, _LAST_RETRY = 0.001, 0.05


class _Later:
    """A method of the loop that stands in a class of another module, imported once the method is asked for.

    For what many programs never use: to find, read and run a file takes as long as a thousand callbacks. From
    then on the method itself stands in the loop's class, and a call costs what a call costs.
    """

    def __init__(self, module: str, holder: str) -> None:
        self._module, self._holder = module, holder

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner, self._name = owner, name

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        method = vars(getattr(import_module(self._module), self._holder))[self._name]
        # Unless a tool has put something around it meanwhile.
        if vars(self._owner).get(self._name) is self:
            setattr(self._owner, self._name, method)
        return method.__get__(instance, owner)


@native_loop
class Loop(  # type: ignore[misc]
    LoopCore,
    SignalWakeup,
    Internals,
    asyncio.SelectorEventLoop,
):
    """An asyncio event loop in Rust.

    It takes everything that `asyncio.AbstractEventLoop` documents. A loop belongs to the thread that runs it;
    other threads reach it by `call_soon_threadsafe` alone. `new_event_loop` makes one; who made it closes it.
    Counterpart: `asyncio.SelectorEventLoop`.
    """

    __module__ = "ironloop"

    # All that asyncio and the classes above keep on a loop. As long as a loop has no dictionary of its own,
    # the interpreter finds `loop.call_soon` without looking there first. Any other attribute makes one.
    __slots__ = (
        "_asyncgens",
        "_asyncgens_shutdown_called",
        "_clock_resolution",
        "_coroutine_origin_tracking_enabled",
        "_coroutine_origin_tracking_saved_depth",
        "_csock",
        "_current_handle",
        "_default_executor",
        "_exception_handler",
        "_executor_shutdown_called",
        "_has_names",
        "_internal_fds",
        "_lookups",
        "_old_agen_hooks",
        "_pipe_modes",
        "_selector",
        "_signal_handlers",
        "_ssock",
        "_timer_cancelled_count",
        "_transports",
        "_unix_server_sockets",
        "slow_callback_duration",
    )

    _create_task = asyncio.SelectorEventLoop.create_task

    getaddrinfo = _Later("ironloop.resolver", "Resolver")
    getnameinfo = _Later("ironloop.resolver", "Resolver")
    _resolver = _Later("ironloop.resolver", "Resolver")
    _close_resolver = _Later("ironloop.resolver", "Resolver")
    start_tls = _Later("ironloop.tls", "TlsUpgrade")
    _start_serving = _Later("ironloop.serving", "Serving")
    _accept_connection = _Later("ironloop.serving", "Serving")
    _stop_serving = _Later("ironloop.serving", "Serving")
    _accept_failed = _Later("ironloop.serving", "Serving")
    _serve_again = _Later("ironloop.serving", "Serving")
    metrics = _Later("ironloop.metrics", "Measured")
    _make_read_pipe_transport = _Later("ironloop.pipes", "Pipes")
    _make_write_pipe_transport = _Later("ironloop.pipes", "Pipes")
    _leave_pipes = _Later("ironloop.pipes", "Pipes")
    _child_watcher_callback = _Later("ironloop.processes", "ChildWatching")
    if sys.version_info < (3, 12):
        _make_subprocess_transport = _Later("ironloop.processes", "ChildWatching")

    # Whether it may be run inside what it runs.
    _may_nest = False

    def __init__(self, *, native: bool | None = None, clock: VirtualClock | None = None) -> None:
        """From now on until it is closed, asyncio's names (`asyncio.sleep`, `asyncio.Queue`…) are ironloop's.

        Args:
            native: whether tasks, futures and those names are ironloop's own; False: asyncio's, to compare.
                None leaves it to the environment: `IRONLOOP_NATIVE=0` turns them off.
            clock: the loop's time; None: the kernel's. (It is read when the loop is made, by `__new__`.)
        """
        super().__init__(Selector(self))
        self._lookups = None
        self._pipe_modes = set()
        self._has_names = False
        self._be_native(is_wanted(native))
        if clock is not None and not self._is_simulated:
            self.close()
            raise TypeError("a subclass that takes a clock has to pass it to __new__ as well")

    def _be_native(self, native: bool) -> None:
        """Tasks, futures and asyncio's names are ironloop's own on this loop, or are asyncio's."""
        self._native = native
        if native and sys.version_info < (3, 14):
            internals.show_tasks()
        if native is not self._has_names:
            self._has_names = native
            (names.put if native else names.restore)()

    def _set_coroutine_origin_tracking(self, enabled: bool) -> None:
        super()._set_coroutine_origin_tracking(enabled)
        # Native coroutines note where they are made only if somebody has ever wanted it, here or before.
        notice_origin_tracking()

    @property
    def _nest_patched(self) -> bool:
        """nest_asyncio asks, and would patch the class of a loop that says no: ironloop nests by itself."""
        from ironloop.nesting import nest

        nest(self)
        return True

    # Life

    def run_forever(self) -> None:
        """Runs until `stop()` is called. Counterpart: asyncio's `loop.run_forever`.

        Raises:
            RuntimeError: the loop is closed or running, or another loop runs in this thread.
        """
        self._check_closed()
        self._check_running()
        self._set_coroutine_origin_tracking(self._debug)
        hooks = sys.get_asyncgen_hooks()
        previous_wakeup = self._wake_on_signals()
        self._thread_id = threading.get_ident()
        sys.set_asyncgen_hooks(
            firstiter=self._asyncgen_firstiter_hook, finalizer=self._asyncgen_finalizer_hook
        )
        events._set_running_loop(self)
        try:
            self._run()
        finally:
            self._stopping = False
            self._thread_id = None
            events._set_running_loop(None)
            self._set_coroutine_origin_tracking(False)
            sys.set_asyncgen_hooks(*hooks)
            self._leave_signals(previous_wakeup)

    def close(self) -> None:
        """Closes the loop: nothing that is scheduled runs any more. Counterpart: asyncio's `loop.close`.

        Raises:
            RuntimeError: the loop is running.
        """
        closed = self.is_closed()
        super().close()
        if not closed:
            if self._lookups is not None:
                self._close_resolver()
            if self._pipe_modes:
                self._leave_pipes()
            self._dispose()
            if self._has_names:
                self._has_names = False
                names.restore()

    # Sockets of the user's own

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connects to an address; a UNIX server that has no room for another client is tried again.

        Raises:
            OSError: there is no such server, or it refuses.
            ValueError: in debug mode, if the socket is blocking.

        Counterpart: asyncio's `loop.sock_connect`.
        """
        if sock.family != socket.AF_UNIX:
            return await super().sock_connect(sock, address)
        self._check_socket(sock)
        delay = _FIRST_RETRY
        while True:
            try:
                return sock.connect(address)
            except BlockingIOError:
                # EAGAIN: nothing goes on in the kernel, and nothing will say when there is room.
                again = self.create_future()
            timer = self.call_later(delay, asyncio.futures._set_result_unless_cancelled, again, None)
            try:
                await again
            finally:
                timer.cancel()
            delay = min(2 * delay, _LAST_RETRY)

    # Natively, but for sockets with Python code of their own.

    async def sock_recv(self, sock: socket.socket, n: int) -> bytes:
        """Receives up to `n` bytes; b"" is the end of file. Counterpart: asyncio's `loop.sock_recv`.

        Raises:
            OSError: the connection has failed.
            ValueError: in debug mode, if the socket is blocking.
        """
        return await super().sock_recv(sock, n)

    async def sock_recv_into(self, sock: socket.socket, buf: Any) -> int:
        """Receives into a buffer; returns how many bytes; 0 is the end of file. Errors as `sock_recv`.

        Counterpart: asyncio's `loop.sock_recv_into`.
        """
        return await super().sock_recv_into(sock, buf)

    async def sock_sendall(self, sock: socket.socket, data: Any) -> None:
        """Sends a whole buffer; errors as `sock_recv`. Counterpart: asyncio's `loop.sock_sendall`."""
        return await super().sock_sendall(sock, data)

    def _check_socket(self, sock: socket.socket) -> None:
        base_events._check_ssl_socket(sock)
        if self._debug and sock.gettimeout() != 0:
            raise ValueError("the socket must be non-blocking")

    async def _sendfile_native(self, transp: Any, file: Any, offset: int, count: int | None) -> int:
        if not isinstance(transp, StreamTransport):
            return await super()._sendfile_native(transp, file, offset, count)
        fd = transp._sock_fd
        waiter = transp._make_empty_waiter()
        was_reading = transp.is_reading()
        transp.pause_reading()
        self._transports.pop(fd, None)
        try:
            await waiter
            return await self.sock_sendfile(transp._sock, file, offset, count, fallback=False)
        finally:
            transp._reset_empty_waiter()
            if was_reading:
                transp.resume_reading()
            if not transp.is_closing():
                self._transports[fd] = transp

    # Connections

    def _make_socket_transport(
        self,
        sock: socket.socket,
        protocol: Any,
        waiter: Any = None,
        *,
        extra: Any = None,
        server: Any = None,
        context: Context | None = None,
    ) -> Any:
        if not is_plain(sock):
            more = if_known(context)
            return super()._make_socket_transport(sock, protocol, waiter, extra=extra, server=server, **more)
        self._ensure_fd_no_transport(sock)
        transport = self._stream_transport(sock, protocol, extra, server, context)
        self._transports[sock.fileno()] = transport
        if waiter is not None:
            self.call_soon(asyncio.futures._set_result_unless_cancelled, waiter, None)
        return transport

    def _make_ssl_transport(
        self,
        rawsock: socket.socket,
        protocol: Any,
        sslcontext: ssl.SSLContext,
        waiter: Any = None,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        extra: Any = None,
        server: Any = None,
        ssl_handshake_timeout: float | None = constants.SSL_HANDSHAKE_TIMEOUT,
        ssl_shutdown_timeout: float | None = constants.SSL_SHUTDOWN_TIMEOUT,
        context: Context | None = None,
    ) -> Any:
        from ironloop import tls

        self._ensure_fd_no_transport(rawsock)
        if is_plain(rawsock) and tls.is_native(self):
            transport = self._tls_transport(
                rawsock,
                protocol,
                extra,
                server,
                context,
                waiter,
                tls.checked(
                    sslcontext, server_side, server_hostname, ssl_handshake_timeout, ssl_shutdown_timeout
                ),
            )
            self._transports[rawsock.fileno()] = transport
            return transport
        ssl_protocol = sslproto.SSLProtocol(
            self,
            protocol,
            sslcontext,
            waiter,
            server_side,
            server_hostname,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        )
        self._make_socket_transport(rawsock, ssl_protocol, extra=extra, server=server, context=context)
        return ssl_protocol._app_transport

    def _make_datagram_transport(
        self,
        sock: socket.socket,
        protocol: Any,
        address: Any = None,
        waiter: Any = None,
        extra: dict[str, Any] | None = None,
    ) -> Any:
        self._ensure_fd_no_transport(sock)
        extra = {} if extra is None else extra
        extra["socket"] = trsock.TransportSocket(sock)
        extra["sockname"] = _name(sock.getsockname)
        if "peername" not in extra:
            extra["peername"] = _name(sock.getpeername)
        transport = self._datagram_transport(sock, protocol, address, extra, is_plain(sock))
        self._transports[sock.fileno()] = transport
        if waiter is not None:
            self.call_soon(asyncio.futures._set_result_unless_cancelled, waiter, None)
        return transport

    def _ensure_fd_no_transport(self, fd: Any) -> None:
        super()._ensure_fd_no_transport(fd)
        number = fd if isinstance(fd, int) else fd.fileno()
        transport = self._transport_of(number)
        if transport is not None and not transport.is_closing():
            raise RuntimeError(f"File descriptor {fd!r} is used by transport {transport!r}")

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """Runs `func(*args)` in a thread of `executor`; by default in those of the loop.

        Returns a future. Raises RuntimeError if the loop is closed. Counterpart: asyncio's
        loop.run_in_executor.
        """
        # A recorded loop calls by us what is called in a thread. Other executors may have to pickle it, and
        # debug mode looks what it is.
        if (executor is None or _has_threads(executor)) and not self.get_debug():
            func = recorded_job(self, func)
        future = super().run_in_executor(executor, func, *args)
        awaits_job(future)
        return future

    # What the core tells of failures, and of itself in debug mode

    def _callback_failed(self, handle: asyncio.Handle, exc: BaseException) -> None:
        context = {
            "message": f"Exception in callback {_describe(self, handle)}",
            "exception": exc,
            "handle": handle,
        }
        if handle._source_traceback:
            context["source_traceback"] = handle._source_traceback
        self.call_exception_handler(context)

    def _executed(self, what: Any, seconds: float, polled: str | None = None) -> None:
        if seconds >= self.slow_callback_duration:
            name = base_events._format_handle(what) if isinstance(what, asyncio.Handle) else repr(what)
            # The Rust future that an extension module has polled last in it.
            name += f", in Rust {polled}," if polled is not None else ""
            base_events.logger.warning("Executing %s took %.3f seconds", name, seconds)

    def _was_blocked(self, *facts: Any) -> None:
        from ironloop.blocked import tell

        tell(self, *facts)

    def _caller(self) -> StackSummary:
        return format_helpers.extract_stack(sys._getframe(1))

    def _log_tls(self, transport: Any, text: str) -> None:
        logger.debug("%r: %s", transport, text)

    def _log_lost(self, transport: Any, message: str, exc: BaseException) -> None:
        logger.debug("%r: %s", transport, message, exc_info=exc)


# Who makes a loop in the place of `Loop`, for those who ask by asyncio's names: a tool that has tests run in
# simulations. None: nobody, this time.
makers: list[Callable[[], Loop | None]] = []


def make_loop(native: bool | None = None) -> Loop:
    """A loop for whoever asks for one, by asyncio's names or by ours."""
    for maker in makers:
        if (made := maker()) is not None:
            return made
    return Loop(native=native)


def _has_threads(executor: Any) -> bool:
    module = sys.modules.get("concurrent.futures.thread")
    return module is not None and isinstance(executor, module.ThreadPoolExecutor)


def _name(ask: Callable[[], Any]) -> Any:
    """A socket's address, or its peer's; None where it has none."""
    try:
        return ask()
    except OSError:
        return None


def if_known(context: Context | None) -> dict[str, Any]:
    # A keyword of asyncio's own methods from Python 3.15 on; older ones never get it from their callers.
    return {} if context is None else {"context": context}


def _describe(loop: Loop, handle: asyncio.Handle) -> str:
    # Python 3.13 shows arguments in debug mode only.
    has_debug = "debug" in inspect.signature(format_helpers._format_callback_source).parameters
    debug = {"debug": loop.get_debug()} if has_debug else {}
    return format_helpers._format_callback_source(handle._callback, handle._args, **debug)
