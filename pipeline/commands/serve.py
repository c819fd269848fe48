"""A page and an interface over HTTP that score videos with a trained student, with Ray Serve behind them.

The page is on this machine alone unless --host names another address; then a token is needed (--token, or W2S_TOKEN in the
environment). Drop a video on it: score, interval, a curve over time and the worst moments appear; a second video is compared
with the first side by side. Programs send a video as the body of a request:

  curl -X POST -T a.mp4 'http://127.0.0.1:8321/api/scores?name=a.mp4'

/openapi.json describes the interface, /health says whether it works. Uploads are removed when their request ends.
"""

from __future__ import annotations

import argparse
import os
import secrets
from dataclasses import dataclass

from pipeline.commands import address_argument, at_least_one
from pipeline.console import DONE, MACHINE, Console, UserError
from pipeline.student.scoring import open_model
from trainers.places import nearby

PORT = 8321
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_ANY = ("0.0.0.0", "::")  # noqa: S104 - named so that a token can be demanded
_VARIABLE = "W2S_TOKEN"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("model", metavar="MODEL", help="run folder, student folder or released checkpoint")
    parser.add_argument("--host", metavar="HOST", default=_LOOPBACK[0], help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", metavar="N", type=int, default=PORT, help=f"default {PORT}; 0: any that is free")
    parser.add_argument(
        "--token", action="store_true", help=f"ask for a token; it is that of {_VARIABLE}, or a new one that is printed"
    )
    parser.add_argument(
        "--replicas", metavar="N", type=at_least_one("replica"), help="processes that score (default: the CPUs)"
    )
    parser.add_argument(
        "--max-mib", metavar="N", type=at_least_one("MiB"), default=512, help="largest upload (default 512)"
    )
    parser.add_argument(
        "--max-seconds", metavar="N", type=at_least_one("second"), default=600, help="longest video (default 600)"
    )
    parser.add_argument(
        "--max-pixels",
        metavar="N",
        type=at_least_one("pixel"),
        default=3840 * 2160,
        help="largest picture (default 3840x2160)",
    )
    parser.add_argument(
        "--max-requests",
        metavar="N",
        type=at_least_one("request"),
        default=128,
        help="requests accepted together (default 128)",
    )
    address_argument(parser)


@dataclass(frozen=True)
class Door:
    """Where the service listens.

    Attributes:
        host: Address.
        port: Port.
        token: What requests must bring; empty for nothing.
    """

    host: str
    port: int
    token: str

    @property
    def names(self) -> tuple[str, ...]:
        """Names under which it may be asked; none where it listens on every address: the token guards it."""
        return () if self.host in _ANY else _LOOPBACK if self.host in _LOOPBACK else (self.host,)

    def url(self, port: int) -> str:
        """The address of the page."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{port}/" + (f"#token={self.token}" if self.token else "")


def door(options: argparse.Namespace) -> Door:
    """Where to listen, from the options and the environment.

    Raises:
        UserError: The address is open to others, and there is no token.
    """
    given = os.environ.get(_VARIABLE, "")
    token = given or (secrets.token_urlsafe(24) if options.token else "")
    if options.host not in _LOOPBACK and not token:
        raise UserError(f"--host {options.host}: others can reach this address; add --token, or set {_VARIABLE}")
    return Door(options.host, options.port, token)


def main(options: argparse.Namespace) -> int:
    """Serve until it is interrupted; return 0."""
    place, console = door(options), Console()
    try:
        import cluster.serving  # noqa: F401 - with Ray Serve
        from pipeline.serve.limits import Limits
        from pipeline.serve.service import Wish, answer, bound, running
    except ImportError as error:
        raise UserError(
            f"serve needs packages that are not installed ({error.name}): pip install -e '.[serve]'", MACHINE
        ) from error
    limits = Limits(options.max_mib << 20, options.max_seconds, options.max_pixels, options.max_requests)
    model = open_model(options.model)
    wish = Wish(options.replicas, options.address, options.debug)
    with bound(place.host, place.port) as listening, running(model, limits, wish, console) as app:
        console.line(f"student {nearby(model.folder)}")
        console.line(f"page    {place.url(listening.getsockname()[1])}")
        answer(app, listening, place.names, place.token)
    return DONE
