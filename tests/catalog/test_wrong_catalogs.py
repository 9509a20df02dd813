"""The standing record of what people write wrongly, with every message about it: `wrong_catalogs.txt`.

Each row is a catalog, then its messages after `>> `. A mistake has one message, which says where it is, what it is and
how it is mended. `python -m tests.catalog.test_wrong_catalogs` writes the messages anew, to be read as a difference.
"""

from pathlib import Path

from tests.cases import each
from tests.catalog.catalogs import find_problems

TABLE = Path(__file__).with_name("wrong_catalogs.txt")
SEPARATOR = "\n===\n"
SIGN = ">> "


def read_rows() -> list[tuple[str, list[str]]]:
    """Return the catalogs, each with its messages."""
    rows = []
    for row in TABLE.read_text(encoding="utf-8").removesuffix("\n").split(SEPARATOR):
        lines = row.split("\n")
        rows.append(
            (
                "\n".join(line for line in lines if not line.startswith(SIGN)),
                [line.removeprefix(SIGN) for line in lines if line.startswith(SIGN)],
            )
        )
    return rows


def write_rows() -> None:
    """Write the messages anew."""
    rows = ("\n".join([text, *(f"{SIGN}{problem}" for problem in find_problems(text))]) for text, _ in read_rows())
    TABLE.write_text(SEPARATOR.join(rows) + "\n", encoding="utf-8")


@each(read_rows())
def test_a_wrong_catalog_has_these_messages(text: str, messages: list[str]) -> None:
    """The messages are exactly those of the table, in their order."""
    assert messages
    assert find_problems(text) == messages


def test_most_wrong_catalogs_have_one_message() -> None:
    """Rows with more are catalogs with several mistakes."""
    rows = read_rows()
    assert len(rows) >= 250
    assert sum(len(messages) == 1 for _, messages in rows) >= len(rows) * 0.85


if __name__ == "__main__":
    write_rows()
