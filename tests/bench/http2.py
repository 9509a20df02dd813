"""A client of gRPC over HTTP/2 (RFC 9113), limited to one bidirectional stream on a connection of its own.

It opens a connection as Envoy 1.40 does, with the same settings and windows. It has no TLS and no second stream. It
reads only the end of the server's header blocks, so it does not know a status.
"""

import asyncio
import struct
from collections.abc import Mapping
from typing import Protocol, cast

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
"""Types of frames. The client ignores the others (PRIORITY, CONTINUATION, unknown types)."""

END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8
"""Flags of frames."""

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = 1, 2, 3, 4, 5
ENABLE_CONNECT_PROTOCOL = 8
"""Settings."""

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FIRST_WINDOW = 65_535
"""The initial window for DATA on a stream and on the connection, until the other side changes it."""

FIRST_FRAME_SIZE = 16_384
"""The largest frame until the other side changes it."""

STREAM_WINDOW, CONNECTION_WINDOW = 16 * 2**20, 24 * 2**20
"""The windows of Envoy 1.40 for a stream and for the connection."""

ENVOY_SETTINGS = (
    (ENABLE_PUSH, 0),
    (HEADER_TABLE_SIZE, 4096),
    (ENABLE_CONNECT_PROTOCOL, 0),
    (MAX_CONCURRENT_STREAMS, 1024),
    (INITIAL_WINDOW_SIZE, STREAM_WINDOW),
)
"""The settings that Envoy 1.40 sends, in its order."""

STREAM = 1
"""The number of the only stream."""

FRAME_HEAD = struct.Struct(">IBI")
"""The header of a frame: its length in three bytes and its type in one, flags, and the stream."""

MESSAGE_HEAD = struct.Struct(">BI")
"""The header of a gRPC message: whether it is compressed, and its length."""


class Owner(Protocol):
    """The receiver of a connection's events."""

    def on_open(self, connection: "Connection") -> None:
        """Called when the client can send messages."""

    def on_message(self, message: bytes) -> None:
        """Called with a complete message."""

    def on_read(self) -> None:
        """Called once when the server reads the stream. This is the answer to `ask_read`."""

    def on_end(self, reason: str) -> None:
        """Called once when the stream ends and the owner did not end it. The connection is closed."""


class Connection(asyncio.Protocol):
    """One stream on one connection. `opening` is the result of `build_opening`, which all connections share."""

    __slots__ = (
        "_ended",
        "_first_window",
        "_frame_size",
        "_has_pong",
        "_has_window",
        "_held",
        "_is_read",
        "_needed",
        "_opening",
        "_owner",
        "_parts",
        "_ping_due",
        "_rest",
        "_sent",
        "_transport",
        "_unread",
        "_unread_of_stream",
        "_unsent",
        "_window",
        "_window_of_stream",
    )

    def __init__(self, opening: bytes, owner: Owner) -> None:
        self._opening = opening
        self._owner = owner
        self._ended = False
        self._rest = b""  # the start of a frame
        self._parts: list[bytes] = []  # the start of a message
        self._held, self._needed = 0, MESSAGE_HEAD.size  # its size, and the size from which it is worth parsing
        self._unread = self._unread_of_stream = (
            0  # received bytes that the client has not yet returned to the server's windows
        )
        self._unsent: list[memoryview] = []  # parts of messages that wait for a window
        self._window = self._window_of_stream = self._first_window = FIRST_WINDOW
        self._frame_size = FIRST_FRAME_SIZE
        self._ping_due = False
        self._sent = 0
        self._has_pong = self._has_window = self._is_read = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open the stream at once, as Envoy does, without waiting for the server's settings."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._opening)
        self._owner.on_open(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Notify the owner, unless it knows already."""
        self._end(f"the connection is lost: {error or 'closed by the server'}")

    def close(self) -> None:
        """Close the connection as a dying client does. The owner gets no event for its own call."""
        self._ended = True
        self._transport.abort()

    def send(self, *parts: bytes) -> None:
        """Send a message in parts, so that the common parts of many messages need no copy."""
        size = sum(map(len, parts))
        head = MESSAGE_HEAD.pack(0, size)
        if not self._unsent and (whole := len(head) + size) <= min(
            self._window, self._window_of_stream, self._frame_size
        ):
            self._take_windows(whole)
            self._write(b"".join((encode_head(whole, DATA, 0, STREAM), head, *parts)))
        else:
            self._unsent += [memoryview(part) for part in (head, *parts) if part]
            self._send_more()

    def ask_read(self) -> None:
        """Ask whether the server reads what the client has sent so far.

        The answer to a PING shows that the server's machine has it. If it is a large part of the stream's window, the
        program has started to read it when some of the window comes back. This holds with gRPC's server, also under
        load.
        """
        self._ping_due = True
        self._send_more()

    def data_received(self, data: bytes) -> None:
        """Process complete frames, and keep the start of an incomplete one."""
        if self._rest:
            data = self._rest + data
        at, size = 0, len(data)
        while size - at >= FRAME_HEAD.size:
            length_and_kind, flags, stream = FRAME_HEAD.unpack_from(data, at)
            begin = at + FRAME_HEAD.size
            end = begin + (length_and_kind >> 8)
            if end > size:
                break
            kind = length_and_kind & 0xFF
            if kind == DATA:
                self._on_data(flags, data[begin:end])
            else:
                self._on_frame(kind, flags, stream, data[begin:end])
            if self._ended:
                return
            at = end
        self._rest = data[at:]

    def _on_data(self, flags: int, payload: bytes) -> None:
        self._give_back(len(payload))
        if flags & PADDED:
            payload = payload[1 : len(payload) - payload[0]]
        self._parts.append(payload)
        self._held += len(payload)
        if self._held >= self._needed:
            self._assemble()
        if flags & END_STREAM:
            self._end("the server ended the stream")

    def _assemble(self) -> None:
        """Pass on complete messages, and keep the start of the next one."""
        body = b"".join(self._parts)
        messages = []
        at, self._needed = 0, MESSAGE_HEAD.size
        while len(body) - at >= MESSAGE_HEAD.size:
            compressed, size = MESSAGE_HEAD.unpack_from(body, at)
            if compressed:
                self._end("the server sent a compressed message")
                return
            begin = at + MESSAGE_HEAD.size
            if len(body) - begin < size:
                self._needed = MESSAGE_HEAD.size + size
                break
            at = begin + size
            messages.append(body[begin:at])
        self._parts = [body[at:]] if at < len(body) else []
        self._held = len(body) - at
        for message in messages:
            if not self._ended:
                self._owner.on_message(message)

    def _on_frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        """Process a frame other than DATA."""
        if kind == WINDOW_UPDATE:
            self._on_window(stream, int.from_bytes(payload))
        elif kind == PING:
            if flags & ACK:
                self._has_pong = True
                self._check_read()
            else:
                self._write(encode_frame(PING, ACK, 0, payload))
        elif kind == SETTINGS and not flags & ACK:
            self._on_settings(payload)
        elif kind == HEADERS and flags & END_STREAM:
            self._end("the server ended the stream")
        elif kind == RST_STREAM:
            self._end(f"the server reset the stream with error {int.from_bytes(payload)}")
        elif kind == GOAWAY:
            last, error = struct.unpack_from(">II", payload)
            if error or last < STREAM:  # otherwise the stream continues to its own end
                self._end(f"the server goes away with error {error}: {payload[8:].decode(errors='replace')}")

    def _on_settings(self, payload: bytes) -> None:
        for setting, value in struct.iter_unpack(">HI", payload):
            if setting == INITIAL_WINDOW_SIZE:
                self._window_of_stream += value - self._first_window  # it may become negative
                self._first_window = value
            elif setting == MAX_FRAME_SIZE:
                self._frame_size = value
        self._write(encode_frame(SETTINGS, ACK, 0))
        self._send_more()

    def _check_read(self) -> None:
        if self._has_pong and not self._is_read and (self._has_window or self._sent * 2 <= self._first_window):
            self._is_read = True
            self._owner.on_read()

    def _on_window(self, stream: int, increment: int) -> None:
        if stream:
            self._window_of_stream += increment
            self._has_window = True
            self._check_read()
        else:
            self._window += increment
        self._send_more()

    def _give_back(self, size: int) -> None:
        """Return the window to the server each time that half of it is used."""
        self._unread += size
        self._unread_of_stream += size
        if self._unread_of_stream >= STREAM_WINDOW // 2:
            self._write(encode_frame(WINDOW_UPDATE, 0, STREAM, self._unread_of_stream.to_bytes(4)))
            self._unread_of_stream = 0
        if self._unread >= CONNECTION_WINDOW // 2:
            self._write(encode_frame(WINDOW_UPDATE, 0, 0, self._unread.to_bytes(4)))
            self._unread = 0

    def _send_more(self) -> None:
        """Send as much of the waiting data as the windows allow, in frames of the maximum size."""
        while self._unsent and (room := min(self._window, self._window_of_stream, self._frame_size)) > 0:
            chunks, size = [], 0
            while self._unsent and size < room:
                part = self._unsent[0]
                chunk = part[: room - size]
                chunks.append(chunk)
                size += len(chunk)
                self._unsent[:1] = [part[len(chunk) :]] if len(chunk) < len(part) else []
            self._take_windows(size)
            if not self._ended:
                self._transport.writelines([encode_head(size, DATA, 0, STREAM), *chunks])  # not copied
        if self._ping_due and not self._unsent:
            self._ping_due = False
            self._write(encode_frame(PING, 0, 0, bytes(8)))

    def _take_windows(self, size: int) -> None:
        self._window -= size
        self._window_of_stream -= size
        self._sent += size

    def _write(self, data: bytes) -> None:
        if not self._ended:
            self._transport.write(data)

    def _end(self, reason: str) -> None:
        if not self._ended:
            self._ended = True
            self._transport.close()
            self._owner.on_end(reason)


def build_opening(method: str, authority: str) -> bytes:
    """Return what a client sends before its first message. `method` is the path of a gRPC method."""
    settings = b"".join(struct.pack(">HI", *setting) for setting in ENVOY_SETTINGS)
    headers = {
        ":method": "POST",
        ":scheme": "http",
        ":path": method,
        ":authority": authority,
        "te": "trailers",
        "content-type": "application/grpc",
        "user-agent": "xds-bench",
    }
    return b"".join(
        (
            PREFACE,
            encode_frame(SETTINGS, 0, 0, settings),
            encode_frame(WINDOW_UPDATE, 0, 0, (CONNECTION_WINDOW - FIRST_WINDOW).to_bytes(4)),
            encode_frame(HEADERS, END_HEADERS, STREAM, encode_headers(headers)),
        )
    )


def encode_headers(headers: Mapping[str, str]) -> bytes:
    """Encode headers as HPACK literals, without an index or Huffman coding (RFC 7541, 6.2.2)."""
    return b"".join(b"\0" + _encode_text(name) + _encode_text(value) for name, value in headers.items())


def _encode_text(text: str) -> bytes:
    """Encode text after its length, which is an integer with a 7-bit prefix (RFC 7541, 5.1 and 5.2)."""
    length, more = len(text), b""
    if length >= 127:
        length, rest = 127, length - 127
        while rest >= 128:
            more += bytes([rest % 128 + 128])
            rest //= 128
        more += bytes([rest])
    return bytes([length]) + more + text.encode("ascii")


def encode_frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Encode a frame."""
    return encode_head(len(payload), kind, flags, stream) + payload


def encode_head(size: int, kind: int, flags: int, stream: int) -> bytes:
    """Encode the header of a frame with a payload of `size` bytes."""
    return FRAME_HEAD.pack(size << 8 | kind, flags, stream)
