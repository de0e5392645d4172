"""Writing without loss: a temporary name in the same folder, then a rename that replaces nothing unless told to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pellucid.errors import FileError

__all__ = ["replacing"]


@contextmanager
def replacing(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A temporary name beside ``path`` for the block to write to, which becomes ``path`` when the block ends well.

    Nothing is left behind when it does not. Raises `FileError` when ``path`` exists and ``overwrite`` is not said (also when
    it comes to be in the meantime), and when it cannot be written.
    """
    if path.exists() and not overwrite:
        raise FileError(f"{path} exists; --force overwrites it")
    temporary = path.with_name(f".{path.name[:200]}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        if not overwrite:
            _claim(temporary, path)
        else:
            temporary.replace(path)
    except FileExistsError as error:
        raise FileError(f"{path} exists; --force overwrites it") from error
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _claim(temporary: Path, path: Path) -> None:
    """Gives the file its name unless another has taken it: a rename would replace that one."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        # A file system without links: the name is reserved first.
        path.open("xb").close()
        temporary.replace(path)
