"""redis-py, psycopg, SQLAlchemy and grpc.aio against real servers."""

from pages import Page
from servers import run

PAGE = Page("clients")
REDIS = PAGE.command("redis-py")
PSYCOPG = PAGE.command("psycopg")
SQLALCHEMY = PAGE.command("SQLAlchemy")
GRPC = PAGE.command("grpc.aio")
LOOP = "<class 'ironloop.Loop'>"


def test_redis(redis_port, tmp_path):
    PAGE.ports["6379"] = redis_port
    assert run(PAGE, REDIS, tmp_path).splitlines() == ["sum 4950", "heard", LOOP]


def test_psycopg(postgres, tmp_path):
    PAGE.ports["5432"] = postgres.port
    assert run(PAGE, PSYCOPG, tmp_path).splitlines() == ["sum 499500", "heard", LOOP]


def test_sqlalchemy(postgres, tmp_path):
    PAGE.ports["5432"] = postgres.port
    sums = [5050] * 5
    assert run(PAGE, SQLALCHEMY, tmp_path).splitlines() == [f"asyncpg {sums}", f"psycopg {sums}", LOOP]


def test_grpc(tmp_path):
    doubled = [b"oneone", b"twotwo", b"threethree"]
    assert run(PAGE, GRPC, tmp_path).splitlines()[-3:] == [str(doubled), str([b"a", b"b", b"c"]), LOOP]
