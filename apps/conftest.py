"""A page of docs/deploy may have no command that no test runs."""

import pages
import pytest
from postgres import PostgreSQL
from services import redis_server


def pytest_collection_finish(session):
    if session.config.option.keyword or any("::" in argument for argument in session.config.args):
        return
    for page in pages.opened:
        if page.untested():
            raise pytest.UsageError(f"{page.name}.md: no test runs the commands of {sorted(page.untested())}")


@pytest.fixture(scope="session")
def redis_port(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as port:
        yield port


@pytest.fixture(scope="session")
def postgres():
    with PostgreSQL() as server:
        yield server
