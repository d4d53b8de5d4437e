"""What an ssl.SSLContext can be told: names, client certificates, protocols, encrypted keys, sessions."""

import asyncio
import contextlib
import ssl

import pytest
import trustme
from support import Echo, Recorder, abort, open_descriptors, serving, until


async def connect(address, context, server_hostname="localhost", **options):
    _, protocol = await asyncio.get_running_loop().create_connection(
        Recorder, *address, ssl=context, server_hostname=server_hostname, **options
    )
    return protocol


@contextlib.asynccontextmanager
async def talking(address, context, **options):
    """A client whose first bytes have come back, so that the handshake is over on both sides."""
    client = await connect(address, context, **options)
    client.transport.write(b"hello")
    assert await client.received(5) == b"hello"
    yield client
    client.transport.close()
    await client.lost


@pytest.fixture
def make_server(authority):
    """Makes a server's context with a certificate for these names."""

    def make(*names):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(*names).configure_cert(context)
        return context

    return make


@pytest.fixture
def client_with_certificate(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    authority.issue_cert("client@example.org").configure_cert(context)
    return context


@pytest.fixture
def demanding(make_server, authority):
    """A server's context that wants to see the client's certificate."""
    context = make_server("localhost")
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def test_the_name_asked_for_chooses_the_certificate(run, make_server, client_tls):
    contexts = {name: make_server(name) for name in ("one.example", "two.example")}
    asked = []

    def choose(ssl_object, name, context):
        asked.append(name)
        if name not in contexts:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        ssl_object.context = contexts[name]
        return None

    front = make_server("front.example")
    front.sni_callback = choose

    async def main():
        async with serving(Echo, ssl=front) as address:
            for name in contexts:
                async with talking(address, client_tls, server_hostname=name) as client:
                    certificate = client.transport.get_extra_info("peercert")
                    assert certificate["subjectAltName"] == (("DNS", name),)
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await connect(address, client_tls, server_hostname="three.example")
        assert asked == ["one.example", "two.example", "three.example"]

    run(main)


def test_the_server_sees_the_clients_certificate(run, demanding, client_with_certificate):
    seen = []

    class Looking(Echo):
        def connection_made(self, transport):
            super().connection_made(transport)
            seen.append(transport.get_extra_info("peercert"))

    async def main():
        async with serving(Looking, ssl=demanding) as address:
            async with talking(address, client_with_certificate):
                pass
        assert ("email", "client@example.org") in seen[0]["subjectAltName"]

    run(main)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_without_the_certificate_is_refused(run, demanding, authority, version):
    """By TLS 1.3 it learns that only after its own handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    context.maximum_version = version
    made = []

    class Server(Echo):
        def connection_made(self, transport):
            made.append(transport)

    async def main():
        async with serving(Server, ssl=demanding) as address:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                client = await connect(address, context)
                client.transport.write(b"hello")
                error = await client.lost
                assert client.data == b""
                raise error or ConnectionError("closed")

    before = open_descriptors()
    run(main)
    assert made == []
    assert open_descriptors() == before


def test_a_certificate_of_a_stranger_is_refused(run, demanding, authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    trustme.CA().issue_cert("client@example.org").configure_cert(context)
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    async def main():
        async with serving(Echo, ssl=demanding) as address:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await connect(address, context)

    run(main)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1"), (["other"], None), ([], None)],
)
def test_alpn(run, make_server, authority, offered, chosen):
    server = make_server("localhost")
    server.set_alpn_protocols(["h2", "http/1.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    if offered:
        context.set_alpn_protocols(offered)
    at_server = []

    class Looking(Echo):
        def connection_made(self, transport):
            super().connection_made(transport)
            at_server.append(transport.get_extra_info("ssl_object").selected_alpn_protocol())

    async def main():
        async with serving(Looking, ssl=server) as address:
            async with talking(address, context) as client:
                assert client.transport.get_extra_info("ssl_object").selected_alpn_protocol() == chosen
                assert at_server == [chosen]

    run(main)


def test_a_key_with_a_password(run, authority, client_tls, tmp_path):
    from cryptography.hazmat.primitives import serialization as forms

    issued = authority.issue_cert("localhost")
    key = forms.load_pem_private_key(issued.private_key_pem.bytes(), None)
    encrypted = key.private_bytes(
        forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.BestAvailableEncryption(b"password")
    )
    (tmp_path / "key").write_bytes(encrypted)
    (tmp_path / "certificate").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key", lambda: "password")

    async def main():
        async with serving(Echo, ssl=context) as address, talking(address, client_tls):
            pass

    run(main)


def test_a_session_is_taken_up_again(run, make_server, authority):
    """asyncio has no argument for it: the context makes the objects, and one can hand them the session."""
    sessions, reused = [], []

    class Context(ssl.SSLContext):
        def wrap_bio(self, *arguments, **options):
            made = super().wrap_bio(*arguments, **options)
            if sessions:
                made.session = sessions[-1]
            return made

    context = Context(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    async def main():
        async with serving(Echo, ssl=make_server("localhost")) as address:
            for _ in range(3):
                async with talking(address, context) as client:
                    ssl_object = client.transport.get_extra_info("ssl_object")
                    sessions.append(ssl_object.session)
                    reused.append(ssl_object.session_reused)
        assert reused == [False, True, True]

    run(main)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions(run, make_server, authority, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    context.minimum_version = context.maximum_version = version

    async def main():
        async with (
            serving(Echo, ssl=make_server("localhost")) as address,
            talking(address, context) as client,
        ):
            assert client.transport.get_extra_info("ssl_object").version() == version.name.replace("_", ".")

    run(main)


def test_no_version_in_common(run, make_server, authority):
    server = make_server("localhost")
    server.minimum_version = ssl.TLSVersion.TLSv1_3
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    async def main():
        async with serving(Echo, ssl=server) as address:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await connect(address, context)

    run(main)


def test_failed_handshakes_leave_nothing(run, make_server):
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    async def main():
        async with serving(Echo, ssl=make_server("localhost"), backlog=200) as address:

            async def fail():
                with pytest.raises(ssl.SSLCertVerificationError):
                    await connect(address, stranger)

            for _ in range(10):
                await asyncio.gather(*(fail() for _ in range(20)))
            await until(lambda: len(asyncio.all_tasks()) == 1)

    before = open_descriptors()
    run(main)
    assert open_descriptors() == before


def test_a_client_context_that_verifies_nothing(run, make_server):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE

    async def main():
        async with serving(Echo, ssl=make_server("elsewhere.example")) as address:
            client = await connect(address, context, server_hostname="")
            assert client.transport.get_extra_info("peercert") == {}
            await abort(client)

    run(main)
