"""Writes files so that nobody ever sees a half: under a temporary name in the same folder, flushed, then renamed.

A temporary file is locked by the process that writes it. The lock goes when the process goes, however it goes: what carries a
temporary name and no lock was left by a run that was killed, and `sweep` may take it away.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pellucid import regular
from pellucid.errors import DiskFull, FileError

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be taken away anyway
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "append_line",
    "check_folder",
    "check_name",
    "check_rights",
    "exists",
    "failure",
    "files_below",
    "held",
    "is_full",
    "placed",
    "replacing",
    "replacing_folder",
    "room",
    "state",
    "sweep",
]

TEMPORARY = re.compile(r"\.pellucid-[0-9a-f]{16}\.tmp")
"""The temporary names. Short, so that a picture's own name may be as long as the file system takes."""

WINDOWS = os.name == "nt"

NO_NAME = re.compile(
    r"""(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])[ ]*([.:].*)?|.*[<>:"|?*\x00-\x1f].*|.*[. ]""",
    re.IGNORECASE | re.DOTALL,
)
"""Names that Windows takes for a device or for a part of another file, refuses, or shortens without a word."""

AT_FDCWD, RENAME_EXCHANGE, RENAME_SWAP = -100, 2, 2
"""Constants of Linux's renameat2 (paths as usual, exchange) and of macOS's renamex_np."""


def check_name(path: Path) -> None:
    """Raises `FileError` for a name that no file can have: on Windows, what is written to ``con.png`` would be lost."""
    if "\0" in str(path):
        raise FileError(f"{str(path)!r}: no name of a file has a NUL in it")
    if WINDOWS and path.name not in (".", "..") and NO_NAME.fullmatch(path.name):
        raise FileError(f"{path}: Windows has no files of this name")


def check_folder(path: Path) -> None:
    """Raises `FileError` where ``path`` cannot be written for want of its folder: before the work, which would be lost."""
    check_name(path)
    if not path.parent.is_dir():
        raise FileError(f"{path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise FileError(f"{path}: nothing can be written to the folder {path.parent}")


def check_rights(path: Path) -> None:
    """Raises `FileError` where nobody may write to the folder of ``path``, or to the one in which that is to be made: before the
    work, which would be lost."""
    folder = next((each for each in path.parents if os.path.lexists(each)), None)
    if folder is not None and folder.is_dir() and not os.access(folder, os.W_OK):
        raise FileError(f"{path}: nothing can be written to the folder {folder}")


def exists(path: Path) -> bool:
    """Whether something has this name, before it is written. Raises `FileError` for a name that cannot be looked up."""
    try:
        return path.exists()
    except OSError as error:
        # A name that is too long, for one.
        raise FileError(f"{path}: {error.strerror}") from error


@contextmanager
def replacing(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A temporary name beside ``path`` for the block to write to, which becomes ``path`` when the block ends well.

    Nothing is left behind when it does not. Raises `FileError` when ``path`` exists and ``overwrite`` is not said (also when
    it comes to be in the meantime), and when it cannot be written.
    """
    temporary = None
    check_name(path)
    try:
        if path.exists() and not overwrite:
            raise FileExistsError
        temporary, held = _temporary(path.parent)
        try:
            yield temporary
            # Another descriptor may have written; this one flushes the same file.
            os.fsync(held)
            if fcntl is None:
                # Windows renames no open file.
                os.close(held)
                held = -1
            if not overwrite:
                _claim(temporary, path)
            else:
                temporary.replace(path)
        finally:
            if held >= 0:
                os.close(held)
    except FileExistsError as error:
        raise FileError(f"{path} exists; --force overwrites it") from error
    except OSError as error:
        raise failure(path, error) from error
    finally:
        if temporary is not None:
            # Windows keeps a file that is still open: the error that left it so is worth more than this one. A sweep finds it.
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """The same as `replacing` for a folder: a temporary folder becomes the folder ``path`` as a whole."""
    temporary = None
    check_name(path)
    try:
        if path.exists() and not overwrite:
            raise FileExistsError
        temporary, held = _temporary_folder(path.parent)
        try:
            yield temporary
            for file in files_below(temporary):
                _flush(file)
            if overwrite and os.path.lexists(path):
                _exchange(temporary, path)
            else:
                # Nothing but an empty folder can be in the way of this and be lost.
                temporary.rename(path)
        finally:
            if held >= 0:
                os.close(held)
    except OSError as error:
        if isinstance(error, FileExistsError | NotADirectoryError) or error.errno == errno.ENOTEMPTY:
            raise FileError(f"{path} exists; --force overwrites it") from error
        raise failure(path, error) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def room(parent: Path) -> Iterator[Path]:
    """A temporary folder in ``parent``, which is made where it is missing, for files that `placed` gives their names.

    It goes when the block ends, and a sweep takes it away where the process was killed. Raises `FileError`.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        temporary, lock = _temporary_folder(parent)
    except OSError as error:
        raise failure(parent, error) from error
    try:
        yield temporary
    finally:
        if lock >= 0:
            os.close(lock)
        shutil.rmtree(temporary, ignore_errors=True)


def placed(finished: Path, path: Path, *, overwrite: bool = False) -> None:
    """Gives a finished file or folder its name, in the same file system. Raises `FileError` as `replacing` does."""
    check_name(path)
    try:
        if finished.is_dir():
            if overwrite and os.path.lexists(path):
                _exchange(finished, path)
            else:
                finished.rename(path)
        else:
            _flush(finished)
            if overwrite:
                finished.replace(path)
            else:
                _claim(finished, path)
    except OSError as error:
        if isinstance(error, FileExistsError | NotADirectoryError) or error.errno == errno.ENOTEMPTY:
            raise FileError(f"{path} exists; --force overwrites it") from error
        raise failure(path, error) from error


@contextmanager
def held(folder: Path) -> Iterator[bool]:
    """Whether this process alone has the folder for the length of the block; True where the system has no locks."""
    if fcntl is None:
        yield True
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield locked(descriptor) is not False
    finally:
        os.close(descriptor)


def files_below(folder: Path) -> Iterator[Path]:
    """All files in ``folder`` and below it, in the order of their paths.

    `OSError` that names what is neither a regular file nor a folder: a link would lead out of the folder, a device or a pipe has no
    end. ``folder`` itself may be a link.
    """
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        if place is not folder and place.is_symlink():
            raise OSError(None, f"its {place.relative_to(folder).as_posix()} is a link, which is not followed here", str(place))
        if place.is_dir():
            waiting += sorted(place.iterdir(), reverse=True)
        elif place.is_file():
            yield place
        else:
            raise OSError(None, f"its {place.relative_to(folder).as_posix()} is neither a file nor a folder", str(place))


def state(path: Path) -> tuple[int, int, int] | None:
    """The size of a file in bytes, its time in nanoseconds, and its number in the file system; None where they cannot be had.

    A folder that is a picture has the size of all its files, their latest time and their count.
    """
    try:
        if not path.is_dir():
            found = path.stat()
            return found.st_size, found.st_mtime_ns, found.st_ino
        states = [inner.stat() for inner in files_below(path)]
        return sum(each.st_size for each in states), max((each.st_mtime_ns for each in states), default=0), len(states)
    except OSError:
        return None


def sweep(folder: Path) -> list[Path]:
    """Takes away the temporary files and folders that killed runs left in ``folder`` (not below it), and says which; never one in
    use."""
    gone = []
    for path in folder.iterdir() if folder.is_dir() else ():
        if (
            TEMPORARY.fullmatch(path.name)
            and not path.is_symlink()
            and (path.is_file() or path.is_dir())
            and _remove_unlocked(path)
        ):
            gone.append(path)
    return gone


def append_line(path: Path, line: str) -> None:
    """Adds a line to a file in one step and flushes it; begins anew after a last line that a killed run left without its end.

    Raises `FileError` when it cannot be written, and for a link or anything else that is no regular file.
    """
    try:
        with regular.opened(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, links=False) as file:
            torn = False
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                torn = file.read(1) != b"\n"
            content = ("\n" if torn else "").encode() + line.encode() + b"\n"
            if file.write(content) != len(content):
                raise OSError(None, "the disk took only a part of the file")
            os.fsync(file.fileno())
    except OSError as error:
        raise failure(path, error) from error


def failure(path: Path, error: OSError) -> FileError:
    """The error to raise where the system fails to write ``path``."""
    kind = DiskFull if is_full(error) else FileError
    return kind(f"{path}: cannot be written: {error.strerror or error}")


def is_full(error: OSError) -> bool:
    """Whether the error says that the disk, or the user's share of it, is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def _temporary_name(folder: Path) -> Path:
    """A name that `TEMPORARY` matches and nobody has."""
    return folder / f".pellucid-{secrets.token_hex(8)}.tmp"


def _temporary(folder: Path) -> tuple[Path, int]:
    """A new temporary file, and the descriptor that holds its lock."""
    while True:
        path = _temporary_name(folder)
        held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        # A sweep between the two steps has the lock, or has already taken the file away: another name, then.
        if fcntl is None or (locked(held) is not False and os.fstat(held).st_nlink):
            return path, held
        os.close(held)


def _temporary_folder(parent: Path) -> tuple[Path, int]:
    """The same as `_temporary` for a folder; no descriptor (-1) on Windows, which opens none."""
    while True:
        path = _temporary_name(parent)
        path.mkdir()
        if fcntl is None:
            return path, -1
        try:
            held = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue  # swept before it could be locked
        if locked(held) is not False and path.exists():
            return path, held
        os.close(held)


def _flush(path: Path) -> None:
    held = os.open(path, os.O_RDWR)
    try:
        os.fsync(held)
    finally:
        os.close(held)


def _exchange(temporary: Path, path: Path) -> None:
    """Puts the folder in the place of what is there, which goes once that is done and comes back if it cannot be."""
    if path.is_dir() and not path.is_symlink() and _swapped(temporary, path):
        # The old one goes as a temporary folder does.
        return
    old = _temporary_name(path.parent)
    path.rename(old)
    try:
        temporary.rename(path)
    except OSError:
        old.rename(path)
        raise
    if old.is_dir() and not old.is_symlink():
        shutil.rmtree(old, ignore_errors=True)
    else:
        old.unlink()


def _swapped(first: Path, second: Path) -> bool:
    """Whether both have each other's name now, in one step that a kill cannot come between; False where the system has none."""
    try:
        library = ctypes.CDLL(None)
        names = os.fsencode(first), os.fsencode(second)
        if sys.platform == "darwin":
            return bool(library.renamex_np(*names, RENAME_SWAP) == 0)
        return bool(library.renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE) == 0)
    except (OSError, TypeError, AttributeError):  # Windows; a C library before 2018
        return False


def locked(held: int) -> bool | None:
    """Whether the lock of an open file is ours now; None where the system or the file system has no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _remove_unlocked(path: Path) -> bool:
    try:
        if fcntl is None:
            # Fails on a file that is open. A folder does not tell, and stays.
            path.unlink()
            return True
        folder = path.is_dir()
        held = os.open(path, os.O_RDONLY if folder else os.O_RDWR)
        try:
            if locked(held) is True:
                if folder:
                    shutil.rmtree(path)
                else:
                    path.unlink()
                return True
        finally:
            os.close(held)
    except OSError:
        pass  # in use, or gone, or not ours to take: no reason to stop
    return False


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
