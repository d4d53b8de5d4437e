"""What the TLS rows share: the certificate, the server's context, and the libssl that Python has loaded."""

from __future__ import annotations

import ssl
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "tls"
CERTIFICATE = FOLDER / "certificate.pem"
"""Of localhost and 127.0.0.1, signed by itself, with an RSA key of 2,048 bits, until 2120."""

KEY = FOLDER / "key.pem"

OPENSSL = ssl.OPENSSL_VERSION
"""That of this Python, and so of every process that is measured here."""


def server_context() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE, KEY)
    return context


def libssl() -> Path | None:
    """The libssl that this process has loaded with `_ssl`; None if `_ssl` has OpenSSL inside itself."""
    return _loaded("libssl")


def linked_like_python(libssl: Path) -> list[str]:
    """What stands before a command to start it with the dynamic linker and the libc of this Python.

    They need not be the system's, and then its libssl does not go with another libc.
    """
    linker, libc = _loaded("ld-"), _loaded("libc.")
    if linker is None:
        return []
    folders = [path.parent for path in (libssl, libc) if path]
    return [str(linker), "--library-path", ":".join(map(str, folders))]


def is_loaded(name: str) -> bool:
    """Whether this process has a shared library whose name begins so."""
    return _loaded(name) is not None


def _loaded(name: str) -> Path | None:
    """The shared library in this process whose name begins so."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = Path(line.split(maxsplit=5)[-1])
        if path.name.startswith(name) and ".so" in path.name:
            return path
    return None
