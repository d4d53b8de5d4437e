"""A simulated network for tests: a server that echoes, and who asks it."""

import asyncio

import ironloop


async def echo(reader, writer):
    try:
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
    finally:
        writer.close()


async def serve(host="0.0.0.0", port=80, handler=echo):
    async with await asyncio.start_server(handler, host, port) as server:
        await server.serve_forever()


async def connected(*address, **options):
    """Until somebody listens."""
    while True:
        try:
            return await asyncio.open_connection(*address, **options)
        except ConnectionRefusedError:
            await asyncio.sleep(0.1)


async def asked(writer, reader, question=b"a\n"):
    writer.write(question)
    return await reader.readline()


def now():
    return asyncio.get_running_loop().time()


def run(main, seed=1):
    async def whole(sim):
        result = await main(sim)
        # Goodbyes arrive.
        sim.network.heal()
        await asyncio.sleep(60)
        return result

    with ironloop.simulation(seed) as sim:
        return sim.run(whole(sim))
