"""Filters: Consul's boolean expressions over what an answer lists, as in `Meta.zone == a and not ("v1" in Tags)`.

A shape says what fields the listed documents have: a name of a shape of values, a list of a shape, a mapping with "*"
for any key, or a mapping of fields. An expression about a field that there is not is refused, as one with a mistake is.
"""

import re
from collections.abc import Callable
from typing import Any, Final

from xds.endpoints.registrations.refusal import Refusal

Shape = Any
"""`"text"`, `"number"` or `"flag"`, `[shape]`, `{"*": shape}`, or `{field: shape}`."""

Test = Callable[[Any], bool]

LONGEST = 4096
DEEPEST = 30
TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>"(?:[^"\\]|\\.)*"|`[^`]*`)|(?P<sign>==|!=|\(|\)|\[|\])|(?P<word>[-A-Za-z0-9_./:]+))"""
)
SIGNS: Final = ("==", "!=", "(", ")", "[", "]")


def parse_filter(text: str, shape: Shape) -> Test:
    """Return whether a document of this shape is listed. Raises Refusal."""
    if len(text) > LONGEST:
        raise _refuse(f"an expression may have {LONGEST} characters at most")
    parser = _Parser(text, shape)
    found = parser.parse_or(0)
    if parser.peek() is not None:
        raise _refuse(f"{parser.peek()} is not expected")
    return found


def _refuse(reason: str) -> Refusal:
    return Refusal(f"Failed to create boolean expression evaluator: {reason}", 500)


class _Parser:
    def __init__(self, text: str, shape: Shape) -> None:
        self._shape = shape
        self._tokens: list[str] = []
        self._at = 0
        end = len(text.rstrip())
        at = 0
        while at < end:
            found = TOKEN.match(text, at)
            if found is None:
                raise _refuse(f"{text[at:end][:20]!r} is not expected")
            self._tokens.append(found[0].strip())
            at = found.end()

    def peek(self, ahead: int = 0) -> str | None:
        """Return a token that comes."""
        at = self._at + ahead
        return self._tokens[at] if at < len(self._tokens) else None

    def take(self, *words: str) -> bool:
        """Take these words if they come next, in any case."""
        if [(self.peek(ahead) or "").lower() for ahead in range(len(words))] != [*words]:
            return False
        self._at += len(words)
        return True

    def next(self) -> str:
        """Take the next token."""
        found = self.peek()
        if found is None:
            raise _refuse("the expression ends too early")
        self._at += 1
        return found

    def parse_or(self, depth: int) -> Test:
        """Parse terms with `or` between them."""
        tests = [self.parse_and(depth)]
        while self.take("or"):
            tests.append(self.parse_and(depth))
        return tests[0] if len(tests) == 1 else lambda document: any(test(document) for test in tests)

    def parse_and(self, depth: int) -> Test:
        """Parse factors with `and` between them."""
        tests = [self.parse_not(depth)]
        while self.take("and"):
            tests.append(self.parse_not(depth))
        return tests[0] if len(tests) == 1 else lambda document: all(test(document) for test in tests)

    def parse_not(self, depth: int) -> Test:
        """Parse one comparison, a term in parentheses, or the opposite of such."""
        if depth > DEEPEST:
            raise _refuse("it is nested too deep")
        if self.take("not"):
            inner = self.parse_not(depth + 1)
            return lambda document: not inner(document)
        if self.take("("):
            found = self.parse_or(depth + 1)
            if not self.take(")"):
                raise _refuse("a closing parenthesis is missing")
            return found
        return self._parse_match()

    def _parse_match(self) -> Test:
        first = self.next()
        if self.take("in") or self.take("not", "in"):
            is_not = self._tokens[self._at - 2].lower() == "not"
            steps, shape = self._find(self.next())
            return _negate(_make_in(steps, shape, _unquote(first)), is_not)
        steps, shape = self._find(first)
        if self.take("is", "empty") or self.take("is", "not", "empty"):
            is_not = self._tokens[self._at - 2].lower() == "not"
            return _negate(lambda document: _any(document, steps, lambda value: not value, missing=True), is_not)
        is_not = self.take("not")
        word = self.next().lower()
        value = _unquote(self.next())
        if word == "contains":
            return _negate(_make_in(steps, shape, value), is_not)
        if word == "matches" and shape == "text":
            return _negate(_make_matches(steps, value), is_not)
        if word in ("==", "!=") and not is_not:
            wanted = _convert(value, shape)
            if word == "==":
                return lambda document: _any(document, steps, lambda one: one == wanted, missing=False)
            return lambda document: _any(document, steps, lambda one: one != wanted, missing=True)
        raise _refuse(f"{word} is not a comparison of {first}")

    def _find(self, selector: str) -> tuple[tuple[str, ...], Shape]:
        """Return the steps of a selector, and the shape of what it selects."""
        if selector in SIGNS or selector[0] in '"`':
            raise _refuse(f"{selector} is not a field")
        steps = selector.split(".")
        while self.take("["):
            steps.append(_unquote(self.next()))
            if not self.take("]"):
                raise _refuse("a closing bracket is missing")
        shape = self._shape
        for step in steps:
            while isinstance(shape, list):
                shape = shape[0]
            found = shape.get(step, shape.get("*")) if isinstance(shape, dict) else None
            if found is None:
                raise _refuse(f'Selector "{selector}" is not valid')
            shape = found
        return tuple(steps), shape


def _unquote(token: str) -> str:
    if token[0] == "`":
        return token[1:-1]
    return re.sub(r"\\(.)", r"\1", token[1:-1]) if token[0] == '"' else token


def _negate(test: Test, is_not: bool) -> Test:
    return (lambda document: not test(document)) if is_not else test


def _convert(value: str, shape: Shape) -> object:
    try:
        if shape == "number":
            return int(value)
    except ValueError:
        raise _refuse(f"{value} is not a number") from None
    if shape == "flag":
        return value.lower() in ("1", "t", "true")
    if shape != "text":
        raise _refuse("only texts, numbers and truths are compared")
    return value


def _any(document: Any, steps: tuple[str, ...], test: Test, *, missing: bool) -> bool:
    """Whether a selected value passes; in a list, whether an item does. `missing` is for a key that is not there."""
    if isinstance(document, list) and steps:
        return any(_any(one, steps, test, missing=missing) for one in document)
    if not steps:
        return test(document)
    if not isinstance(document, dict) or steps[0] not in document:
        return missing
    return _any(document[steps[0]], steps[1:], test, missing=missing)


def _make_in(steps: tuple[str, ...], shape: Shape, value: str) -> Test:
    """Return whether a list, a mapping's keys or a text has this."""
    if not isinstance(shape, list | dict) and shape != "text":
        raise _refuse("only lists, mappings and texts contain something")
    return lambda document: _any(document, steps, lambda one: value in (one or ()), missing=False)


def _make_matches(steps: tuple[str, ...], pattern: str) -> Test:
    import re2  # here, since few filters need it

    options = re2.Options()
    options.log_errors = False
    options.max_mem = 2**20
    try:
        compiled = re2.compile(pattern, options)
    except re2.error:
        raise _refuse(f"{pattern[:100]} is not a regular expression") from None
    return lambda document: _any(document, steps, lambda one: compiled.search(one) is not None, missing=False)
