"""How a text file was written: as its byte order mark says, in UTF-8, or as the user says. Nothing is guessed.

A wrong guess garbles names, so what is not UTF-8 stops with the first bad line, shown in likely encodings for the
user's own eyes. Knows no form of list.
"""

import codecs
import io
from pathlib import Path
from typing import BinaryIO, Final

from onboard360_async.errors import ConfigurationError, ValidationError

__all__ = ["MARKED", "encoding_of", "mark_of"]

MARKED: Final = ("utf-8-sig", "utf-16")  # encodings that begin with a mark

_MARKS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_LIKELY: Final = ("cp1252", "cp1250", "mac_roman")  # shown to the user, never taken by us
_MOST_BYTES: Final = 1 << 16  # of a line that are checked at once: a file need not have lines
_NEAR: Final = 200  # bytes that are shown before and after one that cannot be read: a line may be a whole picture


def mark_of(start: bytes) -> str | None:
    """The encoding whose mark a file begins with."""
    return next((name for mark, name in _MARKS if start.startswith(mark)), None)


def encoding_of(path: Path, said: str | None) -> str:
    """The encoding, checked to the file's end. ValidationError with the place of the first byte that is not in it."""
    with path.open("rb") as file:
        found = mark_of(file.read(4))
        file.seek(0)
        encoding = _known(said) if said else found or "utf-8"
        if encoding == "utf-8" and found == "utf-8-sig":
            encoding = found  # the mark is not the first column's name
        _check(path, file, encoding)
    return encoding


def _known(said: str) -> str:
    """The usual name of an encoding. ConfigurationError if there is none such, or if it is not one of text (`hex`)."""
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=said)
        return codecs.lookup(said).name
    except (LookupError, ValueError):
        raise ConfigurationError(f"There is no encoding {said!r}.") from None


def _check(path: Path, file: BinaryIO, encoding: str) -> None:
    """Decode it all once: half a list must not be in the journal when the first bad byte comes."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line, before = 1, 0  # bytes of this line in earlier pieces
    while True:
        piece = file.readline(_MOST_BYTES)
        begun = len(decoder.getstate()[0])  # bytes of a character that the last piece broke off in
        try:
            text = decoder.decode(piece, final=not piece)
        except UnicodeError as error:
            raise _bad(path, line, before - begun if piece else None, encoding, error) from None
        if "\0" in text:
            reason = "is it no text, or is its encoding utf-16-le? Then say so."
            raise ValidationError(f"{path.name}: line {line} holds a NUL character; {reason}", "encoding")
        if not piece:
            return
        before += len(piece)
        if piece.endswith(b"\n"):
            line, before = line + 1, 0


def _bad(path: Path, line: int, before: int | None, encoding: str, error: UnicodeError) -> ValidationError:
    """`before`: bytes of the line before those that were decoded; None if the file ends too early."""
    at, shown = "", tuple[str, ...]()
    if before is not None and isinstance(error, UnicodeDecodeError):
        at = f" (byte {before + error.start + 1} of it)"
        near = error.object[max(0, error.start - _NEAR) : error.start + _NEAR]
        shown = tuple(f"{name}: {near.decode(name, 'replace').strip()}" for name in _LIKELY)
    message = (
        f"{path.name} is not {encoding}: line {line} cannot be read{at}. Say its encoding, or save it as UTF-8."
        f"{' Line by encoding:' if shown else ''}"
    )
    return ValidationError(message, "encoding", shown)
