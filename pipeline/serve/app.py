"""The interface over HTTP: one request sends a video and gets its score, with lines of progress on the way if it likes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from pipeline.serve.answers import Answer
from pipeline.serve.examples import EXAMPLES, Examples
from pipeline.serve.jobs import Desk, Event, Job
from pipeline.serve.limits import NO_METHOD, UNKNOWN, UNPROCESSABLE, Limits, Refusal
from pipeline.serve.uploads import Upload, Uploads

NDJSON = "application/x-ndjson"
PAGE_FILES = {
    "index.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "api.js": "text/javascript; charset=utf-8",
    "chart.js": "text/javascript; charset=utf-8",
    "compare.js": "text/javascript; charset=utf-8",
}
_DESCRIPTION = """Send the bytes of a video as the body of `POST /api/scores`, and get its quality from 0 to 100, higher is
better. With `Accept: application/x-ndjson` the answer is a line of JSON for each event: `waiting`, `running`, then `done`
with the answer or `failed` with the error."""
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class Problem(BaseModel):
    """Why there is no answer."""

    error: dict[str, str]


# without the second, FastAPI describes an error of its own form
_PROBLEMS: dict[int | str, dict[str, Any]] = {status: {"model": Problem} for status in (UNKNOWN, UNPROCESSABLE)}


class Health(BaseModel):
    """State of the service."""

    status: str
    replicas: dict[str, int]
    waiting: int
    running: int


class About(BaseModel):
    """What this service scores with, and what it accepts."""

    student: dict[str, Any]
    limits: dict[str, float]
    examples: list[dict[str, str]]


@dataclass(frozen=True)
class Parts:
    """What the interface stands on.

    Attributes:
        desk: Scores.
        uploads: Keeps files while they are scored.
        limits: What is accepted.
        examples: Makes the examples.
        replicas: Replicas that are ready, by their work.
        wanted: Replicas that there should be.
    """

    desk: Desk
    uploads: Uploads
    limits: Limits
    examples: Examples
    replicas: Callable[[], Mapping[str, int]]
    wanted: Mapping[str, int]


def build(parts: Parts) -> FastAPI:
    """The application, without its guard."""
    app = FastAPI(
        title="Weak-to-strong video quality",
        description=_DESCRIPTION,
        version="1",
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
    )
    app.state.parts = parts
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _wrong_request)
    app.add_exception_handler(HTTPException, _no_route)
    _scores(app)
    _rest(app)
    return app


async def _refused(_request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal), "registered for this class"
    headers = {} if refusal.retry_s is None else {"retry-after": str(refusal.retry_s)}
    return JSONResponse(refusal.facts(), refusal.status, headers)


async def _wrong_request(request: Request, error: Exception) -> Response:
    """Say which parameter is wrong and what it takes, and nothing of what was sent."""
    assert isinstance(error, RequestValidationError), "registered for this class"
    first = error.errors()[0]
    message = f"{first['loc'][-1]}: {first['msg']}; /openapi.json describes the parameters"
    return await _refused(request, Refusal(UNPROCESSABLE, "request", message))


async def _no_route(request: Request, error: Exception) -> Response:
    """Say that there is no such address, or which method it takes."""
    assert isinstance(error, HTTPException), "registered for this class"
    status, headers = error.status_code, dict(error.headers or {})
    if status == NO_METHOD:
        kind, message = "method", f"this address takes {headers.get('Allow', 'another method')}"
    elif status == UNKNOWN:
        kind, message = "unknown", "nothing is here; the page is at /"
    else:
        kind, message = "request", "the request cannot be read"
    described = Refusal(status, kind, f"{message}; /openapi.json describes the interface")
    answer = await _refused(request, described)
    answer.headers.update(headers)
    return answer


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


def _scores(app: FastAPI) -> None:
    problems: dict[int | str, dict[str, Any]] = {
        status: {"model": Problem, "description": text}
        for status, text in {
            401: "the token is missing or wrong",
            408: "the upload paused for too long",
            413: "too many bytes, seconds or pixels",
            422: "the file cannot be scored",
            503: "too many requests wait",
            507: "the disk is full",
        }.items()
    }
    described = {200: {"model": Answer, "content": {NDJSON: {}}}, **problems}

    @app.post("/api/scores", response_model=None, responses=described, openapi_extra=_BODY)
    async def score(
        request: Request,
        name: Annotated[
            str, Query(description="name of the file, for people; its ending is a hint to the reader")
        ] = "",
        per_second: Annotated[bool, Query(description="the score of every second, too")] = True,
    ) -> Response:
        """Score a video or a still picture."""
        parts = _parts(request)
        parts.uploads.enter(request.headers)
        try:
            upload = await parts.uploads.receive(_chunks(request), name)
        except BaseException:
            parts.uploads.leave()
            raise
        answering = _Answering(parts, Job(upload, per_second), upload)
        if NDJSON in request.headers.get("accept", ""):
            return _Lines(answering)
        return _Whole(answering)

    @app.get("/api/scores/{digest}", response_model=Answer, responses=_PROBLEMS)
    async def kept(request: Request, digest: str) -> Answer:
        """An answer that is still kept: the last ones are, by the digest of the file's bytes."""
        answer = _parts(request).desk.answers.find(digest)
        if answer is None:
            raise Refusal(UNKNOWN, "unknown", "this answer is not kept any more; send the video again")
        return answer


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    async for chunk in request.stream():
        if chunk:
            yield chunk


@dataclass
class _Answering:
    """A job from its submission to the end of its request, whichever way that comes."""

    parts: Parts
    job: Job
    upload: Upload

    async def events(self, receive: Callable[[], Awaitable[Any]]) -> AsyncIterator[Event]:
        """Submit the job and pass on what happens; afterwards its file is gone."""
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            self.parts.desk.submit(self.job)
            async for event in self.job.events(gone):
                yield event
        finally:
            gone.cancel()
            self.job.cancelled.set()
            self.parts.uploads.discard(self.upload)
            self.parts.uploads.leave()


async def _disconnected(receive: Callable[[], Awaitable[Any]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class _Lines(Response):
    """A line of JSON for each event."""

    def __init__(self, answering: _Answering) -> None:
        super().__init__(media_type=NDJSON)
        del self.headers["content-length"]
        self._answering = answering

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        """Answer."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async for event in self._answering.events(receive):
            line = json.dumps(_plain(event)).encode() + b"\n"
            await send({"type": "http.response.body", "body": line, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


class _Whole(Response):
    """The answer alone."""

    def __init__(self, answering: _Answering) -> None:
        super().__init__()
        self._answering = answering

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer."""
        last: Event = {}
        async for event in self._answering.events(receive):
            last = event
        if last.get("state") == "failed":
            refusal: Refusal = last["refusal"]
            await (await _refused(Request(scope), refusal))(scope, receive, send)
        elif last.get("state") == "done":  # else the client has gone
            await Response(last["answer"].model_dump_json(), media_type="application/json")(scope, receive, send)


def _plain(event: Event) -> dict[str, Any]:
    """An event as JSON."""
    if event["state"] == "done":
        return {"state": "done", "answer": event["answer"].model_dump(mode="json")}
    if event["state"] == "failed":
        return {"state": "failed", "status": event["refusal"].status, **event["refusal"].facts()}
    return event


def _rest(app: FastAPI) -> None:
    @app.head("/health", include_in_schema=False)  # as many monitors ask
    @app.get("/health", response_model=Health, responses={503: {"model": Health}})
    async def health(request: Request) -> Response:
        """Whether scores can be had: 200 if each kind of replica has one that is ready, else 503."""
        parts = _parts(request)
        running = dict(await asyncio.to_thread(parts.replicas))
        ready = all(running.get(kind, 0) for kind in parts.wanted)
        whole = all(running.get(kind, 0) >= count for kind, count in parts.wanted.items())
        state = "ok" if whole else "degraded" if ready else "unavailable"
        facts = Health(status=state, replicas=running, **parts.desk.load)
        return JSONResponse(facts.model_dump(), 200 if ready else 503)

    @app.get("/api/about", response_model=About)
    async def about(request: Request) -> About:
        """The student and the limits."""
        parts = _parts(request)
        limits = parts.limits
        return About(
            student=parts.desk.facts,
            limits={"bytes": limits.bytes, "seconds": limits.seconds, "pixels": limits.pixels},
            examples=[{"name": one.name, "title": one.title, "file": one.file} for one in EXAMPLES],
        )

    @app.get("/api/examples/{name}", response_class=FileResponse, responses=_PROBLEMS)
    async def example(request: Request, name: str) -> Response:
        """A video to try."""
        try:
            path = await asyncio.to_thread(_parts(request).examples.path, name)
        except KeyError:
            raise Refusal(UNKNOWN, "unknown", "there is no such example; /api/about lists them") from None
        return FileResponse(path, media_type="video/mp4")

    @app.head("/", include_in_schema=False)
    @app.get("/", include_in_schema=False)
    @app.get("/{name}", include_in_schema=False)
    async def page(name: str = "index.html") -> Response:
        """The page and its files."""
        if name not in PAGE_FILES:
            raise Refusal(UNKNOWN, "unknown", "nothing is here; the page is at /")
        text = (resources.files("pipeline.serve") / "page" / name).read_text(encoding="utf-8")
        return Response(text, media_type=PAGE_FILES[name])
