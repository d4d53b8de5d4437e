"""`ironloop.open` and `ironloop.files`: Python's own files are the model; on any loop, cached or not."""

import asyncio
import errno
import os
import random
import resource
import signal

import ironloop
import pytest
from ironloop import _ironloop, files


@pytest.fixture(params=["at once", "by threads"])
def cached(request, monkeypatch):
    """Whether what is read is in the page cache."""
    if request.param == "by threads":
        kind = _ironloop.file_kind
        monkeypatch.setattr(_ironloop, "file_kind", lambda fd: (kind(fd)[0], False, kind(fd)[2]))
        monkeypatch.setattr(_ironloop, "open_now", lambda path, flags: None)
        monkeypatch.setattr(_ironloop, "read_file_now", lambda path: None)
    return request.param == "at once"


def outcome_of(error):
    return type(error), str(error)


@pytest.mark.parametrize("buffering", [-1, 0])
def test_reads_what_was_written(run, cached, path, buffering):
    content = random.Random(1).randbytes(300_000)

    async def main():
        async with ironloop.open(path, "wb", buffering) as file:
            for start in range(0, len(content), 7_000):
                assert await file.write(content[start : start + 7_000]) == len(content[start : start + 7_000])
        async with ironloop.open(path, "rb", buffering) as file:
            assert (await file.read(10), await file.tell()) == (content[:10], 10)
            assert await file.read() == content[10:]
            assert await file.read() == await file.read(5) == b""
            assert await file.seek(-20, os.SEEK_END) == len(content) - 20
            assert await file.read(50) == content[-20:]
            await file.seek(1_000)
            buffer = bytearray(50_000)
            assert await file.readinto(buffer) == 50_000
            assert buffer == content[1_000:51_000]
            await file.seek(0)
            assert await file.readall() == content
        assert file.closed

    run(main)


def random_operations(chance, text, at_end):
    """What is done to a file: the name of a method, and its arguments."""

    def some():
        data = "".join(chance.choice("ab\n\r é€\U0001f600") for _ in range(chance.choice([0, 3, 50, 3_000])))
        return data if text else data.encode()

    for _ in range(60):
        match chance.randrange(9):
            case 0 | 1:
                yield "read", (chance.choice([0, 1, 5, 100, 9_000, 70_000]),)
            case 2:
                yield "readline", ()
            case 3:
                yield "readline", (chance.randrange(40),)
            case 4:
                yield "tell", ()
            case 5:
                # In text what is written over may be half of a character; what is appended is so at the end.
                yield "seek", (-1 if at_end else chance.choice([0, -1]),)
                for _ in range(chance.randrange(4)):
                    yield "write", (some(),)
                yield "seek", (0,)
            case 6:
                yield "read", ()
            case 7:
                yield "flush", ()
            case 8:
                yield "seek", (chance.choice([0, 1, 2]),)


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize(
    "options",
    [
        {"mode": "rb+"},
        {"mode": "rb+", "buffering": 0},
        {"mode": "ab+"},
        {"mode": "r+", "encoding": "utf-8"},
        {"mode": "r+", "encoding": "utf-8", "newline": ""},
        {"mode": "r+", "encoding": "utf-8", "newline": "\r\n"},
        {"mode": "a+", "encoding": "utf-16"},
    ],
    ids=str,
)
def test_random_programs_do_what_pythons_own_file_does(run, cached, tmp_path, options, seed):
    text = "b" not in options["mode"]
    chance = random.Random(f"{seed} {options}")
    ours, model = str(tmp_path / "ours"), str(tmp_path / "model")
    begin = "".join(chance.choice("abcde\n\r\né") for _ in range(chance.choice([0, 10, 30_000])))
    for name in (ours, model):
        with open(name, "wb") as file:
            file.write(begin.encode(options.get("encoding", "utf-8")))

    async def main():
        places = [(0, 0)]
        with open(model, **options) as expected:
            async with ironloop.open(ours, **options) as file:
                for name, arguments in random_operations(chance, text, text or "a" in options["mode"]):
                    if name == "seek":
                        if arguments[0] == -1:
                            arguments = (0, os.SEEK_END)
                        elif text:
                            # Only where the file was: a number of `tell`'s.
                            mine, theirs = chance.choice(places)
                            assert await file.seek(mine) == mine and expected.seek(theirs) == theirs
                            continue
                        else:
                            arguments = (chance.randrange(40_000),) if arguments[0] else (0,)
                    if name == "write":
                        # A line that ended with the file may go on now.
                        places = [(0, 0)]
                    want = getattr(expected, name)(*arguments)
                    got = await getattr(file, name)(*arguments)
                    if name == "tell" or (name == "seek" and text):
                        places.append((got, want))
                        if text:
                            continue
                    assert got == want, (name, arguments)
        with open(ours, "rb") as got, open(model, "rb") as want:
            assert got.read() == want.read()

    run(main)


@pytest.mark.parametrize("newline", [None, "", "\n", "\r", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_lines_are_those_of_pythons_own_file(run, cached, path, newline, encoding):
    content = "".join(random.Random(2).choice("ab\n\r\r\né") for _ in range(40_000))
    with open(path, "wb") as file:
        file.write(content.encode(encoding))
    with open(path, encoding=encoding, newline=newline) as file:
        expected, newlines = list(file), file.newlines

    async def main():
        async with ironloop.open(path, encoding=encoding, newline=newline) as file:
            assert [line async for line in file] == expected
            assert file.newlines == newlines
            await file.seek(0)
            assert await file.readlines() == expected
        async with ironloop.open(path, encoding=encoding, newline=newline) as file:
            # Wherever it stood, it can stand again.
            for line in expected[:300]:
                place = await file.tell()
                assert await file.readline() == line
                await file.seek(place)
                assert await file.readline() == line
        async with ironloop.open(path, "w", encoding=encoding, newline=newline) as file:
            await file.writelines(expected)
        mine = await files.read_bytes(path)
        with open(path, "w", encoding=encoding, newline=newline) as file:
            file.writelines(expected)
        assert await files.read_bytes(path) == mine

    run(main)


OPENINGS = [
    {"mode": "rw"},
    {"mode": "q"},
    {"mode": "rb", "encoding": "utf-8"},
    {"mode": "r", "buffering": 0},
    {"mode": "r", "newline": "x"},
    {"mode": "r", "encoding": "hex"},
    {"mode": "r", "encoding": "no such"},
    {"mode": "x"},
    {"mode": "r", "closefd": False},
    {"mode": 5},
]


@pytest.mark.parametrize("options", OPENINGS, ids=str)
def test_open_refuses_what_open_refuses(run, cached, path, options):
    with open(path, "w"):
        pass
    with pytest.raises(Exception) as expected:
        open(path, **options)

    async def main():
        with pytest.raises(type(expected.value)) as error:
            await ironloop.open(path, **options)
        assert outcome_of(error.value) == outcome_of(expected.value)

    run(main)


@pytest.mark.parametrize("name", ["nowhere/file", ".", "", "a\0b"])
def test_paths_that_cannot_be_opened(run, cached, name):
    with pytest.raises((OSError, ValueError)) as expected:
        open(name)

    async def main():
        with pytest.raises(type(expected.value)) as error:
            await ironloop.open(name)
        assert outcome_of(error.value) == outcome_of(expected.value)

    run(main)


CALLS = {
    "read": (),
    "readline": (),
    "readinto": (bytearray(1),),
    "write": (b"x",),
    "seek": (0,),
    "tell": (),
    "flush": (),
    "truncate": (),
    "read1": (1,),
    "peek": (),
    "fileno": (),
    "readable": (),
}


@pytest.mark.parametrize("mode", ["rb", "wb", "r", "w"])
@pytest.mark.parametrize("buffering", [-1, 0])
@pytest.mark.parametrize("closed", [False, True])
def test_refused_methods_say_what_pythons_own_say(run, path, mode, buffering, closed):
    if buffering == 0 and "b" not in mode:
        pytest.skip("text has a buffer")
    with open(path, "w"):
        pass

    async def main():
        with open(path, mode, buffering) as model:
            if closed:
                model.close()
            async with ironloop.open(path, mode, buffering) as file:
                if closed:
                    await file.close()
                for name, arguments in CALLS.items():
                    # (A file that may only be written has no `peek` in Python, which says nothing of it.)
                    if not hasattr(model, name) or not hasattr(file, name):
                        continue
                    if name == "write" and "b" not in mode:
                        arguments = ("x",)
                    try:
                        getattr(model, name)(*arguments)
                    except (ValueError, OSError) as error:
                        expected = outcome_of(error)
                    else:
                        continue
                    with pytest.raises((ValueError, OSError)) as error:
                        result = getattr(file, name)(*arguments)
                        if not isinstance(result, (bool, int)):
                            await result
                    assert outcome_of(error.value) == expected, name

    run(main)


@pytest.mark.parametrize("buffering", [-1, 0])
def test_of_a_failed_write_it_is_known_how_much_was_written(run, path, buffering):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    data = random.Random(3).randbytes(300_000)

    async def main():
        file = await ironloop.open(path, "wb", buffering)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            with pytest.raises(OSError) as error:
                await file.write(data)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, before)
        assert error.value.errno == errno.EFBIG
        assert error.value.characters_written == await file.tell() == 100_000
        await file.write(data[100_000:])
        await file.close()
        assert await files.read_bytes(path) == data

    run(main)


def test_a_full_disk_is_an_error_of_flush_and_of_close(run):
    async def main():
        file = await ironloop.open("/dev/full", "wb")
        await file.write(b"x")
        for end in (file.flush, file.close):
            with pytest.raises(OSError) as error:
                await end()
            assert error.value.errno == errno.ENOSPC
        assert file.closed
        with pytest.raises(OSError):
            await files.write_bytes("/dev/full", b"x")

    run(main)


def test_many_tasks_with_one_file(run, cached, path):
    async def main():
        await files.write_bytes(path, b"".join(b"%07d\n" % n for n in range(20_000)))
        async with ironloop.open(path, "rb") as file:

            async def some():
                return [line async for line in file]

            lines = [line for part in await asyncio.gather(*(some() for _ in range(5))) for line in part]
            assert sorted(lines) == [b"%07d\n" % n for n in range(20_000)]

    run(main)


def test_what_waits_is_written_by_flush_and_by_close(run, path):
    async def main():
        async with ironloop.open(path, "wb") as file:
            await file.write(b"abc")
            assert os.path.getsize(path) == 0
            await file.flush()
            assert os.path.getsize(path) == 3
            await file.write(b"def")
            await file.fsync()
            assert os.path.getsize(path) == 6
            assert await file.truncate(2) == 2
            await file.write(b"g")
        assert await files.read_bytes(path) == b"ab\0\0\0\0g"

    run(main)


def test_a_file_that_nobody_closes_warns_and_is_written(run, path):
    async def main():
        file = await ironloop.open(path, "wb")
        await file.write(b"abc")
        with pytest.warns(ResourceWarning, match="unclosed file"):
            del file
        assert await files.read_bytes(path) == b"abc"

    run(main)


def test_a_file_closed_below_is_closed_and_nobody_elses_is_touched(run, cached, tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    theirs.write_bytes(b"theirs" * 50_000)

    async def main():
        for touch in (
            lambda file: file.read(100_000),
            lambda file: file.read(-1),
            lambda file: file.read(3),
            lambda file: file.readinto(bytearray(50_000)),
            lambda file: file.write(b"late"),
            lambda file: file.truncate(1),
        ):
            ours.write_bytes(b"ours" * 50_000)
            file = await files.open(ours, "r+b")
            assert await file.read(4) == b"ours"
            file.raw.close()
            assert file.closed
            # The next descriptors have its number, whichever that was.
            others = [open(theirs, "r+b") for _ in range(4)]
            with pytest.raises(ValueError, match="closed file"):
                await touch(file)
            await file.close()
            for other in others:
                with other:
                    assert other.read(6) == b"theirs"
        assert theirs.stat().st_size == 300_000

    run(main)


def test_a_descriptor_is_given_up(run, path):
    async def main():
        await files.write_bytes(path, b"0123456789")
        file = await ironloop.open(path, "rb")
        await file.read(3)
        with file.detach() as raw:
            assert raw.read(3) == b"345"
        with pytest.raises(ValueError, match="detached"):
            await file.read()
        with pytest.raises(ValueError, match="detached"):
            await file.close()

    run(main)


def test_whole_files(run, cached, path, tmp_path):
    async def main():
        assert await files.write_text(path, "é\nb\n", "utf-8", newline="\r\n", sync=True) == 4
        assert await files.read_bytes(path) == "é\r\nb\r\n".encode()
        assert await files.read_text(path, "utf-8") == "é\nb\n"
        assert await files.read_text(path, "utf-8", newline="") == "é\r\nb\r\n"
        with pytest.raises(UnicodeDecodeError):
            await files.read_text(path, "ascii")
        with pytest.raises(FileNotFoundError):
            await files.read_bytes(path + "x")
        await files.copy(path, path + "2")
        assert sorted(await files.listdir(tmp_path)) == ["file", "file2"]
        assert [entry.name for entry in await files.scandir(tmp_path)]
        await files.rename(path + "2", path + "3")
        assert (await files.stat(path + "3")).st_size == 7
        await files.remove(path + "3")
        assert not await files.os.path.exists(path + "3")
        assert await files.read_bytes("/proc/self/cmdline")

    run(main)


def test_temporary_files(run, tmp_path):
    async def main():
        async with files.tempfile.NamedTemporaryFile("w+", encoding="utf-8", dir=tmp_path) as file:
            await file.write("abc")
            await file.seek(0)
            assert await file.read() == "abc"
            assert os.path.exists(file.name)
        assert not os.path.exists(file.name)
        async with files.tempfile.TemporaryFile(dir=tmp_path) as file:
            await file.write(b"abc")
            await file.seek(0)
            assert await file.read() == b"abc"
        async with files.tempfile.TemporaryDirectory(dir=tmp_path) as folder:
            assert os.path.isdir(folder)
        assert os.listdir(tmp_path) == []

    run(main)


def test_changes_are_told(run, tmp_path):
    async def main():
        async with files.watch(tmp_path, recursive=True) as changes:
            seen = set()

            async def until_seen(kind, name):
                while (kind, name) not in seen:
                    change = await anext(changes)
                    seen.add((change.kind.value, os.path.relpath(change.path, tmp_path)))

            async with asyncio.timeout(30):
                (tmp_path / "a").write_text("x")
                await until_seen("modified", "a")
                (tmp_path / "folder").mkdir()
                (tmp_path / "folder" / "b").touch()
                await until_seen("created", os.path.join("folder", "b"))
                (tmp_path / "a").rename(tmp_path / "c")
                await until_seen("deleted", "a")
                await until_seen("created", "c")
                (tmp_path / "c").unlink()
                await until_seen("deleted", "c")
        with pytest.raises(FileNotFoundError):
            await anext(files.watch(tmp_path / "nowhere"))
        with pytest.raises(StopAsyncIteration):
            await anext(changes)

    run(main)
