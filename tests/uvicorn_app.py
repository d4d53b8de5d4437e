"""The ASGI application of test_libraries and test_doors_programs."""

import asyncio


async def app(scope, receive, send):
    if scope["type"] != "http":
        return  # uvicorn takes this as: no lifespan here
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    if scope["path"] == "/loop":
        body = f"{type(asyncio.get_running_loop()).__module__} {scope['http_version']}".encode()
    if scope["path"] == "/names":
        found = (asyncio.get_running_loop(), asyncio.Queue(), asyncio.sleep)
        body = " ".join(type(each).__module__ for each in found).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
