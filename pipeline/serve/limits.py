"""What a request may ask for, and why one is refused: a status of HTTP, a kind for programs, a line for people."""

from __future__ import annotations

from dataclasses import dataclass

from actors.media.outcome import STORAGE

_MIB = 1 << 20
UNKNOWN, NO_METHOD, TOO_LARGE, UNPROCESSABLE, BUSY, FULL = 404, 405, 413, 422, 503, 507
_STATUS = {"too_large": TOO_LARGE, "too_long": TOO_LARGE, "crash": 500, STORAGE: FULL}  # others: the file is at fault


@dataclass(frozen=True)
class Limits:
    """Limits of one request and of all together.

    Attributes:
        bytes: Largest upload.
        seconds: Longest video.
        pixels: Largest picture, width times height.
        requests: Uploads and jobs that are accepted at the same time; each holds a file on the disk.
        idle_s: Longest pause within an upload.
    """

    bytes: int = 512 * _MIB
    seconds: float = 600.0
    pixels: int = 3840 * 2160
    requests: int = 128
    idle_s: float = 60.0

    @property
    def mib(self) -> float:
        """The largest upload in MiB."""
        return self.bytes / _MIB


class Refusal(Exception):  # noqa: N818 - an answer to the client, seldom an error of the program
    """A request that is not answered with a score.

    Attributes:
        status: Status of HTTP.
        kind: As in `actors.media.outcome.KINDS`, or one of this package: too_long, busy, unknown, method, request, token,
            host, length.
        message: One line: what, and how to mend it.
        retry_s: Seconds after which the same request may succeed, or None.
    """

    def __init__(self, status: int, kind: str, message: str, retry_s: int | None = None) -> None:
        self.status = status
        self.kind = kind
        self.message = " ".join(message.split())
        self.retry_s = retry_s
        super().__init__(f"{kind}: {self.message}")

    def facts(self) -> dict[str, dict[str, str]]:
        """The body of the answer."""
        return {"error": {"kind": self.kind, "message": self.message}}


def refused_file(error: str | None) -> Refusal:
    """The refusal of a file that has no score, from the "kind: message" of its row."""
    kind, _, message = (error or "").partition(": ")
    return Refusal(_STATUS.get(kind, UNPROCESSABLE), kind, message)
