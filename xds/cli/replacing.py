"""Writes a file as a whole: whoever reads it finds the old text or the new one, never a part."""

import os
import shutil
import tempfile
from pathlib import Path


def replace_file(path: Path, text: str, *, new: bool = False) -> None:
    """Write a file under a hidden name beside it, and then rename that. A link stays: what it leads to is replaced.

    With `new`, raise FileExistsError if there is a file of that name, also one that was made in the meantime.
    """
    target = path.resolve()
    number, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(number, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if new:
            Path(name).chmod(0o666 & ~_read_umask())
            os.link(name, target)
        else:
            shutil.copymode(target, name)
            Path(name).replace(target)
    finally:
        Path(name).unlink(missing_ok=True)


def _read_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
