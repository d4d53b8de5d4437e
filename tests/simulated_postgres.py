"""A database for simulations: PostgreSQL's wire protocol, as far as asyncpg asks for it.

It knows the statements that it is given, by their text. A transaction has the whole store for itself; what it
has changed is gone if it is rolled back, or if its connection ends before.
"""

import asyncio
import contextlib
import copy
import struct
from typing import NamedTuple

INT4, INT8, TEXT = 23, 20, 25
_WIDTHS = {INT4: 4, INT8: 8}

_SSL_REQUEST = 80877103


class Statement(NamedTuple):
    perform: object  # of the store and the parameters, to rows
    parameters: tuple = ()  # types
    columns: tuple = ()  # names and types


class DatabaseError(Exception):
    def __init__(self, state, text):
        super().__init__(text)
        self.state = state


class Database:
    """What all connections share."""

    def __init__(self, statements, password="secret"):
        self.statements = statements
        self.password = password
        self.store = {}
        self.lock = asyncio.Lock()

    async def serve(self, host="0.0.0.0", port=5432):
        async with await asyncio.start_server(self.connected, host, port) as server:
            await server.serve_forever()

    async def connected(self, reader, writer):
        session = _Session(self, reader, writer)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await session.run()
        finally:
            session.roll_back()
            writer.close()


class _Session:
    def __init__(self, database, reader, writer):
        self.database, self.reader, self.writer = database, reader, writer
        self.statements, self.portals = {}, {}
        # In a transaction: what the store was before it.
        self.before = None
        # An error was told; what follows is skipped until Sync.
        self.skips = False
        self.has_failed = False

    def send(self, kind, *parts):
        body = b"".join(parts)
        self.writer.write(kind + struct.pack("!i", len(body) + 4) + body)

    def ready(self):
        state = b"I" if self.before is None else b"E" if self.has_failed else b"T"
        self.send(b"Z", state)

    async def run(self):
        await self.begin()
        while True:
            kind = await self.reader.readexactly(1)
            body = await self.message()
            if kind == b"X":
                return
            if self.skips and kind != b"S":
                continue
            try:
                await getattr(self, "on_" + kind.decode())(body)
            except DatabaseError as error:
                self.has_failed = True
                self.skips = kind != b"Q"
                fields = [b"SERROR", b"C" + error.state.encode(), b"M" + str(error).encode()]
                self.send(b"E", *(field + b"\0" for field in fields), b"\0")
                if kind == b"Q":
                    self.ready()
            await self.writer.drain()

    async def message(self):
        (size,) = struct.unpack("!i", await self.reader.readexactly(4))
        return await self.reader.readexactly(size - 4)

    async def begin(self):
        while struct.unpack("!i", (await self.message())[:4])[0] == _SSL_REQUEST:
            self.writer.write(b"N")
        self.send(b"R", struct.pack("!i", 3))
        assert await self.reader.readexactly(1) == b"p"
        if (await self.message())[:-1].decode() != self.database.password:
            self.send(b"E", b"SFATAL\0C28P01\0Mwrong password\0\0")
            raise ConnectionError
        self.send(b"R", struct.pack("!i", 0))
        for name, value in (("server_version", "16.0"), ("client_encoding", "UTF8"), ("TimeZone", "UTC")):
            self.send(b"S", name.encode() + b"\0" + value.encode() + b"\0")
        self.send(b"K", struct.pack("!ii", 1, 2))
        self.ready()

    # Transactions

    async def on_Q(self, body):
        for text in body[:-1].decode().split(";"):
            match text.strip().split():
                case ["BEGIN", *_]:
                    await self.database.lock.acquire()
                    self.before = copy.deepcopy(self.database.store)
                    self.has_failed = False
                case ["COMMIT", *_] if not self.has_failed:
                    self.before = None
                    self.database.lock.release()
                case ["COMMIT" | "ROLLBACK", *_]:
                    self.roll_back()
                case []:
                    continue
            self.send(b"C", text.strip().split()[0].encode() + b"\0")
        self.ready()

    def roll_back(self):
        if self.before is not None:
            self.database.store, self.before = self.before, None
            self.database.lock.release()

    # Statements: prepared, described, bound to parameters, performed

    async def on_P(self, body):
        name, text = body.split(b"\0")[:2]
        statement = self.database.statements.get(" ".join(text.decode().split()))
        if statement is None:
            raise DatabaseError("42601", f"syntax error: {text.decode()}")
        self.statements[name] = statement
        self.send(b"1")

    async def on_D(self, body):
        _, columns, name = body[:1], None, body[1:-1]
        if body[:1] == b"S":
            statement = self.statements[name]
            types = struct.pack(
                f"!h{len(statement.parameters)}i", len(statement.parameters), *statement.parameters
            )
            self.send(b"t", types)
            columns = statement.columns
        else:
            columns = self.portals[name][0].columns
        if not columns:
            self.send(b"n")
            return
        described = [
            column.encode() + b"\0" + struct.pack("!ihihih", 0, 0, kind, _WIDTHS.get(kind, -1), -1, 1)
            for column, kind in columns
        ]
        self.send(b"T", struct.pack("!h", len(columns)), *described)

    async def on_B(self, body):
        portal, name, rest = body.split(b"\0", 2)
        (count,) = struct.unpack_from("!h", rest)
        at = 2 + 2 * count + 2
        statement, values = self.statements[name], []
        for kind in statement.parameters:
            (size,) = struct.unpack_from("!i", rest, at)
            at += 4
            data = rest[at : at + size]
            at += max(size, 0)
            if size < 0:
                values.append(None)
            else:
                values.append(data.decode() if kind == TEXT else int.from_bytes(data, signed=True))
        self.portals[portal] = statement, values
        self.send(b"2")

    async def on_E(self, body):
        statement, values = self.portals[body.split(b"\0")[0]]
        if self.before is not None:
            rows = statement.perform(self.database.store, *values)
        else:
            async with self.database.lock:
                rows = statement.perform(self.database.store, *values)
        for row in rows:
            fields = []
            for (_, kind), value in zip(statement.columns, row, strict=True):
                if value is None:
                    fields.append(struct.pack("!i", -1))
                    continue
                data = value.encode() if kind == TEXT else value.to_bytes(_WIDTHS[kind], signed=True)
                fields.append(struct.pack("!i", len(data)) + data)
            self.send(b"D", struct.pack("!h", len(row)), *fields)
        self.send(b"C", b"SELECT %d\0" % len(rows))

    async def on_C(self, body):
        (self.statements if body[:1] == b"S" else self.portals).pop(body[1:-1], None)
        self.send(b"3")

    async def on_H(self, body):
        """Flush: all is sent at once."""

    async def on_S(self, body):
        self.skips = False
        self.ready()
