"""Says what the keys of other programs are here, with the values that were written beside them.

What each key is stands in the model, in the annotation `Moved`. A value is repeated in a hint only if our field takes
it. Keys that together make one value, as `cert` and `key`, have one hint.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from xds.catalog.fields import Field, find_field
from xds.catalog.text.foreign import Fields, Here, Said, merge
from xds.wording import show


class Hint(NamedTuple):
    """What a key is here, and the fields that its value is; None if that has no translation."""

    here: Here
    fields: Mapping[Any, Any] | None


def explain_foreign(above: Field, keys: Sequence[tuple[str, object]]) -> str | None:
    """Return where to write what unknown keys of a mapping are for, given with their values; None if not known."""
    [(key, value), *others] = keys
    hint = find_hint(above, key, value)
    if not isinstance(hint, Hint):
        return hint
    fields: Any = hint.fields
    for other, beside in others:
        more = find_hint(above, other, beside)
        fields = merge(fields, more.fields) if isinstance(more, Hint) else fields
    return hint.here.explain(fields)


def group_foreign(above: Field, keys: Sequence[tuple[str, object]]) -> list[list[tuple[str, object]]]:
    """Return unknown keys of a mapping in groups: those that together make one value are one."""
    groups: list[tuple[Hint | None, list[tuple[str, object]]]] = []
    for key, value in keys:
        hint = find_hint(above, key, value)
        found = hint if isinstance(hint, Hint) and hint.fields else None
        for place, (known, group) in enumerate(groups):
            if known is not None and found is not None and (joined := _join(known, found)) is not None:
                groups[place] = (joined, [*group, (key, value)])
                break
        else:
            groups.append((found, [(key, value)]))
    return [group for _, group in groups]


def _join(one: Hint, other: Hint) -> Hint | None:
    """Return the hint for two keys, if both are parts of one field and say different things of it."""
    if one.here.belongs != other.here.belongs or [*(one.fields or ())] != [*(other.fields or ())]:
        return None
    merged: Any = merge(one.fields, other.fields)
    return None if merged is None or merged == one.fields else Hint(one.here, merged)


def find_hint(above: Field, key: str, value: object) -> Hint | str | None:
    """Return what an unknown key of a mapping is here, or what is to be said of it; None if it is not known."""
    here = above.find_foreign(key)
    if not isinstance(here, Here):
        return here
    meant = here.read(value)
    if isinstance(meant, Said):
        return str(meant)
    fields = meant if isinstance(meant, Fields) else here.fill(value=... if meant is None else meant)
    owner = above if here.at is None else find_field(here.at)
    fits = meant is not None and (owner.fits(fields) or all(owner.fits_at(name, one) for name, one in fields.items()))
    return Hint(here, fields if fits else None)


def explain_keys(above: Field, keys: Sequence[tuple[str, object]]) -> str | None:
    """Return the message about unknown keys of a mapping that other programs have; None if they are not known."""
    if (hint := explain_foreign(above, keys)) is None:
        return None
    names = " and ".join(show(key) for key, _ in keys)
    return f"unknown key{'s' * (len(keys) > 1)} {names}: {hint}"
