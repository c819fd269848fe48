"""Programs that packages of the extra `test` bring, wherever the environment has put them."""

import importlib.metadata
import shutil

import pytest


def program(name, package):
    """Path of a program; skips, aloud, where its package is not installed."""
    found = shutil.which(name)
    if found is not None:
        return found
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{name} is not installed ({package} of the extra test)")
    return str(next(file.locate() for file in files if file.name == name))
