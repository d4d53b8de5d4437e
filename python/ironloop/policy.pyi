from asyncio import DefaultEventLoopPolicy

class EventLoopPolicy(DefaultEventLoopPolicy):
    def __init__(self, *, native: bool | None = None) -> None: ...
