"""From YAML text to plain values, and a tree of their positions: strict, and safe on any text.

libyaml yields the events. This module builds the value with its own stack, so that depth and aliases cannot exhaust
it. It does not know what the values mean for the catalog.
"""

from collections.abc import Mapping
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

from xds.catalog.reading.places import Place, format_path
from xds.catalog.reading.scalars import STANDARD, TAGS, resolve
from xds.catalog.reading.syntax import MAX_DEPTH, TOO_DEEP, explain_syntax
from xds.catalog.text.mistake import Loc
from xds.errors import Problem
from xds.wording import show, suggest

MAX_PROBLEMS = 100
MAX_NODES = 1_000_000
"""Values in one file, each counted as often as aliases repeat it."""

COLLECTIONS: dict[type[Event], str] = {MappingStartEvent: f"{STANDARD}map", SequenceStartEvent: f"{STANDARD}seq"}
BROKEN: Final = type("Broken", (), {"__repr__": lambda _: "BROKEN"})()
"""Stands for a value that could not be read; the mistake was reported before."""

MERGE = "<<"


@dataclass(frozen=True, slots=True)
class Tree:
    """A YAML text's one document: its value, the places of everything in it, and the problems that were found.

    `incomplete` has the paths of the values that could be read only in part. `spelled` has true and false that are
    written in capitals, by line and column. The document is not `whole` when reading had to stop before the end; the
    value is then None. `has_anchors` is whether it has any, used or not.
    """

    value: Any
    place: Place
    problems: tuple[Problem, ...]
    incomplete: frozenset[Loc] = frozenset()
    spelled: Mapping[tuple[int, int], str] = field(default_factory=dict)
    whole: bool = True
    has_anchors: bool = False


def parse_yaml(text: str, source: str = "") -> Tree:
    """Read a YAML text that `syntax.decode` returned; never raises. `source` is its file's name."""
    builder = _Builder(source)
    loader = yaml.CSafeLoader(text)
    try:
        while (event := loader.get_event()) is not None:
            builder.on_event(event)
    except _Stop:
        return Tree(None, (1, 1, None), tuple(builder.problems), whole=False)
    except yaml.YAMLError as error:
        return Tree(None, (1, 1, None), (*builder.problems, explain_syntax(error, text, source)), whole=False)
    finally:
        loader.dispose()
    value, place = builder.root
    incomplete = frozenset(builder.incomplete)
    has_anchors = builder.has_anchors
    return Tree(value, place, tuple(builder.problems), incomplete, builder.spelled, has_anchors=has_anchors)


class _Stop(Exception):  # noqa: N818
    """Nothing more can be read; the mistake was reported before."""


@dataclass(frozen=True, slots=True)
class _Anchored:
    """A value that aliases may repeat: how many values it holds with itself, and how deep they are nested."""

    value: Any
    place: Place
    size: int
    height: int


@dataclass(slots=True)
class _Frame:
    """A collection that is being read; `before` is the number of values before it.

    A mapping's `key` is the key whose value comes next; None if that value is dropped.
    """

    value: Any
    children: Any
    line: int
    column: int
    anchor: str | None
    before: int
    is_list: bool
    height: int = 1
    awaits_value: bool = False
    key: str | None = None
    merging: bool = False
    key_line: int = 0
    key_column: int = 0
    merged: list[tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=list)


class _Builder:
    """Builds values out of events; `root` is the document's value and place.

    A large catalog consists mostly of scalars, so only a value and a place are made for each.
    """

    def __init__(self, source: str) -> None:
        self.root: tuple[Any, Place] = (None, (1, 1, None))
        self.problems: list[Problem] = []
        self.incomplete: set[Loc] = set()
        self.spelled: dict[tuple[int, int], str] = {}
        self._source = source
        self._frames: list[_Frame] = []
        self._anchors: dict[str, _Anchored | None] = {}  # None while the anchored value is being read
        self._nodes = 0
        self._documents = 0

    @property
    def has_anchors(self) -> bool:
        """Whether any anchor was read."""
        return bool(self._anchors)

    def on_event(self, event: Event) -> None:
        """Handle one event of libyaml."""
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

    def _refuse(self, event: Any, message: str) -> None:
        self._refuse_at(event.start_mark.line + 1, event.start_mark.column + 1, message)

    def _stop(self, event: Any, message: str) -> NoReturn:
        self._refuse(event, message)
        raise _Stop

    def _refuse_at(self, line: int, column: int, message: str, key: str | None = None) -> None:
        """Note that something cannot be read in the value that is being read, or in that of its `key`."""
        loc = self._loc()
        self.problems.append(Problem(self._source, line, column, format_path(loc), message))
        self.incomplete.add(loc if key is None else (*loc, key))
        if len(self.problems) >= MAX_PROBLEMS:
            raise _Stop

    def _loc(self) -> Loc:
        steps: list[str | int] = []
        for frame in self._frames:
            if frame.is_list:
                steps.append(len(frame.value))
            elif frame.awaits_value and frame.key is not None:
                steps.append(frame.key)
        return tuple(steps)

    def _count(self, event: Event, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            self._stop(event, f"the file holds more than {MAX_NODES} values, aliases expanded: split it")

    def _nest(self, event: Event, height: int) -> None:
        if len(self._frames) + height > MAX_DEPTH:
            self._stop(event, TOO_DEEP)

    def _add_scalar(self, event: Any) -> None:
        text, tag, mark = event.value, event.tag, event.start_mark
        is_plain = tag is None and event.implicit[0]
        if is_plain:
            value = resolve(text)
        elif tag is None or tag == "!" or tag == f"{STANDARD}str":
            value = text
        elif tag in TAGS and TAGS[tag](value := resolve(text)):
            pass
        else:
            value = BROKEN
            self._refuse(event, _explain_tag(tag, text))
        self._count(event, 1)
        place = (mark.line + 1, mark.column + 1, None)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(value, place, 1, 0)
        if value is not text and is_plain and text:
            if self._awaits_key:
                value = text  # a key is what is written: `1.10` and `1.1` are two
            elif (value is True or value is False) and not text.islower():
                self.spelled[place[:2]] = text
        if text and text != MERGE:
            self._add(value, place)
        else:
            self._add(value, place, is_merge=is_plain and bool(text), is_blank=value is None)

    @property
    def _awaits_key(self) -> bool:
        return bool(self._frames) and not self._frames[-1].is_list and not self._frames[-1].awaits_value

    def _add_alias(self, event: Any) -> None:
        place = (event.start_mark.line + 1, event.start_mark.column + 1, None)
        if event.anchor not in self._anchors:
            near = suggest(event.anchor, self._anchors)
            self._refuse(event, f"no anchor &{event.anchor} stands before this alias in this file{near}")
            self._add(BROKEN, place)
        elif (node := self._anchors[event.anchor]) is None:
            self._refuse(event, f"the alias *{event.anchor} stands inside its own anchor: it would never end")
            self._add(BROKEN, place)
        else:
            self._count(event, node.size)
            self._nest(event, node.height)
            self._add(node.value, (*place[:2], node.place[2]) if self._awaits_key else node.place, node.height)

    def _open(self, event: Any, kind: type[Event]) -> None:
        if event.tag not in (None, "!", COLLECTIONS[kind]):
            self._refuse(event, _explain_tag(event.tag))
        before, mark, is_list = self._nodes, event.start_mark, kind is SequenceStartEvent
        self._count(event, 1)
        self._nest(event, 1)
        new = list if is_list else dict
        self._frames.append(_Frame(new(), new(), mark.line + 1, mark.column + 1, event.anchor, before, is_list))
        if event.anchor is not None:
            self._anchors[event.anchor] = None

    def _close(self) -> None:
        frame = self._frames.pop()
        for values, children in frame.merged:
            for key, value in values.items():
                if key not in frame.value:
                    frame.value[key], frame.children[key] = value, children[key]
        place = (frame.line, frame.column, frame.children)
        if frame.anchor is not None:
            self._anchors[frame.anchor] = _Anchored(frame.value, place, self._nodes - frame.before, frame.height)
        self._add(frame.value, place, frame.height)

    def _add(
        self, value: Any, place: Place, height: int = 0, *, is_merge: bool = False, is_blank: bool = False
    ) -> None:
        """Put a value where it belongs: into the collection that is being read, or at the root."""
        if not self._frames:
            self.root = (value, place)
            return
        frame = self._frames[-1]
        if height >= frame.height:
            frame.height = height + 1
        if frame.is_list:
            frame.value.append(value)
            frame.children.append(place)
        elif not frame.awaits_value:
            frame.awaits_value = True
            self._add_key(frame, value, place, is_merge=is_merge)
        else:
            frame.awaits_value = False
            if frame.merging:
                frame.merging = False
                self._merge(frame, value, place)
            elif frame.key is not None:
                # A value that is left out has no place but its key's.
                line, column = frame.key_line, frame.key_column
                frame.value[frame.key] = value
                frame.children[frame.key] = (line, column, (line, column, None) if is_blank else place)

    def _add_key(self, frame: _Frame, key: Any, place: Place, *, is_merge: bool) -> None:
        frame.key = None
        frame.key_line, frame.key_column, children = place
        if is_merge:
            if frame.merged:
                self._refuse_at(frame.key_line, frame.key_column, "`<<` is given twice: write `<<: [*one, *other]`")
            frame.merging = True
        elif type(key) is not str:
            if key is not BROKEN:
                is_number = children is None and key is not None  # an alias's or a tag's
                what = f'write "{show(key)}" in quotes' if is_number else "write a word before the colon"
                if isinstance(key, dict):
                    what += "; nothing is filled in for {{ }}"
                self._refuse_at(frame.key_line, frame.key_column, f"a key must be text, found {show(key)}: {what}")
        elif key in frame.value:
            line, column, _ = frame.children[key]
            message = f"{show(key)} is given twice: first at line {line}, column {column}"
            self._refuse_at(frame.key_line, frame.key_column, message, key)
        else:
            frame.key = key

    def _merge(self, frame: _Frame, value: Any, place: Place) -> None:
        """Keep the keys from `<<` until all keys of the mapping itself are known, which have precedence."""
        brought = [(value, place)]
        if isinstance(value, list) and isinstance(place[2], list):
            brought = list(zip(value, place[2], strict=True))
        for value, (line, column, below) in brought:
            if isinstance(value, dict) and isinstance(below, dict):
                frame.merged.append((value, below))
            elif value is not BROKEN:
                self._refuse_at(line, column, f"`<<` takes a mapping, or a list of them, found {show(value)}")


def _explain_tag(tag: str, text: str | None = None) -> str:
    name = tag.replace(STANDARD, "!!")
    if text is not None and tag in TAGS:
        return f"{show(text)} is not what the tag {name} says"
    if "include" in name:
        return f"the tag {show(name)} has no meaning here: all files of a folder are one catalog, make it one of them"
    if "env" in name.lower():
        return f"the tag {show(name)} has no meaning here: write the value itself, or fill in the file before"
    return f"the tag {show(name)} has no meaning here: leave it out"
