"""From a file's bytes to its text: encodings and characters that no YAML may hold."""

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE

from xds.catalog.places import Slip

FORBIDDEN = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
"""What libyaml does not read: control characters, and a byte order mark that is not the first character."""


def decode(content: bytes) -> str | Slip:
    """Read `content` as UTF-8 (a byte order mark is fine), or say where and why it cannot be."""
    if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return Slip(1, 1, "", "is in UTF-16: save the file as UTF-8")
    mark = len(BOM_UTF8) if content.startswith(BOM_UTF8) else 0
    try:
        text = content[mark:].decode()
    except UnicodeDecodeError as error:
        start = error.start + mark
        return _slip(
            content[mark:start].decode(),
            f"byte 0x{content[start]:02x} at offset {start} is not UTF-8: save the file as UTF-8",
        )
    if found := FORBIDDEN.search(text):
        offset = len(text[: found.start()].encode()) + mark
        character = f"the character U+{ord(found[0]):04X}" if ord(found[0]) else "a NUL byte"
        what = f"{character} (at offset {offset}) cannot stand in YAML: is this a text file?"
        return _slip(text[: found.start()], what)
    return text


def _slip(before: str, message: str) -> Slip:
    """Place a mistake that comes right after `before`; lines end as in YAML."""
    lines = re.split("\r\n|[\r\n\x85\u2028\u2029]", before)
    return Slip(len(lines), len(lines[-1]) + 1, "", message)
