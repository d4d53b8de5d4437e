"""What the server says is wrong. Of connections that end it is ConnectionError, of wrong values TypeError."""

from __future__ import annotations


class PostgresError(Exception):
    """``sqlstate`` is PostgreSQL's code, of five letters and digits."""

    def __init__(self, text: str, sqlstate: str) -> None:
        super().__init__(text)
        self.sqlstate = sqlstate
