"""Fetch released weights: with resume, digests and one process a folder. Nothing in a file is executed, and none is unpickled.

Files behind links and files of the hub go through one client, that of `huggingface_hub`, which takes proxies, `HF_ENDPOINT`,
`HF_TOKEN` and `HF_HUB_OFFLINE` from the environment. A file is complete when it has its name: until then it is `NAME.part`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.console import MACHINE, UserError
from pipeline.run_folder.store import write_bytes
from pipeline.weights.table import Weights

RECORD = "weights.json"  # in the folder of weights: what was fetched, with its digest
_BLOCK = 1 << 16
_TIMEOUT_S = 60.0
_TRIES = 5  # of a transfer that breaks off; each goes on where the last one stopped
# Of a repository: weights, their configuration and the tokenizer. No code is fetched.
WANTED = (".safetensors", ".bin", ".json", ".txt", ".model")
Progress = Callable[[int, str], object]  # bytes that have come, and the name of their file


@dataclass(frozen=True)
class Part:
    """One file to fetch.

    Attributes:
        name: Path below the folder of weights.
        url: Its link.
        size: Bytes, where known.
        sha256: Published digest, where there is one.
        revision: The release or commit that it is from.
    """

    name: str
    url: str
    size: int | None
    sha256: str | None
    revision: str


def parts(weights: Weights, mirror: str | None = None) -> list[Part]:
    """The files of some weights, asked from the hub where they lie there.

    Args:
        weights: A row of the table.
        mirror: Address below which the files behind links lie too, under their own names.

    Raises:
        UserError: They must be fetched by hand, or the hub does not answer or gives names that lead out of the folder.
    """
    if weights.by_hand:
        raise UserError(
            f"{weights.title} must be fetched by hand: {weights.by_hand}; save it as {weights.place} in the folder of weights"
        )
    if weights.url:
        url = f"{mirror.rstrip('/')}/{weights.place}" if mirror else weights.url
        return [Part(weights.place, _allowed(url), weights.size, weights.sha256, weights.revision)]
    return _of_hub(weights)


def _of_hub(weights: Weights) -> list[Part]:
    from huggingface_hub import HfApi, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    repository = str(weights.hub)
    try:
        info = HfApi(endpoint=os.environ.get("HF_ENDPOINT")).model_info(
            repository, revision=weights.revision, files_metadata=True, timeout=_TIMEOUT_S
        )
    except OfflineModeIsEnabled as error:
        raise _offline(weights.title) from error
    except HfHubHTTPError as error:
        code = getattr(error.response, "status_code", "no answer")
        raise UserError(f"hub {repository}: {code}; check the name, HF_ENDPOINT and HF_TOKEN", MACHINE) from error
    except Exception as error:  # the client of the hub has errors of its own for each way to fail
        raise UserError(
            f"hub {repository}: cannot be reached ({type(error).__name__}); check HF_ENDPOINT and proxies", MACHINE
        ) from error
    found = []
    for one in info.siblings or []:
        name = str(one.rfilename)
        if not name.endswith(WANTED):
            continue
        if name.startswith(("/", ".")) or ".." in name.split("/") or "\\" in name or "\0" in name:
            raise UserError(f"hub {repository}: the name {name!r} leads out of the folder; nothing is fetched")
        digest = None if one.lfs is None else str(one.lfs.sha256)
        url = hf_hub_url(repository, name, revision=info.sha, endpoint=os.environ.get("HF_ENDPOINT"))
        found.append(Part(f"{weights.place}/{name}", url, one.size, digest, str(info.sha)))
    if not found:
        raise UserError(f"hub {repository}: there are no weights at revision {weights.revision}")
    return found


def _offline(title: str) -> UserError:
    return UserError(
        f"{title}: HF_HUB_OFFLINE is set, so nothing is fetched; unset it, or copy the files by hand", MACHINE
    )


def _allowed(url: str) -> str:
    """The link itself if it is encrypted, or leads to this machine.

    Raises:
        UserError: It is not.
    """
    link = urllib.parse.urlsplit(url)
    if link.scheme != "https" and not (link.scheme == "http" and link.hostname in ("127.0.0.1", "localhost", "::1")):
        raise UserError(f"{url}: weights are fetched by https; --mirror takes https too, or http on this machine")
    return url


def fetch(name: str, weights: Weights, folder: Path, progress: Progress, mirror: str | None = None) -> list[str]:
    """Fetch what is not there yet; another process that fetches into the same folder is waited for.

    Args:
        name: Name in the table.
        weights: Its row.
        folder: Folder of weights.
        progress: Called with the bytes that have come.
        mirror: See `parts`.

    Returns:
        One line for each file: its digest, and with what it was compared.

    Raises:
        UserError: A file cannot be fetched, or is not what its digest says.
    """
    wanted = parts(weights, mirror)
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    with _alone(folder / f".{name}.lock"):
        record = read_record(folder)
        for part in wanted:
            target = folder / part.name
            known = record.get(part.name, {})
            if (
                target.is_file()
                and known.get("revision") == part.revision
                and target.stat().st_size == known.get("size")
            ):
                lines.append(f"{part.name}: there already")
                continue
            digest = _transfer(part, target, progress)
            size = target.stat().st_size
            record = {
                **read_record(folder),
                part.name: {
                    "sha256": digest,
                    "size": size,
                    "revision": part.revision,
                    "published": part.sha256 is not None,
                },
            }
            write_bytes(folder / RECORD, json.dumps(record, indent=1, sort_keys=True).encode())
            said = "as published" if part.sha256 else "no digest is published to compare with; kept in weights.json"
            lines.append(f"{part.name}: {size:,} bytes, sha256 {digest} ({said})")
    return lines


def _transfer(part: Part, target: Path, progress: Progress) -> str:
    """Bring one file, from where an earlier try stopped, and return its digest."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.part")
    there = partial.stat().st_size if partial.is_file() else 0
    if part.size is not None:
        if there > part.size:
            partial.unlink()
            there = 0
        free = shutil.disk_usage(target.parent).free
        if part.size - there > free:
            raise UserError(
                f"{part.name} has {part.size:,} bytes, and {target.parent} has room for {free:,}; make room", MACHINE
            )
    for attempt in range(1, _TRIES + 1):
        try:
            if _stream(part, partial, progress):
                break
        except _BrokenError as error:
            if attempt == _TRIES:
                raise UserError(f"{part.url}: {error}; the same command goes on from there", MACHINE) from error
    digest = sha256_of(partial)
    size = partial.stat().st_size
    wrong = part.size is not None and size != part.size
    if wrong or (part.sha256 is not None and digest != part.sha256):
        partial.unlink()
        what = f"{size:,} bytes in place of {part.size:,}" if wrong else f"sha256 {digest} in place of {part.sha256}"
        raise UserError(
            f"{part.url} is not the released file ({what}): deleted; fetch it again, without a mirror if you named one",
            MACHINE,
        )
    partial.replace(target)
    return digest


class _BrokenError(Exception):
    """A transfer broke off; what has come stays."""


def _stream(part: Part, partial: Path, progress: Progress) -> bool:
    """Append what is missing; true when the file is whole as far as the server says."""
    from huggingface_hub.errors import OfflineModeIsEnabled
    from huggingface_hub.utils import build_hf_headers, get_session  # type: ignore[attr-defined] # it exports all its names

    there = partial.stat().st_size if partial.is_file() else 0
    if there and there == part.size:
        return True
    headers = {**(build_hf_headers() if "/resolve/" in part.url else {}), "accept-encoding": "identity"}
    if there:
        headers["range"] = f"bytes={there}-"
    try:
        with get_session().stream(
            "GET", part.url, headers=headers, follow_redirects=True, timeout=_TIMEOUT_S
        ) as answer:
            if answer.status_code == 416 and there:  # nothing is left
                return True
            _accepted(part, answer.status_code)
            goes_on = answer.status_code == 206
            length = answer.headers.get("content-length", "")
            due = int(length) if length.isdigit() else None
            came = 0
            with partial.open("ab" if goes_on else "wb") as file:
                for block in answer.iter_bytes(_BLOCK):
                    file.write(block)
                    came += len(block)
                    progress(len(block), part.name)
    except OfflineModeIsEnabled as error:
        raise _offline(part.name) from error
    except (UserError, OSError):
        raise
    except Exception as error:  # the client's own errors of the network
        raise _BrokenError(f"the transfer broke off ({type(error).__name__})") from error
    if due is not None and came < due:
        raise _BrokenError(f"the transfer broke off after {came:,} of {due:,} bytes")
    return True


def _accepted(part: Part, code: int) -> None:
    if code not in (200, 206):
        raise UserError(f"{part.url}: the server answers {code}; check the link, or name a --mirror", MACHINE)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_record(folder: Path) -> dict[str, Any]:
    """What was fetched into a folder: path -> digest, size, revision.

    Raises:
        UserError: There is a record, and it is not one: digests that are lost must not look like files of somebody else.
    """
    path = folder / RECORD
    try:
        tree = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; make it readable") from error
    except ValueError:
        tree = None
    if not isinstance(tree, dict) or not all(_is_fact(facts) for facts in tree.values()):
        raise UserError(
            f"{path} is damaged: it holds no digests; delete it, and fetch the weights of this folder again"
        )
    return tree


def _is_fact(facts: object) -> bool:
    """Whether an entry of the record has what `fetch` writes."""
    kinds = {"sha256": str, "size": int, "revision": str}
    return isinstance(facts, dict) and all(isinstance(facts.get(key), kind) for key, kind in kinds.items())


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Hold a lock of the folder, so that one process of all fetches and the others find the files there."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_UN)


def check(weights: Weights, folder: Path) -> tuple[bool, str]:
    """Whether some weights are there and as they were fetched, and a line about it. Reads every byte and executes none."""
    place = weights.at(folder)
    if not place.exists():
        return False, f"missing: {place}"
    files = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
    files = [path for path in files if not path.name.endswith(".part")]
    record = read_record(folder)
    names = {str(path.relative_to(folder)) for path in files}
    lost = sorted(name for name in record if name.split("/")[0] == weights.place and name not in names)
    if lost:
        return False, f"missing: {folder / lost[0]}, which was fetched once; fetch it again"
    unknown = 0
    for path in files:
        facts = record.get(str(path.relative_to(folder)))
        wanted = weights.sha256 if facts is None and place.is_file() else (facts or {}).get("sha256")
        if wanted is None:
            unknown += 1
        elif sha256_of(path) != wanted:
            return False, f"damaged: {path} is not what its digest says; delete it and fetch it again"
    if not files:
        return False, f"empty: {place}"
    if unknown == len(files):
        return True, "there, not fetched by this program; no digest is published to compare with"
    return True, f"{len(files)} file(s) as fetched" + (f", {unknown} more" if unknown else "")
