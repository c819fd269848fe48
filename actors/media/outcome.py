"""The one exception that media code raises: a kind for the tables and one line for the reader."""

from __future__ import annotations

KINDS = (
    "refused",  # a name that may not be read: another scheme, or a way out of the corpus
    "missing",  # no such file, or it cannot be read
    "empty",  # zero bytes
    "no_video",  # readable, but holds no video stream
    "format",  # not a media file, or a container or protocol that is not allowed
    "decode",  # a media file whose frames cannot be decoded
    "colour",  # HDR that the settings refuse, or colours that cannot be converted
    "too_large",  # frame area above the limit
    "too_small",  # frames below what an encoder or a measure needs
    "timeout",  # killed at the wall-clock limit
    "crash",  # the decoding process died
    "encode",  # the encoder failed
    "usage",  # the caller asked for something that does not exist
    "storage",  # the disk is full or does not let itself be written: no fault of the video, so no row is recorded with it
)
STORAGE = "storage"
_ADVICE = "free some and run the same command again"


class Failure(Exception):  # noqa: N818 - an outcome to record, seldom an error of the program
    """A media operation that failed in a way worth a row in a table.

    Attributes:
        kind: One of `KINDS`.
        message: One line: what failed, where, and how to mend it when that is known.
    """

    def __init__(self, kind: str, message: str) -> None:
        if kind not in KINDS:
            raise ValueError(f"unknown failure kind {kind!r}; use one of {', '.join(KINDS)}")
        self.kind = kind
        # names that are no UTF-8 come as surrogates, which no table can hold
        text = message.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        self.message = " ".join(text.split())
        super().__init__(kind, self.message)

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


def no_space(place: object) -> Failure:
    """The Failure of a full disk.

    Args:
        place: The folder that could not be written.
    """
    return Failure(STORAGE, f"no space left in {place}; {_ADVICE}")
