"""A client's side of gRPC over HTTP/2 (RFC 9113), as much as one bidirectional stream on a connection of its own needs.

It opens as Envoy 1.40 does, with the same settings and windows. No TLS, no second stream; of the server's header blocks
only their end counts, so that a status is not known.
"""

import asyncio
import struct
from collections.abc import Mapping
from typing import Protocol, cast

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
"""Types of frames; what else a server may send (PRIORITY, CONTINUATION, what is unknown) says nothing to us."""

END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8
"""Flags of frames."""

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = 1, 2, 3, 4, 5
ENABLE_CONNECT_PROTOCOL = 8
"""Settings."""

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FIRST_WINDOW = 65_535
"""How many bytes of DATA may be sent, on a stream and on the connection, before the other side says otherwise."""

FIRST_FRAME_SIZE = 16_384
"""The largest frame, before the other side says otherwise."""

STREAM_WINDOW, CONNECTION_WINDOW = 16 * 2**20, 24 * 2**20
"""What Envoy 1.40 takes unread, on a stream and on the connection."""

ENVOY_SETTINGS = (
    (ENABLE_PUSH, 0),
    (HEADER_TABLE_SIZE, 4096),
    (ENABLE_CONNECT_PROTOCOL, 0),
    (MAX_CONCURRENT_STREAMS, 1024),
    (INITIAL_WINDOW_SIZE, STREAM_WINDOW),
)
"""What Envoy 1.40 sends, in its order."""

STREAM = 1
"""The one stream's number."""

FRAME_HEAD = struct.Struct(">IBI")
"""What stands before a frame's payload: its length in three bytes and its type in one, flags, and the stream."""

MESSAGE_HEAD = struct.Struct(">BI")
"""What stands before a message of gRPC's: whether it is compressed, and its length."""


class Owner(Protocol):
    """Whom a connection tells what happens on its stream."""

    def on_open(self, connection: "Connection") -> None:
        """Be told that messages can be sent."""

    def on_message(self, message: bytes) -> None:
        """Take a whole message."""

    def on_read(self) -> None:
        """Be told, once, that the server reads the stream: the answer to `ask_read`."""

    def on_end(self, reason: str) -> None:
        """Be told, once, that the stream is over without our doing; the connection is closed."""


class Connection(asyncio.Protocol):
    """One stream on one connection; `opening` is what `build_opening` gives, made once for all connections."""

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
        self._rest = b""  # the beginning of a frame
        self._parts: list[bytes] = []  # the beginning of a message
        self._held, self._needed = 0, MESSAGE_HEAD.size  # its size, and that from which it is worth a look
        self._unread = self._unread_of_stream = 0  # of the windows that the server has of us, not yet given back
        self._unsent: list[memoryview] = []  # of messages, for want of a window
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
        """Tell the owner, who has not been told before."""
        self._end(f"the connection is lost: {error or 'closed by the server'}")

    def close(self) -> None:
        """Close the connection as a client that dies does; the owner is not told of what it does itself."""
        self._ended = True
        self._transport.abort()

    def send(self, *parts: bytes) -> None:
        """Send a message, which is given in parts so that what many messages have in common need not be copied."""
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
        """Ask whether the server reads what was sent so far.

        A PING that is answered tells that the server's machine has it. If it is much of the stream's window, the
        program has begun to read it when some of the window comes back. So tried with gRPC's server, under load too.
        """
        self._ping_due = True
        self._send_more()

    def data_received(self, data: bytes) -> None:
        """Take whole frames; keep the beginning of one for later."""
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
        """Hand over the messages that are whole; keep the beginning of the next."""
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
        """Take a frame that is not DATA."""
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
            if error or last < STREAM:  # else the stream goes on to an end of its own
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
        """Let the server send as much again, each time that half a window is used."""
        self._unread += size
        self._unread_of_stream += size
        if self._unread_of_stream >= STREAM_WINDOW // 2:
            self._write(encode_frame(WINDOW_UPDATE, 0, STREAM, self._unread_of_stream.to_bytes(4)))
            self._unread_of_stream = 0
        if self._unread >= CONNECTION_WINDOW // 2:
            self._write(encode_frame(WINDOW_UPDATE, 0, 0, self._unread.to_bytes(4)))
            self._unread = 0

    def _send_more(self) -> None:
        """Send of what is unsent as much as the windows allow, in frames as large as they may be."""
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
    """Build what a client sends before its first message; `method` is a gRPC method's path."""
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
    """Encode headers as HPACK's literals, without index and Huffman's code (RFC 7541, 6.2.2)."""
    return b"".join(b"\0" + _encode_text(name) + _encode_text(value) for name, value in headers.items())


def _encode_text(text: str) -> bytes:
    """Encode text with its length before it, an integer with a prefix of 7 bits (RFC 7541, 5.1 and 5.2)."""
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
    """Encode what stands before a frame's payload of `size` bytes."""
    return FRAME_HEAD.pack(size << 8 | kind, flags, stream)
