"""List, fetch and check the released weights of the published networks.

list shows name, licence, source, size and where they are looked for; fetch brings them into the folder (again from where it
stopped); check compares every file with its digest. Weights that may not be used commercially are fetched with --accept-licence.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.commands import address_argument
from pipeline.console import DONE, SOME_FAILED, Console, UserError
from pipeline.weights.fetch import check, fetch, read_record
from pipeline.weights.table import Weights, chosen

_MIB = 1 << 20


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("action", choices=("list", "fetch", "check"))
    parser.add_argument(
        "names", metavar="NAME", nargs="*", help="names of `weights list` (default: all; fetch needs some)"
    )
    parser.add_argument("--weights", metavar="DIR", default="weights", help="folder (default weights, as run.weights)")
    parser.add_argument(
        "--accept-licence", action="store_true", help="you have read a non-commercial licence and keep to it"
    )
    parser.add_argument("--mirror", metavar="URL", help="fetch files behind links from URL/FILE instead")
    parser.add_argument(
        "--every-node", action="store_true", help="fetch into this folder of every node of a Ray cluster"
    )
    parser.add_argument("--json", action="store_true", help="print JSON (list, check)")
    address_argument(parser)


def main(options: argparse.Namespace) -> int:
    """Do what was asked; return 0, or 1 if a check failed."""
    rows, folder = chosen(options.names), Path(options.weights).expanduser()
    console = Console(sys.stdout)
    if options.action == "list":
        return _list(rows, folder, console, as_json=options.json)
    if options.action == "check":
        return _check(rows, folder, console, as_json=options.json)
    if not options.names:
        raise UserError("weights fetch: name what to fetch; `python run.py weights list` shows the names and licences")
    for name, row in rows.items():
        if row.non_commercial and not options.accept_licence:
            raise UserError(
                f"{name} ({row.title}) is for NON-COMMERCIAL use: {row.licence}; read the licence at its source and add "
                "--accept-licence"
            )
    if options.every_node:
        return _every_node(rows, folder.absolute(), options, console)
    for name, row in rows.items():
        for line in _fetch(name, row, folder, options.mirror):
            console.line(line)
    return DONE


def _fetch(name: str, row: Weights, folder: Path, mirror: str | None) -> list[str]:
    console = Console()
    came = 0

    def progress(count: int, part: str) -> None:
        nonlocal came
        before, came = came // _MIB, came + count
        track.advance(came // _MIB - before, part)

    with console.track((row.size or 0) // _MIB, f"{name}, MiB") as track:
        return fetch(name, row, folder, progress, mirror)


def _every_node(rows: dict[str, Weights], folder: Path, options: argparse.Namespace, console: Console) -> int:
    from cluster.joining import each_node
    from cluster.session import connect

    with connect(options.address, say=console.line):
        for name, row in rows.items():
            for node, lines in each_node(partial(fetch, name, row, folder, _unseen, options.mirror)).items():
                for line in lines:
                    console.line(f"{node}: {line}")
    return DONE


def _unseen(_count: int, _name: str) -> None:
    """Progress on a node, which nobody sees."""


def _facts(name: str, row: Weights, folder: Path) -> dict[str, Any]:
    record = read_record(folder)
    mine = [facts for path, facts in record.items() if path.split("/")[0] == row.place]
    size = row.size or (sum(int(facts["size"]) for facts in mine) if mine else None)
    return {
        "name": name,
        "title": row.title,
        "for": row.used_by,
        "licence": row.licence,
        "non_commercial": row.non_commercial,
        "source": row.source,
        "revision": mine[0]["revision"] if mine else row.revision,
        "size": size,
        "sha256": row.sha256 or (mine[0]["sha256"] if len(mine) == 1 else None),
        "sha256_published": row.sha256 is not None or (bool(mine) and all(facts.get("published") for facts in mine)),
        "place": str(row.at(folder)),
        "there": row.at(folder).exists(),
    }


def _list(rows: dict[str, Weights], folder: Path, console: Console, *, as_json: bool) -> int:
    facts = [_facts(name, row, folder) for name, row in rows.items()]
    if as_json:
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
        return DONE
    console.table(
        "released weights",
        ("name", "licence", "for", "size", "sha256", "there"),
        [
            (
                one["name"],
                f"{one['licence']}{' (NON-COMMERCIAL)' if one['non_commercial'] else ''}",
                one["for"],
                "unknown" if one["size"] is None else f"{one['size'] / 1e6:,.0f} MB",
                "not published" if one["sha256"] is None else str(one["sha256"])[:12],
                "yes" if one["there"] else "no",
            )
            for one in facts
        ],
    )
    for one in facts:
        console.line(
            f"{one['name']}: {one['title']}, {one['source']} ({one['revision']}); looked for at {one['place']}"
        )
    return DONE


def _check(rows: dict[str, Weights], folder: Path, console: Console, *, as_json: bool) -> int:
    results = {name: check(row, folder) for name, row in rows.items()}
    if as_json:
        sys.stdout.write(
            json.dumps([{"name": name, "ok": ok, "found": found} for name, (ok, found) in results.items()], indent=2)
            + "\n"
        )
    else:
        console.table(
            "weights",
            ("name", "result", "found"),
            [(name, "ok" if ok else "FAILED", found) for name, (ok, found) in results.items()],
        )
    return DONE if all(ok for ok, _ in results.values()) else SOME_FAILED
