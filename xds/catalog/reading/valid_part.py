"""The valid part of a service or gateway with mistakes: what remains without them.

The model checks rules over a whole list or mapping only when every part of it is valid. So each reported mistake is
removed, or replaced by a value that breaks no rule, and the rest is validated again. Each field's annotation `IfWrong`
defines how. Nothing here runs for a service or gateway without mistakes, and
nothing of a valid part is ever served.
"""

from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from xds.catalog.fields import KEY, Field, find_field, walk
from xds.catalog.text.field import LEFT_OUT
from xds.catalog.text.mistake import Loc, Mistake, Mistakes
from xds.wording import suggest

GONE = object()
"""What stands in a place that is no more: what was around it has been replaced, for a mistake of its own."""


class ValidPart:
    """One service's or gateway's value, and the ways in it that lead to what is `broken`: there nothing is known."""

    def __init__(self, kind: str, value: object) -> None:
        self.value: Any = _copy(value)
        self.broken: set[Loc] = set()
        self._above: Loc = (kind, "")
        self._unknown: set[Loc] = set()  # lists of which nothing is known

    def remove(self, errors: ValidationError) -> None:
        """Remove the mistakes that were found from the value."""
        for error in errors.errors(include_url=False):
            if error["type"] == "unexpected_keyword_argument":
                self._remove_key(error["loc"])
            elif error["type"] == "too_long" and self._cut(error["loc"]) is None:
                self._shorten(error["loc"], error["ctx"]["max_length"])
            elif error["type"] != "too_short" or not error["input"]:
                for loc, is_rule in self._locate(error):
                    self._remove_value(loc, is_rule=is_rule)
        for loc in self.broken:
            settle = self._field(loc).if_wrong.settle if loc and not self._is_unknown(loc) else None
            if settle is not None and isinstance(owner := self._find(loc[:-1]), dict):
                settle(owner)
        self._remove_emptied()

    def is_replaced(self, mistake: Mistake) -> bool:
        """Whether a mistake of the valid part is about the stand-in of an item, which clashes with another item."""
        start = len(self._above)
        items = (loc[start:] for loc in (mistake.loc, mistake.see) if loc and isinstance(loc[-1], int))
        return any(loc in self.broken for loc in items)

    def _locate(self, error: ErrorDetails) -> list[tuple[Loc, bool]]:
        """Return the places that an error concerns, and for each whether no value may be there."""
        loc, cause = error["loc"], error.get("ctx", {}).get("error")
        found = [(loc, False)]
        if isinstance(cause, Mistakes):
            found = [((*loc, *mistake.loc), self._cut(loc) is None) for mistake in cause.found]
        return [(self._cut(one) or one, is_rule and self._cut(one) in (None, one)) for one, is_rule in found]

    def _cut(self, loc: Loc) -> Loc | None:
        """Return the path to the `whole` value around `loc`, which is wrong if a part is; None without one."""
        for depth, field in enumerate(walk((*self._above, *loc)), -len(self._above)):
            if field.if_wrong.whole and depth > 0:
                return loc[:depth]
        return None

    def _remove_emptied(self) -> None:
        """Remove mappings that became empty: the mistake in the field that they need was reported already."""
        for name, field in self._field(()).fields.items():
            needs, value = field.if_wrong.needs, self.value.get(name)
            if needs and isinstance(value, dict) and not value.keys() & set(needs):
                del self.value[name]

    def _shorten(self, loc: Loc, length: int) -> None:
        """Leave the first items of a list, or the first keys of a mapping."""
        found = self._find(loc)
        if isinstance(found, list):
            del found[length:]
        elif isinstance(found, dict):
            for key in [*found][length:]:
                del found[key]

    def _remove_key(self, loc: Loc) -> None:
        """Remove an unknown key, and the field that it may have meant, whose value is not known."""
        if (whole := self._cut(loc)) is not None:
            self._remove_value(whole, is_rule=False)
            return
        owner = self._find(loc[:-1])
        if not isinstance(owner, dict):
            return
        owner.pop(loc[-1], None)
        word = str(loc[-1]).partition(":")[0]
        field = self._field(loc[:-1])
        meant = field.find_moved(str(loc[-1]))
        for name in field.fields:
            if name not in owner and (name == meant or suggest(word, [name])):
                self._remove_value((*loc[:-1], name), is_rule=True)

    def _remove_value(self, loc: Loc, *, is_rule: bool) -> None:
        if loc and loc[-1] == KEY:
            if isinstance(owner := self._find(loc[:-2]), dict):
                owner.pop(loc[-2], None)
            return
        if self._find(loc[:-1]) is GONE or self._is_unknown(loc):
            return
        while loc and not isinstance(self._find(loc[:-1]), dict | list):
            loc = loc[:-1]  # what is short for a mapping
        if loc in self.broken and self._is_item(loc):
            loc = loc[:-1]  # its stand-in is wrong beside another item: nothing is known of the list
            self._unknown.add(loc)
        field = self._field(loc)
        if field.if_wrong.identifies and isinstance(loc[-2:][0], int):
            loc, field = loc[:-1], self._field(loc[:-1])
        self.broken.add(loc)
        self._replace(loc, field, is_rule=is_rule)

    def _replace(self, loc: Loc, field: Field, *, is_rule: bool) -> None:
        """Put a stand-in in the place of a value, or nothing if it may be left out."""
        if not loc:
            self.value = _stand_in(field)
            return
        owner, step = self._find(loc[:-1]), loc[-1]
        if isinstance(owner, list):
            if int(step) < len(owner):
                owner[int(step)] = _replace_item(field, int(step), owner[int(step)])
        elif field.if_wrong.stand_in is not LEFT_OUT and not (is_rule and _is_spare(field, str(step), owner)):
            owner[step] = _stand_in(field)
        else:
            owner.pop(step, None)

    def _is_unknown(self, loc: Loc) -> bool:
        return any(loc[:depth] in self._unknown for depth in range(len(loc)))

    def _is_item(self, loc: Loc) -> bool:
        return bool(loc) and isinstance(self._find(loc[:-1]), list)

    def _find(self, loc: Loc) -> Any:
        """Return the value in a place: None inside what is short for a mapping, GONE where there is no such place."""
        found = self.value
        for step in loc:
            if isinstance(found, dict):
                found = found.get(step, GONE)
            elif isinstance(found, list):
                found = found[step] if isinstance(step, int) and step < len(found) else GONE
            elif found is not GONE:
                found = None
        return found

    def _field(self, loc: Loc) -> Field:
        return find_field((*self._above, *loc))


def _is_spare(field: Field, name: str, owner: Any) -> bool:
    """Whether a value may be left out: it is not wanted, or there is another in its place."""
    if field.if_wrong.alternatives:
        return any(alternative in owner for alternative in field.if_wrong.alternatives)
    return name in owner or not field.if_wrong.wanted


def _replace_item(field: Field, index: int, item: object) -> object:
    """Return the replacement for an item. A mapping keeps only the fields that identify it, if it has any."""
    stand_in = _stand_in(field, index)
    identity = [name for name, one in field.fields.items() if one.if_wrong.identifies]
    if identity and isinstance(item, dict) and field.fields.keys() & item.keys():
        return {**item, **{name: stand_in[name] for name in identity}}
    return stand_in


def _stand_in(field: Field, index: int = 0) -> Any:
    found = field.if_wrong.stand_in
    if found is LEFT_OUT:
        return None
    return found(index) if callable(found) else _copy(found)


def _copy(value: Any) -> Any:
    """Copy lists and mappings, which aliases may share with others."""
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value
