"""What is piped in, as a file: a list is checked whole and read twice, which a pipe does not survive.

Knows no form of list.
"""

import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from onboard360_async.errors import ConfigurationError, ValidationError

__all__ = ["spool_stdin"]


def spool_stdin(stream: BinaryIO, beside: Path) -> Path:
    """A file of its owner's alone, in the folder of `beside`, that holds what the stream holds. The caller deletes it.

    ConfigurationError if it cannot be read or written, ValidationError if it is empty; then nothing is left.
    """
    try:
        number, name = tempfile.mkstemp(prefix="stdin-", dir=beside.parent)  # mode 0600
    except OSError as error:
        raise ConfigurationError(f"Cannot write to {beside.parent}: {error.strerror}.") from None
    with ExitStack() as undo:
        undo.callback(Path(name).unlink)
        try:
            with os.fdopen(number, "wb") as file:
                shutil.copyfileobj(stream, file)
                is_empty = not file.tell()
        except OSError as error:
            raise ConfigurationError(f"Cannot keep the input in {name}: {error.strerror}.") from None
        if is_empty:
            raise ValidationError("The input is empty: there is no header and no row.", "file")
        undo.pop_all()
    return Path(name)
