"""Starts the HTTP service of `http_app.py` as a process of its own, and stops it.

    with HTTPService() as service:
        requests.get(f"{service.url}/health")

The service runs on stock asyncio, whatever loop those run on who ask it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from threading import Timer

APP = Path(__file__).with_name("http_app.py")
START_TIMEOUT = 15.0  # seconds
STOP_TIMEOUT = 5.0


class HTTPService:
    """Context manager: the running service, with its address in `url`.

    Entering waits until the service listens, and raises RuntimeError if it does not within START_TIMEOUT.
    """

    url: str

    def __enter__(self) -> HTTPService:
        self._process = subprocess.Popen(
            [sys.executable, APP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a Ctrl-C in the terminal is for us, and we stop the service
        )
        watchdog = Timer(START_TIMEOUT, self._process.kill)
        watchdog.start()
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        watchdog.cancel()
        if not self.url:
            self.__exit__()
            raise RuntimeError("the HTTP service of the examples did not start")
        return self

    def __exit__(self, *exc_info: object) -> None:
        try:
            self._process.communicate(timeout=STOP_TIMEOUT)  # closes its standard input, which ends it
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
