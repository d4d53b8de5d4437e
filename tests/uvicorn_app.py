"""The ASGI application of test_libraries."""

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
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
