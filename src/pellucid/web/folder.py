"""The private folder of the uploads: made again when it is swept away, and taken away when its server is gone."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where the folder of a killed server stays until the system's own cleaning
    fcntl = None  # type: ignore[assignment]

__all__ = ["Folder", "private_folder"]

PREFIX = "pellucid-web-"

# A link is not followed, and nothing but a folder is opened: a pipe would wait for its other side.
A_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class Folder:
    """A folder that nobody else can look into, in the system's temporary folder.

    It is locked while its server lives: the next server takes away those without a lock, and systemd-tmpfiles leaves those with
    one.
    """

    def __init__(self) -> None:
        self._made: list[Path] = []
        self._left: set[Path] = set()
        self._held = -1
        self._mode = stat.S_IMODE(Path(tempfile.gettempdir()).stat().st_mode)
        self._make()

    @property
    def path(self) -> Path:
        """The folder; a new one under another name where the last was taken away. Raises `OSError` where none can be made."""
        if not self._is_there():
            self._make()
        return self._made[-1]

    @contextmanager
    def place(self) -> Iterator[Path]:
        """A folder for one request, which goes with all that is in it when the block ends. Raises `OSError` where none can be
        made.

        A folder that cannot be taken away then (it takes descriptors, and there may be none) goes with a later request's."""
        self._take_away()
        try:
            made = Path(tempfile.mkdtemp(dir=self.path))
        except FileNotFoundError:
            # Swept away between the two steps.
            made = Path(tempfile.mkdtemp(dir=self.path))
        try:
            yield made
        finally:
            self._left.add(made)
            self._take_away()

    def close(self) -> None:
        """Takes the folder away."""
        for path in self._made:
            shutil.rmtree(path, ignore_errors=True)
        self._release()

    def _take_away(self) -> None:
        for path in tuple(self._left):
            shutil.rmtree(path, ignore_errors=True)
            if not path.exists():
                self._left.discard(path)

    def _is_there(self) -> bool:
        try:
            found = self._made[-1].lstat()
            return stat.S_ISDIR(found.st_mode) if self._held < 0 else os.path.samestat(found, os.fstat(self._held))
        except OSError:
            return False

    def _make(self) -> None:
        self._release()
        above = Path(tempfile.gettempdir())
        if not above.exists():
            # As it was; `tempfile` remembers its name for the life of the process.
            above.mkdir(parents=True)
            above.chmod(self._mode)
        while True:
            path = Path(tempfile.mkdtemp(prefix=PREFIX))
            self._made.append(path)
            if fcntl is None:
                return
            with suppress(FileNotFoundError):
                self._held = os.open(path, A_FOLDER)
                with suppress(OSError):  # a file system without locks
                    fcntl.flock(self._held, fcntl.LOCK_EX)
                # Another server that started just now may have taken it for a killed one's.
                if self._is_there():
                    return
                self._release()

    def _release(self) -> None:
        if self._held >= 0:
            os.close(self._held)
            self._held = -1


@contextmanager
def private_folder() -> Iterator[Folder]:
    """The folder of a server, gone when the block ends; those of servers that were killed go when it begins."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*") if fcntl is not None else ():
        with suppress(OSError):
            _remove_unlocked(left)
    folder = Folder()
    try:
        yield folder
    finally:
        folder.close()


def _remove_unlocked(left: Path) -> None:
    held = os.open(left, A_FOLDER)
    try:
        # Another user's, or in use: left where it is.
        if os.fstat(held).st_uid == os.getuid():
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
    finally:
        os.close(held)
