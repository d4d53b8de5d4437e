"""The wheels of a release, and the source distribution: built, installed into clean environments, and tried.

    tools/wheels.py [--series 3.13]... [--only manylinux|musllinux|sdist]... [--out dist] [--musl PYTHON]...
    tools/wheels.py --check     whether it compiles for musl, whose names of C types are others: in make lint

For each Python found there is a wheel for glibc 2.17 and later and one for musl 1.2, linked by zig, which has
the symbols of old C libraries. A wheel for glibc is tried by the Python that it is for. One for musl is
looked at, for what it wants of the C library, and tried if ``--musl`` names a Python of that series that was
built for musl: any Linux runs such a one where musl's loader is. Standard library only; maturin and zig come
from PyPI into ``.venv/wheels``.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

from pythons import SUPPORTED, Python, find_pythons, missing
from release import faults

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".venv" / "wheels"
Command = Sequence[str | Path]
KINDS = ("manylinux", "musllinux", "sdist")
# Rust's name of the C library, and the tag of the wheel. Rust's own standard library asks for glibc 2.17.
LIBRARIES = {"manylinux": ("gnu", "manylinux_2_17"), "musllinux": ("musl", "musllinux_1_2")}

PROGRAM = """
import asyncio, ssl, ironloop

async def main():
    async def answer(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello\\n")
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
    assert line == b"hello\\n", line
    loop = asyncio.get_running_loop()
    assert type(asyncio.current_task()).__module__ == "ironloop", asyncio.current_task()
    return f"{type(loop).__module__}.{type(loop).__name__}"

print(ironloop.run(main()), ironloop.__version__, "TLS by", ironloop.tls_path(), "of", ssl.OPENSSL_VERSION)
"""


def prepare() -> None:
    """An environment with maturin and zig."""
    wanted = (ROOT / "tools" / "wheels-requirements.txt").read_text() + (
        ROOT / "tools" / "build-requirements.txt"
    ).read_text()
    stamp = TOOLS / "requirements"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(TOOLS, ignore_errors=True)
    maker = next((python for python in find_pythons().values() if python.ensurepip), None)
    if maker is None:
        raise SystemExit("no Python found has ensurepip")
    run([maker.executable, "-m", "venv", TOOLS])
    run(
        [TOOLS / "bin" / "python", "-m", "pip", "install", "-q", "-r", ROOT / "tools/wheels-requirements.txt"]
    )
    stamp.write_text(wanted)


def variables() -> dict[str, str]:
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "wheels"
    path = os.pathsep.join([str(TOOLS / "bin"), os.environ.get("PATH", os.defpath)])
    return {**os.environ, "PATH": path, "CARGO_TARGET_DIR": str(target)}


def build(python: Python, kind: str, out: Path) -> Path:
    """One wheel."""
    library, tag = LIBRARIES[kind]
    target = f"{platform.machine()}-unknown-linux-{library}"
    # For another C library maturin has the facts of each Python itself, and asks none.
    interpreter = python.executable if library == "gnu" else f"python{python.series}"
    made = Path(tempfile.mkdtemp(dir=out))
    try:
        command: Command = ["maturin", "build", "--quiet", "--release", "--zig", "--locked", "--out", made]
        run([*command, "--target", target, "--compatibility", tag, "--interpreter", interpreter])
        (wheel,) = made.glob("*.whl")
        found = faults(wheel)
        assert not found, "; ".join(found)
        return wheel.replace(out / wheel.name)
    finally:
        shutil.rmtree(made)


def try_wheel(python: str, wheel: Path) -> str:
    """What a program says that runs on it, in an environment with nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        run([python, "-m", "venv", "--without-pip", folder])
        inside = Path(folder) / "bin"
        pip: Command = [TOOLS / "bin" / "python", "-m", "pip", "--python", inside / "python", "install", "-q"]
        run([*pip, "--no-deps", wheel])
        where = {"cwd": folder, "env": {"PATH": os.defpath}}
        said = read([inside / "python", "-I", "-c", PROGRAM], **where)
        version = read([inside / "ironloop", "--version"], **where)
        assert version == read([inside / "python", "-m", "ironloop", "--version"], **where), version
        code = "import asyncio; print(type(asyncio.new_event_loop()).__module__)"
        assert read([inside / "ironloop", "-c", code], **where) == "ironloop"
        # Exits with 1 if something is in the way.
        read([inside / "ironloop", "--doctor"], **where)
        return said


def try_musl(python: str | None, wheel: Path) -> str:
    """What the library of a musl wheel needs, musl's own file and nothing of glibc; what a program says."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        (library,) = (name for name in archive.namelist() if name.endswith(".so"))
        file = archive.extract(library, folder)
        dynamic = read(["readelf", "-dW", file], cwd=folder)
        needed = sorted(line.split("[")[1].rstrip("]") for line in dynamic.splitlines() if "(NEEDED)" in line)
        versions = read(["readelf", "-VW", file], cwd=folder)
        assert "GLIBC" not in versions and needed == ["libc.so"], needed
    needs = "needs libc.so and no more"
    if python is None:
        return f"not run (no Python for musl here); {needs}"
    return f"{try_wheel(python, wheel)}; {needs}"


def series_of(executable: str) -> str:
    return read([executable, "-c", "import sys; print('{}.{}'.format(*sys.version_info))"])


def check_musl() -> int:
    """Has the compiler look at the native code for musl; where its library is not to be had, nobody does."""
    if not has_target("musl"):
        say("not checked for musl: rustup cannot get Rust's library for it")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        facts = Path(folder) / "python"
        facts.write_text(f"implementation=CPython\nversion={SUPPORTED[-1]}\nshared=true\npointer_width=64\n")
        target = f"{platform.machine()}-unknown-linux-musl"
        command = ["cargo", "check", "--quiet", "--locked", "--target", target]
        own = {"PYO3_CONFIG_FILE": str(facts), "RUSTFLAGS": "-C target-feature=-crt-static"}
        packages = ["-p", "ironloop-python", "-p", "ironloop-monitor"]
        return subprocess.run([*command, *packages], cwd=ROOT, env={**variables(), **own}).returncode


def sdist(out: Path) -> Path:
    """The sources, packed."""
    for old in out.glob("ironloop-*.tar.gz"):
        old.unlink()
    run(["maturin", "sdist", "--out", out])
    return next(out.glob("ironloop-*.tar.gz"))


def has_target(library: str) -> bool:
    """Whether Rust's standard library is there for it, which rustup may have to fetch."""
    target = f"{platform.machine()}-unknown-linux-{library}"
    root = Path(read(["rustc", "--print", "sysroot"], cwd=ROOT))
    if (root / "lib" / "rustlib" / target / "lib").exists():
        return True
    added = subprocess.run(["rustup", "target", "add", target], cwd=ROOT, capture_output=True)
    return added.returncode == 0


def run(command: Command) -> None:
    subprocess.run(command, check=True, cwd=ROOT, env=variables())


def read(command: Command, **more: object) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, **more)  # type: ignore[call-overload]
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout)
    return done.stdout.strip()  # type: ignore[no-any-return]


def say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", action="append", help="only for this Python (3.13)")
    parser.add_argument("--only", action="append", choices=KINDS)
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--musl", action="append", default=[], metavar="PYTHON", help="built for musl")
    parser.add_argument("--program", action="store_true", help="print the program that tries a wheel")
    parser.add_argument("--check", action="store_true", help="only compile, for musl")
    options = parser.parse_args()
    if options.check:
        return check_musl()
    if options.program:
        print(PROGRAM)
        return 0
    found = find_pythons()
    of_musl = {series_of(executable): executable for executable in options.musl}
    series = options.series or list(found)
    if absent := [name for name in series if name not in found]:
        raise SystemExit("no Python found: " + ", ".join(absent))
    kinds = options.only or KINDS
    options.out.mkdir(parents=True, exist_ok=True)
    prepare()
    outcome = [(name, "", "skipped: no such Python found") for name in missing(found) if not options.series]
    failed = False
    for kind in (kind for kind in LIBRARIES if kind in kinds):
        if not has_target(LIBRARIES[kind][0]):
            outcome.append((kind, "", "not built: rustup cannot get Rust's library for it"))
            failed = True
            continue
        for name in series:
            say(f"Python {name}: {kind}")
            try:
                wheel = build(found[name], kind, options.out)
                said = (
                    try_wheel(found[name].executable, wheel)
                    if kind == "manylinux"
                    else try_musl(of_musl.get(name), wheel)
                )
                outcome.append((f"Python {name}", wheel.name, said))
            except (subprocess.CalledProcessError, AssertionError) as error:
                outcome.append((f"Python {name}", kind, f"failed: {error}"))
                failed = True
    if "sdist" in kinds:
        try:
            packed = sdist(options.out)
            say(f"Python {series[-1]}: built from the sources")
            outcome.append(
                (f"Python {series[-1]}", packed.name, try_wheel(found[series[-1]].executable, packed))
            )
        except (subprocess.CalledProcessError, AssertionError) as error:
            outcome.append(("sources", "", f"failed: {error}"))
            failed = True
    for name, file, said in outcome:
        print(f"{name}: {file}\n    {said}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
