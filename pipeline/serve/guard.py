"""What every request passes first: the names of this host, the token, and the headers that keep a page to itself."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from typing import Any

from pipeline.serve.limits import BUSY, Refusal

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

# The page's own files and the videos in its memory; no frame around it, no address that it tells anybody.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
PRIVATE = "/api/"  # what needs the token; the page itself and /health hold nothing of anybody's


class Guard:
    """ASGI application around another one.

    A page of a stranger can send requests to this machine. It cannot read the answers, unless its own host's name is made to
    lead here: so the name in the request must be one of ours. And what it sends is refused before its body is read.

    Args:
        app: The application behind.
        hosts: Names under which this service may be asked, without ports; empty for any name.
        token: What a request to `PRIVATE` must bring; empty for nothing.
    """

    def __init__(self, app: App, hosts: Collection[str] = (), token: str = "") -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._token = token.encode()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        begun = False

        async def marked(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                ours = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *ours]}
            await send(message)

        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(str(scope["path"]), headers)
        if refusal is not None:
            await _answer(marked, refusal)
            return
        try:
            await self._app(scope, receive, marked)
        except asyncio.CancelledError:
            # The server stops and waits no longer: its client gets a line, its log no traceback.
            if not begun:
                stopped = Refusal(BUSY, "stopped", "the service stops; send the file again when it is back")
                await _answer(marked, stopped)

    def _refusal(self, path: str, headers: Mapping[str, str]) -> Refusal | None:
        host = _host(headers.get("host", ""))
        if self._hosts and host not in self._hosts:
            return Refusal(
                421, "host", f"this service does not answer under the name {host!r}; use the address it printed"
            )
        if path.startswith(PRIVATE):
            if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
                return Refusal(403, "host", "another page may not use this service")
            kind, _, given = headers.get("authorization", "").partition(" ")
            right = kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._token)
            if self._token and not right:
                return Refusal(401, "token", "send the token of this service: Authorization: Bearer TOKEN")
        return None


def _host(value: str) -> str:
    """The name in a Host header, without its port."""
    return value.partition("]")[0].lstrip("[") if value.startswith("[") else value.partition(":")[0].lower()


async def _answer(send: Send, refusal: Refusal) -> None:
    body = json.dumps(refusal.facts()).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if refusal.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
