"""The photographs that the encoder is trained on: found in Debian's packages, shrunk, and listed with their sources.

    python benchmarks/encoder/pictures.py FOLDER [--keep PACKAGES]

Downloads the packages of `PACKAGES` with `apt-get download`, takes the photographs out of them, and writes them as lossless
pictures with `pictures.csv` (package, version, file, licence, part); the packages'
`copyright` files name the authors. With `--keep` the packages lie in a folder already.
"""

from __future__ import annotations

import argparse
import csv
import fnmatch
import hashlib
import io
import re
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pipeline.corpus.rules import shuffled

# Which files of a package are photographs, or drawings with as many details.
PACKAGES: dict[str, tuple[str, ...]] = {
    "gcompris-qt-data": ("explore_*", "erase", "clickgame", "details"),
    "gnome-backgrounds": ("*/gnome/pixels-*", "*/gnome/wood-*"),
    "lomiri-wallpapers-16.04": ("*.jpg",),
    "lomiri-wallpapers-20.04": ("*.jpg",),
    "mate-backgrounds": ("*/nature/*", "*/Elephants_3840*", "*/Gulp*"),
    "palapeli-data": ("*.jpg",),
    "plasma-workspace-wallpapers": ("*/images/*0x*.jpg", "*/images/3840x*.png", "*/images/5120x*.png"),
    "ukui-wallpapers": ("*.jpg", "*/calla.png", "*/goldfish.png"),
}
LEAST_SIDE = 380
MOST_SIDE = 2160  # of the shorter side: more is shrunk
PARTS = ("train", "train", "train", "development", "test")  # fifths of the pictures


def resources(bundle: bytes) -> Iterator[tuple[str, bytes]]:
    """Paths and bytes of the files in a bundle of Qt resources that lie there as they are."""
    magic, version, tree, contents, names = struct.unpack(">4s4I", bundle[:20])
    if magic != b"qres":
        raise ValueError("no bundle of Qt resources")
    length = 14 if version == 1 else 22

    def name(at: int) -> str:
        (letters,) = struct.unpack_from(">H", bundle, names + at)
        return bundle[names + at + 6 : names + at + 6 + 2 * letters].decode("utf-16-be")

    def below(number: int, path: str) -> Iterator[tuple[str, bytes]]:
        at = tree + number * length
        label, flags = struct.unpack_from(">IH", bundle, at)
        path = f"{path}/{name(label)}".strip("/") if number else path
        if flags & 2:  # a folder
            count, first = struct.unpack_from(">II", bundle, at + 6)
            for child in range(first, first + count):
                yield from below(child, path)
        elif not flags & 5:  # compressed otherwise
            (start,) = struct.unpack_from(">I", bundle, at + 10)
            (size,) = struct.unpack_from(">I", bundle, contents + start)
            yield path, bundle[contents + start + 4 : contents + start + 4 + size]

    return below(0, "")


def licences(copyright_file: str) -> list[tuple[str, str]]:
    """Patterns of files and licences of a machine-readable copyright file (DEP-5), the last that fits holds; none of others."""
    found = []
    if not copyright_file.lstrip().startswith("Format:"):
        return []
    for paragraph in re.split(r"\n\s*\n", copyright_file):
        fields = dict(re.findall(r"^(Files|License):((?:.*)(?:\n[ \t].*)*)", paragraph, re.MULTILINE))
        if "Files" in fields and "License" in fields:
            licence = fields["License"].strip().splitlines()[0]
            found += [(pattern, licence) for pattern in fields["Files"].split()]
    return found


def licence_of(path: str, rules: list[tuple[str, str]]) -> str:
    """Of a file. Rules name files of the source, whose folders and formats may be others than those of the package."""
    parts = path.split("/")
    ends = ["/".join(parts[k:]) for k in range(len(parts))]

    def fits(pattern: str) -> bool:
        whole = any(fnmatch.fnmatchcase(end, pattern) for end in ends)
        return whole or ("*" not in pattern and Path(pattern).stem == Path(path).stem)

    found = [licence for pattern, licence in rules if fits(pattern)]
    return found[-1] if found else "as the package says"


def candidates(package: str, root: Path) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every file of an unpacked package that may be a photograph."""
    patterns = PACKAGES[package]
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if not path.is_file() or path.is_symlink():
            continue
        if path.suffix == ".rcc" and any(fnmatch.fnmatch(path.stem, pattern) for pattern in patterns):
            yield from ((name, found) for name, found in resources(path.read_bytes()) if name.endswith(".webp"))
        elif path.suffix in {".jpg", ".png", ".webp"} and any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
            yield name, path.read_bytes()


def usable(picture: bytes) -> Image.Image | None:
    """An opaque picture of colours that is large enough, shrunk if it is very large; nothing else."""
    try:
        image = Image.open(io.BytesIO(picture))
    except OSError:
        return None
    if min(image.size) < LEAST_SIDE or image.mode != "RGB":
        return None
    shrink = min(image.size) / MOST_SIDE
    if shrink > 1:
        image = image.resize((round(image.width / shrink), round(image.height / shrink)), Image.Resampling.BOX)
    return image


def main() -> None:
    """Collect, shrink and list them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--keep", type=Path, help="folder of the packages")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    packages = options.keep or options.folder / "packages"
    if not options.keep:
        packages.mkdir(exist_ok=True)
        subprocess.run(["apt-get", "download", *PACKAGES], cwd=packages, check=True)
    rows = []
    seen = set()
    for package in PACKAGES:
        (archive,) = packages.glob(f"{package}_*.deb")
        with tempfile.TemporaryDirectory() as root:
            subprocess.run(["dpkg-deb", "-x", archive, root], check=True)
            stated = next(Path(root).glob("usr/share/doc/*/copyright"), None)
            rules = licences(stated.read_text(encoding="utf-8")) if stated else []
            for name, picture in candidates(package, Path(root)):
                digest = hashlib.sha256(picture).hexdigest()
                shown = usable(picture)
                if shown is None or digest in seen:
                    continue
                seen.add(digest)
                shown.save(options.folder / f"{digest[:16]}.png", compress_level=1)
                version = archive.name.split("_")[1].replace("%3a", ":")
                size = f"{shown.width}x{shown.height}"
                rows.append([digest[:16], package, version, name, licence_of(name, rules), size])
    order = shuffled([row[0] for row in rows], 0, "pictures")
    part = {name: PARTS[place * len(PARTS) // len(order)] for place, name in enumerate(order)}
    with (options.folder / "pictures.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["picture", "package", "version", "file", "licence", "size", "part"])
        writer.writerows([*row, part[row[0]]] for row in sorted(rows))
    print({name: list(part.values()).count(name) for name in dict.fromkeys(PARTS)})


if __name__ == "__main__":
    main()
