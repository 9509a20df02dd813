"""An edit within one route or one service is read alone. The result is that of reading the whole document."""

import random
from collections.abc import Iterator
from itertools import product

import pytest

from tests.catalog.catalogs import make_document
from tests.sampling import is_whole
from xds.catalog.assembly import workspace
from xds.catalog.assembly.workspace import Workspace
from xds.catalog.reading import edit
from xds.catalog.reading.edit import reuse_ends
from xds.catalog.reading.fragment import Fragment, parse_edit, parse_fragment
from xds.sources.document import Document

TEXT = """
services:
  web:
    endpoints: ["10.0.0.1:1"]
    timeouts:
      request: 3s
  # the next one
  api: {endpoints: ["10.0.0.2:2"]}

  "users":
    routes:
      - prefix: /a
        to: api
mesh: {strangers: serve}
gateways:
  edge:
    listeners:
    - port: 1
      routes:
      - {prefix: /a, to: web}
      # a comment
      -   prefix: /b
          to:
            web: 1
            api: 2

      - {host: "*.b.test", to: api}
      tls: off
    - port: 2
      routes: [{to: web}]
    -
      port: 3
      routes:
        -
          {to: web, path: /}
        - to: api
          prefix: /c
  other:
    port: 4
    routes:
    - to: web
      prefix: /long
    - to: web
      prefix: |-
        /x
    trusted_hops: 1
    limits: {buffer: 1MB}
"""

LINES = (
    r"""
#
x
- x
  x: 1
---
...
%YAML 1.1
  - {to: web}
    - {to: api, prefix: /z}
      - {to: web}
      - {prefix: /a, to: api}
      - {prefix: /a, to: web, timeout: 1s}
      - {prefix: /b, to: web}
      - {prefix: /a, rate_limit: {requests: 1, per: 1s}, to: web}
      - &a {to: web}
      - *a
      - {to: web
      -
      - to: web
      - prefix: >
      - - to: web
      - ? to
      - [to]
      - !!str x
      - {to: nobody}
      - {prefix: "
      - {prefix: '/q', to: web}  # more
      - {prefix: /q, to: web}RETURN
      port: 7
    - port: 9
          to: api, x
  api: {endpoints: ["10.0.0.2:3"]}
  apo: {}
  api:
  api: &b {}
  api: |
  web: {}
   api: {}
      request: 4s
      request: 4s # more
      request: four
      request: 4sSEPARATOR
    balance: random
            web: 7
            api: 0
          prefix: /c*
          prefix: /d
        /y
       /y
      prefix: /longer
      prefix: /longNEXT
gateways: {}
mesh: {strangers: refuse}
TABx""".replace("RETURN", "\r")
    .replace("SEPARATOR", "\u2028")
    .replace("NEXT", "\x85")
    .replace("TAB", "\t")
    .split("\n")
)
"""What is written in the place of each line."""


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Take a small document for a large one. Return a list that grows with each document that is read as a whole."""
    read: list[str] = []
    monkeypatch.setattr(edit, "LEAST_SIZE", 0)

    def parse(document: Document) -> Fragment:
        read.append(document.name)
        return parse_fragment(document)

    monkeypatch.setattr(workspace, "parse_fragment", parse)
    return read


@pytest.mark.usefixtures("whole")
def test_a_part_that_is_read_alone_is_read_as_in_the_whole() -> None:
    """Lines of a document are replaced by others, and single signs."""
    before = parse_fragment(make_document(TEXT))
    assert not before.problems
    assert [span.loc[1:] for span in before.spans] == [
        *[("web",), ("api",), ("users",)],
        *[("edge", "listeners", 0, "routes", place) for place in range(3)],
        *[("other", "routes", place) for place in range(2)],
    ]
    texts, found = [*edit_lines(), *edit_signs()], 0
    for text in texts if is_whole() else random.Random(3).sample(texts, 1500):
        document = make_document(text)
        alone = parse_edit(before, document)
        found += alone is not None
        assert alone in (None, parse_fragment(document)), text
    assert found > (1000 if is_whole() else 50)


def edit_lines() -> Iterator[str]:
    """Yield the document with other lines: one, or two."""
    lines = TEXT.split("\n")
    for place, other in product(range(len(lines)), LINES):
        for more in ([], ["          to: api"], [lines[place]]):
            yield "\n".join([*lines[:place], other, *more, *lines[place + 1 + bool(more) :]])


def edit_signs() -> Iterator[str]:
    """Yield the document with one other sign, or one more or less."""
    for place, sign in product(range(len(TEXT)), "\n -:,{}[]'\"#&*|>?!%x7"):
        yield from (TEXT[:place] + sign + TEXT[place + 1 :], TEXT[:place] + sign + TEXT[place:])
    yield from (TEXT[:place] + TEXT[place + 1 :] for place in range(len(TEXT)))


def test_an_edit_of_one_route_leaves_the_others(whole: list[str]) -> None:
    """The others are the identical objects: also if the whole had to be read, since a line was added."""
    files = Workspace()
    before = files.update({"c.yaml": make_document(TEXT)})
    route = "      - {prefix: /a, to: web}"
    after = files.update({"c.yaml": make_document(TEXT.replace(route, route.replace("web", "api")))})
    assert whole == ["c.yaml"]
    was, now = (catalog.gateways["edge"].listeners for catalog in (before, after))
    assert [one is other for one, other in zip(was[0].routes, now[0].routes, strict=True)] == [False, True, True]
    assert now[0].routes[0].to == {"api": 1}
    assert (was[1], was[2]) == (now[1], now[2])
    assert before.gateways["other"] is after.gateways["other"]
    added = files.update({"c.yaml": make_document(TEXT.replace(route, f"      - {{to: api, path: /}}\n{route}"))})
    assert whole == ["c.yaml", "c.yaml"]
    assert [one in map(id, now[0].routes) for one in map(id, added.gateways["edge"].listeners[0].routes)] == [
        *[False, False, True, True]
    ]


@pytest.mark.parametrize(
    ("old", "new"), [("abc", "abc"), ("abc", "axbc"), ("abc", "ab"), ("aab", "ab"), ("", "a"), ("a", "")]
)
def test_equal_ends_are_reused(old: str, new: str) -> None:
    """The items stay those of the new list. If nothing changed, it is the old one."""
    was = tuple(old)
    found = reuse_ends(was, tuple(new))
    assert found == tuple(new)
    assert (found is was) == (old == new)
