"""The brake for instances: whether an update takes away so many that the source is probably at fault.

Single instances go at any moment, and so may all of a service: its deployment is scaled down. But a source that has
nothing at all any more, or nothing for most of its services, has more likely lost its own data.
"""

from collections.abc import Mapping

LEAST = 4
"""Of fewer instances all may go, and of fewer services the instances of all."""


def takes_too_much(before: Mapping[str, int], gone: Mapping[str, int], come: Mapping[str, int], share: float) -> bool:
    """Whether a source would lose all of its instances, or those of more than `share` percent of its services.

    `before` is the number of instances by service; `gone` and `come` are the numbers that go and are new.
    """
    if len(gone) < len(before) and 100 * len(gone) <= share * len(before):
        return False
    emptied = sum(number >= before.get(name, 0) and not come.get(name) for name, number in gone.items())
    if len(before) >= LEAST and 100 * emptied > share * len(before):
        return True
    return emptied == len(before) and not any(come.values()) and sum(before.values()) >= LEAST
