"""Writes a status as a table for a terminal, and as plain lines for a pipe."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from xds.cli.admin_client import Json, printable

COLOURS = {"SYNCED": "green", "STALE": "yellow", "NACKED": "bold red"}
HEADINGS = {
    "Secret": "SDS",
    "Cluster": "CDS",
    "ClusterLoadAssignment": "EDS",
    "Listener": "LDS",
    "RouteConfiguration": "RDS",
}
"""The heading of each type's column: the short name of its discovery service."""

WORST_FIRST = ("NACKED", "STALE", "SYNCED")
WIDE, WIDEST = 96, 150
"""The terminal widths from which on cells show the time of the last push, and also counts and versions."""

HELD_REASONS = {
    "refused": "until what it refused is corrected or removed: {refused}",
    "draining": "while connections of earlier listeners end",
    "unanswered": "until it has answered",
}

SHOWN_NAMES = 5
SHORT_VERSION, FULL_VERSION = 7, 16


def draw(status: Json, width: int) -> RenderableType:
    """Return a table with one line per client, the worst state first, and remarks below. `width` is in columns."""
    clients = sorted(status["clients"], key=lambda client: WORST_FIRST.index(client["state"]))
    types = _types(clients)
    parts: list[RenderableType] = []
    if clients:
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
        for heading in _headings(clients, width):
            table.add_column(heading, overflow="fold" if heading in ("NODE", "CLUSTER") else "ellipsis")
        for kind in types:
            table.add_column(HEADINGS.get(kind, kind), no_wrap=True)
        for client in clients:
            of_type = {one["type"]: one for one in client["types"]}
            words = _describe(client, status["now"])
            cells = [Text(words[heading]) for heading in _headings(clients, width)]
            table.add_row(*cells, *(_cell(of_type.get(kind), status["now"], width) for kind in types))
        parts += [table, ""]
    for line, style in _remarks(status):
        parts.append(Text(line, style))
    return Group(*parts)


def write_lines(status: Json) -> Iterator[str]:
    """Yield a status as lines that always have the same columns, for `grep`, `awk` and logs."""
    clients = status["clients"]
    if clients:
        types = _types(clients)
        headings = ["NODE", "CLUSTER", "LOCALITY", "VARIANT", "CLIENT", "SINCE"]
        rows = [[*headings, *(HEADINGS.get(kind, kind) for kind in types)]]
        for client in clients:
            of_type = {one["type"]: one for one in client["types"]}
            words = _describe(client, status["now"])
            cells = (_write_cell(of_type.get(kind), status["now"], FULL_VERSION) for kind in types)
            rows.append([*(words[heading] or "-" for heading in headings), *cells])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        yield ""
    yield from (line for line, _ in _remarks(status))


def write_not_synced(status: Json) -> Iterator[str]:
    """Yield a status as lines, without the clients that are SYNCED."""
    not_synced = [client for client in status["clients"] if client["state"] != "SYNCED"]
    *lines, _ = write_lines({**status, "clients": not_synced})
    yield from lines
    yield _summarize(status)


def _headings(clients: Sequence[Json], width: int) -> list[str]:
    """Return the headings of the columns; LOCALITY only if a client has one and the terminal is wide enough."""
    headings = ["NODE", "CLUSTER", "LOCALITY", "VARIANT", "CLIENT", "SINCE"]
    if width < WIDE or not any(client["locality"] for client in clients):
        headings.remove("LOCALITY")
    return headings


def _describe(client: Json, now: str) -> dict[str, str]:
    return {
        "NODE": printable(client["node_id"]),
        "CLUSTER": printable(client["cluster"]),
        "LOCALITY": printable(client["locality"]),
        "VARIANT": client["variant"],
        "CLIENT": printable(client["user_agent"]),
        "SINCE": _age(client["connected_at"], now),
    }


def _cell(of_type: Json | None, now: str, width: int) -> Text:
    if of_type is None:
        return Text("-", "dim")
    words = _write_cell(of_type, now, SHORT_VERSION) if width >= WIDE else of_type["state"]
    state, space, rest = words.partition(" ")
    if width < WIDEST:
        rest = rest.partition(" ")[0]
    return Text.assemble((state, COLOURS[state]), space, rest)


def _write_cell(of_type: Json | None, now: str, digits: int) -> str:
    """Return a cell: the state, the time since the last push, the accepted and wanted resources, and the version."""
    if of_type is None:
        return "-"
    pushed = _age(of_type["last_push_at"], now) if of_type["last_push_at"] else "-"
    counts = f"{of_type['resources']['accepted']}/{of_type['resources']['wanted']}"
    return f"{of_type['state']} {pushed} {counts} {of_type['version_info'][:digits]}"


def _remarks(status: Json) -> Iterator[tuple[str, str]]:
    """Yield lines, with their styles, about what is refused and what is missing, and the summary."""
    for client in status["clients"]:
        for of_type in client["types"]:
            if nack := of_type["nack"]:
                what = _names([one["name"] for one in nack["resources"]], nack["resource_count"])
                since = f" {_age(nack['at'], status['now'])} ago" if nack["at"] else ""
                kept = any(one["accepted_version_info"] for one in nack["resources"])
                then = "keeps what it accepted before" if kept else "has accepted none of it yet"
                who = printable(client["node_id"])
                yield f"{who} NACKED {of_type['type']} {what}{since} and {then}:", "bold red"
                yield from ((f"  {printable(line)}", "") for line in nack["message"].splitlines())
            if missing := of_type["resources"]["missing"]:
                names = _names(missing, of_type["resources"]["missing_count"])
                yield f"{printable(client['node_id'])} asks for {of_type['type']} {names}: there is none", "yellow"
        yield from _write_held(client)
    catalog = status["catalog"]
    if not catalog["ok"]:
        files = _names(catalog["refused_files"], len(catalog["refused_files"]))
        yield f"not served in its current state, see `xds check`: {files}", "bold red"
    for number in status.get("silent_workers", ()):
        yield f"worker {number} did not answer: its clients are missing here", "bold red"
    yield _summarize(status), "dim"


def _write_held(client: Json) -> Iterator[tuple[str, str]]:
    """Yield a line for each reason why a client still has what the catalog no longer has."""
    groups: dict[tuple[bool, str, str], list[str]] = {}
    for one in client.get("held", ()):
        refused = _names(one["refused"], len(one["refused"]))
        name = f"{one['type']} {one['name']}"
        groups.setdefault((one["removed"], one["reason"], refused), []).append(name)
    for (removed, reason, refused), names in groups.items():
        kept = f"{'removed' if removed else 'the previous'} {_names(names, len(names))}"
        why = HELD_REASONS[reason].format(refused=refused)
        yield f"{printable(client['node_id'])} keeps {kept} {why}", "yellow"


def _summarize(status: Json) -> str:
    clients = status["clients"]
    counts = {state: sum(client["state"] == state for client in clients) for state in WORST_FIRST}
    states = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
    held = status["catalog"]
    what = ", ".join(f"{held[kind]} {kind[:-1] if held[kind] == 1 else kind}" for kind in ("services", "gateways"))
    connected = f"{len(clients)} client{'' if len(clients) == 1 else 's'}: {states}" if clients else "no client"
    return f"{connected} | {what}"


def _types(clients: Sequence[Json]) -> list[str]:
    """Return the types that any client subscribed to, in the order of HEADINGS."""
    found = {of_type["type"] for client in clients for of_type in client["types"]}
    return [kind for kind in HEADINGS if kind in found]


def _names(names: Sequence[str], count: int) -> str:
    shown = ", ".join(map(printable, names[:SHOWN_NAMES]))
    return f"{shown} and {count - SHOWN_NAMES} more" if count > SHOWN_NAMES else shown


def _age(then: str, now: str) -> str:
    """Return the time between two times of the server, such as `12s`, `3m`, `5h` or `9d`."""
    seconds = max(0.0, (datetime.fromisoformat(now) - datetime.fromisoformat(then)).total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"
