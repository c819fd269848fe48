"""Files of figures that a user may give in place of those that come with the program: YAML, checked against a model."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from pipeline.console import UserError

M = TypeVar("M", bound=BaseModel)


def read(path: str, model: type[M], option: str, advice: str, example: str) -> M:
    """Read a file.

    Args:
        path: The file.
        model: What it must be.
        option: The option that named it, for messages.
        advice: How to come by such a file.
        example: A file of that form.

    Raises:
        UserError: It cannot be read, is no YAML, or has another form.
    """
    try:
        return model.model_validate(yaml.safe_load(Path(path).read_text("utf-8")))
    except OSError as error:
        raise UserError(f"{option} {path}: {error.strerror}; {advice}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        said = next(iter(str(error).splitlines()), "")
        raise UserError(f"{option} {path}: this is not valid YAML ({said})") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UserError(f"{option} {path}: {place}: {first['msg']}; see {example} for the form") from error
