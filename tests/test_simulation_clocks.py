"""Python's clocks follow a simulation, whoever has imported them by name; in the thread that simulates."""

import asyncio
import datetime
import threading
import time
from datetime import datetime as by_name
from time import monotonic, sleep
from time import time as wall

import ironloop
import pytest
from conftest import needs_ironloop
from ironloop._ironloop import lead_clocks

pytestmark = needs_ironloop
HOUR = 3600


def simulated(main):
    with ironloop.simulation(1, replay="asyncio-") as sim:
        return sim.run(main())


def test_all_clocks_are_led():
    assert lead_clocks() == []


@pytest.mark.parametrize(
    "read",
    [
        time.time,
        wall,
        time.monotonic,
        monotonic,
        time.perf_counter,
        lambda: time.time_ns() / 1e9,
        lambda: time.monotonic_ns() / 1e9,
        lambda: time.perf_counter_ns() / 1e9,
        lambda: by_name.now().timestamp(),
        lambda: datetime.datetime.now(datetime.UTC).timestamp(),
        lambda: datetime.datetime.now(tz=datetime.UTC).timestamp(),
        lambda: time.mktime(time.localtime()),
        lambda: datetime.datetime.today().timestamp(),
        lambda: asyncio.get_running_loop().time(),
    ],
)
def test_a_clock_reads_simulated_time(read):
    async def main():
        begun = read()
        await asyncio.sleep(HOUR)
        return read() - begun

    assert HOUR - 2 < simulated(main) < HOUR + 2


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow")
def test_the_days_go_by_from_one_that_is_always_the_same():
    async def main():
        await asyncio.sleep(24 * HOUR)
        return by_name.utcnow(), datetime.datetime.now(datetime.UTC), time.gmtime()

    plain, aware, parts = simulated(main)
    assert plain == datetime.datetime(2030, 1, 2, 12, 0)
    assert aware == plain.replace(tzinfo=datetime.UTC)
    assert parts[:4] == (2030, 1, 2, 12)


def test_subclasses_of_datetime_stay_what_they_are():
    class Stamp(datetime.datetime):
        pass

    async def main():
        return Stamp.now()

    assert type(simulated(main)) is Stamp


def test_to_sleep_is_to_block_the_loop_for_so_long():
    async def main():
        begun = monotonic()
        sleep(HOUR)  # noqa: ASYNC251
        with pytest.raises(ValueError, match="non-negative"):
            sleep(-1)  # noqa: ASYNC251
        with pytest.raises(TypeError):
            sleep("long")  # noqa: ASYNC251
        return monotonic() - begun

    assert simulated(main) == HOUR


def test_other_threads_and_what_follows_have_the_kernels():
    async def main():
        seen = []
        before = time.perf_counter()
        thread = threading.Thread(target=lambda: seen.append(time.time()))
        thread.start()
        thread.join()
        return seen[0], before

    real = time.time()
    seen, before = simulated(main)
    assert real <= seen <= time.time()
    assert before < 1
    assert time.localtime()[:1] == time.localtime(time.time())[:1]


def test_wrong_arguments_are_the_originals_to_refuse():
    async def main():
        with pytest.raises(TypeError):
            time.time(1)
        with pytest.raises(TypeError):
            by_name.now(5)
        with pytest.raises(TypeError):
            by_name.now(zone=None)
        return time.localtime(0)[:1]

    assert simulated(main)[0] in (1969, 1970)


def test_each_host_has_a_wall_clock_of_its_own():
    reads = [time.time, lambda: time.time_ns() / 1e9, lambda: by_name.now().timestamp(), wall]

    async def read():
        await asyncio.sleep(1)
        return [each() for each in reads], time.monotonic()

    async def main():
        early, late = sim.host("early"), sim.host("late")
        early.set_clock(90)
        late.set_clock(-0.5)
        (ours, now), *others = await asyncio.gather(
            read(), early.create_task(read()), late.create_task(read())
        )
        for (theirs, moment), ahead in zip(others, (90, -0.5), strict=True):
            assert moment == pytest.approx(now)
            assert [one - other for one, other in zip(theirs, ours, strict=True)] == pytest.approx(
                [ahead] * 4
            )

    with ironloop.simulation(1) as sim:
        sim.run(main())
