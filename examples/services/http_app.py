"""A small HTTP service for the examples; `http_service.py` starts and stops it.

It listens on a free port of loopback, prints its address as one line, and ends when its standard input does:
with whoever started it, however that came to pass.

    GET  /health           {"status": "ok"}
    GET  /delay/0.3        answers after so many seconds (at most 10)
    GET  /users            all users
    GET  /users/2          one of them, or 404
    POST /users            {"name": "Zoe"} adds one: 201, or 400 without a name
"""

import asyncio
import sys

from aiohttp import web

LONGEST_DELAY = 10.0
USERS = web.AppKey("users", dict[int, str])


def user(number: int, name: str) -> dict[str, object]:
    return {"id": number, "name": name}


async def health(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


async def delay(request: web.Request) -> web.Response:
    seconds = min(float(request.match_info["seconds"]), LONGEST_DELAY)
    await asyncio.sleep(seconds)
    return web.json_response({"waited": seconds})


async def list_users(request: web.Request) -> web.Response:
    return web.json_response([user(number, name) for number, name in request.app[USERS].items()])


async def one_user(request: web.Request) -> web.Response:
    number = int(request.match_info["number"])
    name = request.app[USERS].get(number)
    if name is None:
        return web.json_response({"error": f"no user {number}"}, status=404)
    return web.json_response(user(number, name))


async def add_user(request: web.Request) -> web.Response:
    name = (await request.json()).get("name")
    if not name:
        return web.json_response({"error": "a user needs a name"}, status=400)
    users = request.app[USERS]
    number = len(users) + 1
    users[number] = name
    return web.json_response(user(number, name), status=201)


def application() -> web.Application:
    app = web.Application()
    app[USERS] = {1: "Ada", 2: "Ben", 3: "Cleo"}
    app.router.add_get("/health", health)
    app.router.add_get(r"/delay/{seconds:\d+(\.\d+)?}", delay)
    app.router.add_get("/users", list_users)
    app.router.add_get(r"/users/{number:\d+}", one_user)
    app.router.add_post("/users", add_user)
    return app


async def serve() -> None:
    runner = web.AppRunner(application(), access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        print(f"http://{host}:{port}", flush=True)
        await asyncio.to_thread(sys.stdin.read)
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve())
