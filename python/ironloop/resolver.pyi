import asyncio
from collections.abc import Callable
from typing import Any

class Resolver:
    async def getaddrinfo(
        self,
        host: bytes | str | None,
        port: bytes | str | int | None,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]: ...
    async def getnameinfo(
        self, sockaddr: tuple[str, int] | tuple[str, int, int, int], flags: int = 0
    ) -> tuple[str, str]: ...

class Lookups:
    process: int
    def __init__(self) -> None: ...
    async def ask(self, loop: asyncio.AbstractEventLoop, *question: Any) -> list[Any] | None: ...
    def submit(
        self, loop: asyncio.AbstractEventLoop, function: Callable[..., Any], /, *arguments: Any
    ) -> asyncio.Future[Any]: ...
    def close(self) -> None: ...
