"""From YAML text to plain values, and a tree of their positions: strict, and safe on any text.

libyaml gives the events; what is built of them is ours, with a stack of our own: neither depth nor aliases can make
it run away. What the values mean for the catalog is no matter here.
"""

from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from xds.catalog.places import Loc, Place, Slip, format_path, show
from xds.catalog.scalars import STANDARD, TAGS, resolve
from xds.catalog.syntax import explain_syntax

MAX_DEPTH = 64
MAX_SLIPS = 100
MAX_NODES = 1_000_000
"""Values in one file, each counted as often as aliases repeat it."""

COLLECTIONS: dict[type[Event], str] = {MappingStartEvent: f"{STANDARD}map", SequenceStartEvent: f"{STANDARD}seq"}
BROKEN: Final = type("Broken", (), {"__repr__": lambda _: "BROKEN"})()
"""Stands for a value that could not be read; the mistake is told already."""

MERGE = "<<"


@dataclass(frozen=True, slots=True)
class Tree:
    """A YAML text's one document: its value, the places of everything in it, and the mistakes that were found.

    `whole` is False when reading had to stop before the end; the value is then None.
    """

    value: Any
    place: Place
    slips: tuple[Slip, ...]
    whole: bool = True


def parse_yaml(text: str) -> Tree:
    """Read a YAML text of which `text.py` let every character pass; never raises."""
    builder = _Builder()
    loader = yaml.CSafeLoader(text)
    try:
        while (event := loader.get_event()) is not None:
            builder.on_event(event)
    except _Stop:
        return Tree(None, (1, 1, None), tuple(builder.slips), whole=False)
    except yaml.YAMLError as error:
        return Tree(None, (1, 1, None), (*builder.slips, explain_syntax(error, text)), whole=False)
    finally:
        loader.dispose()
    value, place = builder.root
    return Tree(value, place, tuple(builder.slips))


class _Stop(Exception):  # noqa: N818
    """Nothing more can be read; the mistake is told already."""


@dataclass(slots=True)
class _Node:
    """A value that was read: how many values it holds with itself, and how deep they are nested."""

    value: Any
    place: Place
    scalar: bool
    size: int = 1
    height: int = 0


@dataclass(slots=True)
class _Frame:
    """A collection that is being read; a mapping's `key` is what awaits its value, None when that is dropped."""

    value: Any
    children: Any
    line: int
    column: int
    anchor: str | None
    size: int = 1
    height: int = 1
    awaits_value: bool = False
    key: str | None = None
    merging: bool = False
    key_line: int = 0
    key_column: int = 0
    merged: list[tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=list)


class _Builder:
    """Builds values out of events; `root` is the document's value and place."""

    def __init__(self) -> None:
        self.root: tuple[Any, Place] = (None, (1, 1, None))
        self.slips: list[Slip] = []
        self._frames: list[_Frame] = []
        self._anchors: dict[str, _Node | None] = {}  # None while the anchored value is being read
        self._nodes = 0
        self._documents = 0

    def on_event(self, event: Event) -> None:
        """Take in one event of libyaml's."""
        kind = type(event)
        if kind is ScalarEvent:
            self._add_scalar(event)
        elif kind in COLLECTIONS:
            self._open(event, kind)
        elif kind is MappingEndEvent or kind is SequenceEndEvent:
            self._close()
        elif kind is AliasEvent:
            self._add_alias(event)
        elif kind is DocumentStartEvent:
            self._documents += 1
            if self._documents > 1:
                self._stop(event, "a catalog file holds one document: remove this `---`, or make it a file of its own")

    def _slip(self, event: Any, message: str) -> None:
        self._slip_at(event.start_mark.line + 1, event.start_mark.column + 1, message)

    def _stop(self, event: Any, message: str) -> NoReturn:
        self._slip(event, message)
        raise _Stop

    def _slip_at(self, line: int, column: int, message: str) -> None:
        self.slips.append(Slip(line, column, format_path(self._loc()), message))
        if len(self.slips) >= MAX_SLIPS:
            raise _Stop

    def _loc(self) -> Loc:
        steps: list[str | int] = []
        for frame in self._frames:
            if isinstance(frame.value, list):
                steps.append(len(frame.value))
            elif frame.awaits_value and frame.key is not None:
                steps.append(frame.key)
        return tuple(steps)

    def _count(self, event: Event, nodes: int, height: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            self._stop(event, f"the file holds more than {MAX_NODES} values, aliases expanded: split it")
        if len(self._frames) + height > MAX_DEPTH:
            self._stop(event, f"lists and mappings may be {MAX_DEPTH} levels deep at most")

    def _add_scalar(self, event: Any) -> None:
        text, tag, mark = event.value, event.tag, event.start_mark
        if tag is None:
            value = resolve(text) if event.implicit[0] else text
        elif tag == "!" or tag == f"{STANDARD}str":
            value = text
        elif tag in TAGS and TAGS[tag](value := resolve(text)):
            pass
        else:
            value = BROKEN
            self._slip(event, _explain_tag(tag, text))
        self._count(event, 1, 0)
        node = _Node(value, (mark.line + 1, mark.column + 1, None), scalar=True)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        is_merge = text == MERGE and tag is None and event.implicit[0]
        self._add(node, event, is_merge=is_merge, is_blank=value is None and not text)

    def _add_alias(self, event: Any) -> None:
        mark = event.start_mark
        if event.anchor not in self._anchors:
            self._slip(event, f"no anchor &{event.anchor} stands before this alias")
        elif (node := self._anchors[event.anchor]) is None:
            self._slip(event, f"the alias *{event.anchor} stands inside its own anchor: it would never end")
        else:
            self._count(event, node.size, node.height)
            self._add(node, event)
            return
        self._add(_Node(BROKEN, (mark.line + 1, mark.column + 1, None), scalar=True), event)

    def _open(self, event: Any, kind: type[Event]) -> None:
        if event.tag not in (None, "!", COLLECTIONS[kind]):
            self._slip(event, _explain_tag(event.tag))
        self._count(event, 1, 1)
        mark, new = event.start_mark, dict if kind is MappingStartEvent else list
        self._frames.append(_Frame(new(), new(), mark.line + 1, mark.column + 1, event.anchor))
        if event.anchor is not None:
            self._anchors[event.anchor] = None

    def _close(self) -> None:
        frame = self._frames.pop()
        for values, children in frame.merged:
            for key, value in values.items():
                if key not in frame.value:
                    frame.value[key], frame.children[key] = value, children[key]
        place = (frame.line, frame.column, frame.children)
        node = _Node(frame.value, place, scalar=False, size=frame.size, height=frame.height)
        if frame.anchor is not None:
            self._anchors[frame.anchor] = node
        self._add(node)

    def _add(self, node: _Node, event: Event | None = None, *, is_merge: bool = False, is_blank: bool = False) -> None:
        """Put a value where it belongs: into the collection that is being read, or at the root."""
        if not self._frames:
            self.root = (node.value, node.place)
            return
        frame = self._frames[-1]
        frame.size += node.size
        if node.height >= frame.height:
            frame.height = node.height + 1
        if type(frame.value) is list:
            frame.value.append(node.value)
            frame.children.append(node.place)
        elif not frame.awaits_value:
            self._add_key(frame, node, event, is_merge=is_merge)
        else:
            if frame.merging:
                self._merge(frame, node)
            elif frame.key is not None:
                # A value that is left out has no place but its key's.
                place = (frame.key_line, frame.key_column, None) if is_blank else node.place
                frame.value[frame.key] = node.value
                frame.children[frame.key] = (frame.key_line, frame.key_column, place)
            frame.awaits_value = frame.merging = False

    def _add_key(self, frame: _Frame, node: _Node, event: Event | None, *, is_merge: bool) -> None:
        mark = event and event.start_mark
        frame.key = None
        frame.key_line, frame.key_column = (mark.line + 1, mark.column + 1) if mark else node.place[:2]
        if is_merge:
            if frame.merged:
                self._slip_at(frame.key_line, frame.key_column, "`<<` is given twice: write `<<: [*one, *other]`")
            frame.merging = True
        elif type(node.value) is not str:
            if node.value is not BROKEN:
                what = f'write "{show(node.value)}" in quotes' if node.scalar and node.value is not None else "a word"
                self._slip_at(frame.key_line, frame.key_column, f"a key must be text, found {show(node.value)}: {what}")
        elif node.value in frame.value:
            line, column, _ = frame.children[node.value]
            message = f"{show(node.value)} is given twice: first at line {line}, column {column}"
            self._slip_at(frame.key_line, frame.key_column, message)
        else:
            frame.key = node.value
        frame.awaits_value = True

    def _merge(self, frame: _Frame, node: _Node) -> None:
        """Keep what `<<` brings until the mapping's own keys are all known, which come first."""
        children = node.place[2]
        brought = [(node.value, node.place)]
        if isinstance(node.value, list) and isinstance(children, list):
            brought = list(zip(node.value, children, strict=True))
        for value, (line, column, below) in brought:
            if isinstance(value, dict) and isinstance(below, dict):
                frame.merged.append((value, below))
            elif value is not BROKEN:
                self._slip_at(line, column, f"`<<` takes a mapping, or a list of them, found {show(value)}")


def _explain_tag(tag: str, text: str | None = None) -> str:
    name = tag.replace(STANDARD, "!!")
    if text is not None and tag in TAGS:
        return f"{show(text)} is not what the tag {name} says"
    return f"the tag {show(name)} has no meaning here: leave it out"
