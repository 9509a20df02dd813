"""What an operator or a program does wrongly to the files of a catalog. None of it may change what is served."""

from collections.abc import Callable
from random import Random
from typing import Final

from tests.envoy_server.chaos.world import FILES, MAIN, World

Mistake = Callable[[str], str]

OWN: Final[dict[str, Mistake]] = {
    "ends in its middle": lambda text: text[: len(text) // 2],
    "has a bracket alone": lambda _: "services: [\n",
    "has an unknown key": lambda text: text.replace("{", '{"survices": {}, ', 1),
    "has a wrong value": lambda text: text.replace("{", '{"mesh": {"brake": "much"}, ', 1),
    "has a byte that is no text": lambda text: text.replace("{", '{"\udcff": 1, ', 1),
    "has a tab": lambda text: f"services:\n\tnone: {text}",
    "is not YAML": lambda text: f"<html>{text}",
}
"""Mistakes that one file can have alone. `\\udcff` is written as the byte 0xff."""


def make_mistake(world: World, chance: Random) -> tuple[str, dict[str, str | None]]:
    """Return the words for a mistake, and the files that have it."""
    files = world.files()
    if chance.random() < 0.2:
        return f"{MAIN} names a missing service", {MAIN: files[MAIN].replace('"to": ', '"fallback": "missing", "to": ')}
    if chance.random() < 0.2:
        name = chance.choice(world.names)
        return f"two files have {name}", {"twice.yaml": f"services: {{{name}: {{}}}}\n"}
    file = chance.choice([MAIN, *FILES])
    words = chance.choice(list(OWN))
    return f"{file} {words}", {file: OWN[words](files[file])}


def lose_files(world: World) -> dict[str, str | None]:
    """Return the deletion of every file."""
    return dict.fromkeys(world.files())
