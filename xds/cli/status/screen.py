"""Writes a status as a table for a terminal, and as plain lines for a pipe."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from xds.cli.admin_client import Json
from xds.cli.status.nack_message import shorten
from xds.wording import printable

COLOURS = {"SYNCED": "green", "STALE": "yellow", "KEPT": "yellow", "UNKNOWN": "bold red", "NACKED": "bold red"}
HEADINGS = {
    "Secret": "SDS",
    "Cluster": "CDS",
    "ClusterLoadAssignment": "EDS",
    "Listener": "LDS",
    "RouteConfiguration": "RDS",
}
"""The heading of each type's column: the short name of its discovery service."""

WORST_FIRST = ("NACKED", "UNKNOWN", "KEPT", "STALE", "SYNCED")
UNNAMED = {"UNKNOWN": "is sent nothing and keeps what it has", "KEPT": "keeps what it had"}
"""What clients get whose cluster the catalog does not name, by their state."""

HEADS = ("NODE", "CLUSTER", "LOCALITY", "VARIANT", "CLIENT", "SINCE")
"""The columns of a client: who it is comes first."""

OLDER = "older ones refuse it"
FULL = 3
LAYOUTS = (
    ((), 3),
    ((), 2),
    (("LOCALITY",), 2),
    (("LOCALITY", "CLIENT"), 2),
    (("LOCALITY", "CLIENT"), 1),
    (("LOCALITY", "CLIENT", "SINCE"), 1),
    (("LOCALITY", "CLIENT", "SINCE", "VARIANT"), 1),
    (("LOCALITY", "CLIENT", "SINCE", "VARIANT", "CLUSTER"), 1),
    (("LOCALITY", "CLIENT", "SINCE", "VARIANT"), 0),
    (("LOCALITY", "CLIENT", "SINCE", "VARIANT", "CLUSTER"), 0),
)
"""What a table leaves out until it fits the terminal, and how much a cell tells: of all types the worst state (0), the
state of each (1), also the time of the last push (2), also counts and the version (3). No id is ever wrapped or cut."""

WIDEST = 150
"""The terminal width from which on counts and versions are told: a hash is no help in a narrow table."""

GAP = 2
"""Columns between two cells."""

SHOWN_NAMES = SHOWN_PROBLEMS = 5
HELD_REASONS = {
    "refused": "until what it refused is corrected or removed: {refused}",
    "draining": "while connections of earlier listeners end",
    "unanswered": "until it has answered",
}

SHORT_VERSION, FULL_VERSION = 7, 16


def draw(status: Json, width: int, summary: str | None = None) -> RenderableType:
    """Return a table with one line per client, the worst state first, and remarks below. `width` is in columns.

    `summary` stands in place of the last line, which counts the clients.
    """
    clients = sorted(status["clients"], key=lambda client: WORST_FIRST.index(client["state"]))
    parts: list[RenderableType] = []
    if clients:
        headings, rows = _choose_layout(clients, status["now"], width)
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, GAP, 0, 0))
        for heading in headings:
            table.add_column(heading, no_wrap=True, overflow="ellipsis")
        for row in rows:
            table.add_row(*map(_colour, row))
        parts += [table, ""]
    *remarks, (counted, style) = _remarks(status)
    for line, of_line in [*remarks, (summary or counted, style)]:
        parts.append(Text(line, of_line))
    return Group(*parts)


def _choose_layout(clients: Sequence[Json], now: str, width: int) -> tuple[list[str], list[list[str]]]:
    """Return the headings and the rows of the first layout that fits; of the last one if none does."""
    headings: list[str] = []
    rows: list[list[str]] = []
    for left_out, detail in LAYOUTS:
        if detail == FULL and width < WIDEST:
            continue
        headings, rows = _lay_out(clients, now, left_out, detail)
        if sum(max(map(len, column)) + GAP for column in zip(headings, *rows, strict=True)) - GAP <= width:
            break
    return headings, rows


def _lay_out(
    clients: Sequence[Json], now: str, left_out: Sequence[str], detail: int
) -> tuple[list[str], list[list[str]]]:
    headings = [heading for heading in HEADS if heading not in left_out]
    if not any(client["locality"] for client in clients) and "LOCALITY" in headings:
        headings.remove("LOCALITY")
    types = _types(clients) if detail else []
    rows = []
    for client in clients:
        of_type = {one["type"]: one for one in client["types"]}
        words = _describe(client, now)
        cells = [words[heading] for heading in headings]
        states = [_cut(client, of_type.get(kind), now, detail) for kind in types] if detail else [client["state"]]
        rows.append([*cells, *states])
    return [*headings, *(HEADINGS.get(kind, kind) for kind in types), *(() if detail else ("STATE",))], rows


def _cut(client: Json, of_type: Json | None, now: str, detail: int) -> str:
    """Return as much of a cell as a layout has room for."""
    words = _write_cell(client, of_type, now, SHORT_VERSION)
    return words if detail == FULL else " ".join(words.split(" ")[:detail])


def _colour(cell: str) -> Text:
    state, space, rest = cell.partition(" ")
    return Text.assemble((state, COLOURS.get(state, "dim" if state == "-" else "")), space, rest)


def write_lines(status: Json) -> Iterator[str]:
    """Yield a status as lines that always have the same columns, for `grep`, `awk` and logs."""
    clients = status["clients"]
    if clients:
        types = _types(clients)
        rows = [[*HEADS, *(HEADINGS.get(kind, kind) for kind in types)]]
        for client in clients:
            of_type = {one["type"]: one for one in client["types"]}
            values = _describe(client, status["now"])
            cells = (_write_cell(client, of_type.get(kind), status["now"], FULL_VERSION) for kind in types)
            rows.append([*(values[heading] or "-" for heading in HEADS), *cells])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        yield ""
    yield from (line for line, _ in _remarks(status))


def write_not_synced(status: Json) -> Iterator[str]:
    """Yield a status as lines, without the clients that are SYNCED."""
    *lines, _ = write_lines(leave_out_synced(status))
    yield from lines
    yield _summarize(status)


def draw_not_synced(status: Json, width: int) -> RenderableType:
    """Return a table of the clients that are not SYNCED, and remarks below."""
    return draw(leave_out_synced(status), width, _summarize(status))


def leave_out_synced(status: Json) -> Json:
    """Return a status without the clients that are SYNCED."""
    return {**status, "clients": [client for client in status["clients"] if client["state"] != "SYNCED"]}


def _describe(client: Json, now: str) -> dict[str, str]:
    return {
        "NODE": printable(client["node_id"]),
        "CLUSTER": printable(client["cluster"]),
        "LOCALITY": printable(client["locality"]),
        "VARIANT": client["variant"],
        "CLIENT": printable(client["user_agent"]),
        "SINCE": _age(client["connected_at"], now),
    }


def _state(client: Json, of_type: Json) -> str:
    """Return the state of one type of a client: that of the client, if the catalog does not name its cluster."""
    state: str = client["state"] if client["state"] in UNNAMED else of_type["state"]
    return state


def _write_cell(client: Json, of_type: Json | None, now: str, digits: int) -> str:
    """Return a cell: the state, the time since the last push, the accepted and wanted resources, and the version."""
    if of_type is None:
        return "-"
    pushed = _age(of_type["last_push_at"], now) if of_type["last_push_at"] else "-"
    counts = f"{of_type['resources']['accepted']}/{of_type['resources']['wanted']}"
    return f"{_state(client, of_type)} {pushed} {counts} {of_type['version_info'][:digits]}"


def _remarks(status: Json) -> Iterator[tuple[str, str]]:
    """Yield lines, with their styles, about what is refused, withheld and missing, and the summary.

    A field that a client's version does not take comes first: it explains a refusal.
    """
    yield from _describe_unsupported(status["clients"])
    for client in status["clients"]:
        if (standing := client.get("standing")) in ("unknown", "kept"):
            who, cluster = printable(client["node_id"]), printable(client["cluster"])
            hint = f": did you mean {printable(client['did_you_mean'])}?" if client["did_you_mean"] else ""
            what = UNNAMED[standing.upper()]
            yield f'{who} {what}: the catalog does not name its node.cluster "{cluster}"{hint}', COLOURS["UNKNOWN"]
        for of_type in client["types"]:
            if nack := of_type["nack"]:
                what = _names([one["name"] for one in nack["resources"]], nack["resource_count"])
                since = f" {_age(nack['at'], status['now'])} ago" if nack["at"] else ""
                kept = any(one["accepted_version_info"] for one in nack["resources"])
                then = "keeps what it accepted before" if kept else "has accepted none of it yet"
                who = printable(client["node_id"])
                yield f"{who} NACKED {of_type['type']} {what}{since} and {then}:", "bold red"
                yield from ((f"  {line}", "") for line in shorten(nack["message"]))
            if (missing := of_type["resources"]["missing"]) and client["state"] != "UNKNOWN":
                names = _names(missing, of_type["resources"]["missing_count"])
                yield f"{printable(client['node_id'])} asks for {of_type['type']} {names}: there is none", "yellow"
        yield from _write_held(client)
    for node_id, peers in status.get("twins", {}).items():
        who = printable(node_id)
        yield f"{len(peers)} clients have the node id {who}, and each needs its own: {_peers(peers)}", "yellow"
    yield from _remark_catalog(status)
    for source in status.get("sources", ()):
        yield from _describe_source(source)
    if silent := status.get("streams_without_request"):
        yield f"{silent} open streams have sent no request yet", "yellow"
    for number in status.get("silent_workers", ()):
        yield f"worker {number} did not answer: its clients are missing here", "bold red"
    yield _summarize(status), "dim"


def _remark_catalog(status: Json) -> Iterator[tuple[str, str]]:
    """Yield lines about what is not served of the catalog as it is now."""
    if refused := status["catalog"]["refused_files"]:
        files = _names(refused, len(refused))
        yield f"refused, so that the last good state is served (see `xds check`): {files}", "bold red"
    for words, style, field in (
        ("not served through a bug in xds, see its log", "bold red", "failed_files"),
        ("clusters whose nodes get nothing through a bug in xds, see its log", "bold red", "failed_clusters"),
        ("still being written, not served yet", "yellow", "unfinished_files"),
    ):
        if files := status.get(field):
            yield f"{words}: {_names(files, len(files))}", style
    for held in status.get("held", ()):
        yield f"HELD for {_age(held['since'], status['now'])}, see `xds apply`: {describe_held(held)}", "bold red"
    if stored_at := status.get("restored_from"):
        yield (
            f"what is served of the catalog is the last good state from disk, {_age(stored_at, status['now'])} old",
            "bold red",
        )
    if reason := status.get("state_failure"):
        yield f"the last good state cannot be stored, a restart would lose it: {printable(reason)}", "yellow"


def describe_held(held: Json) -> str:
    """Return in words what would be removed, and why that is held."""
    why = f": {printable(held['reason'])}" if held.get("reason") else ""
    return f"it would remove {_describe_removed(held)}{why}"


def _describe_removed(held: Json) -> str:
    if held["instances"]:
        number = held["instances"]
        what = f"{number} endpoint{'' if number == 1 else 's'} of the source {printable(held['source'])}"
        return f"{what}, for {_names(held['services'], len(held['services']))}"
    kinds = (
        f"{len(names)} {kind if len(names) != 1 else kind[:-1]} ({_names(names, len(names))})"
        for kind in ("services", "gateways")
        if (names := held[kind])
    )
    return " and ".join(kinds)


def _describe_unsupported(clients: Sequence[Json]) -> Iterator[tuple[str, str]]:
    """Yield a line for each field that clients are sent and their version of Envoy does not take."""
    found: dict[tuple[str, ...], list[str]] = {}
    for client in clients:
        for one in client.get("unsupported", ()):
            key = (client["user_agent"], one["path"], one["values"], one["since"], one.get("older") or OLDER)
            found.setdefault(key, []).append(client["node_id"])
    for (agent, path, values, since, older), nodes in found.items():
        which = f", {printable(values)}" if values else ""
        who = f"{_names(nodes, len(nodes))} ({printable(agent)})"
        yield f"{who} gets {printable(path)}{which}: this needs Envoy {since}, {older}", "yellow"


def _describe_source(source: Json) -> Iterator[tuple[str, str]]:
    """Yield lines, with their styles, about a source's instances that are not served as the source describes them."""
    if not source["problem_count"]:
        return
    counts = ", ".join(f"{source[state]} {state}" for state in ("refused", "withheld") if source[state])
    yield f"instances from {printable(source['name'])}: {counts}:", "bold red"
    for problem in source["problems"][:SHOWN_PROBLEMS]:
        yield f"  {printable(problem['path'])}: {printable(problem['message'])}", ""
    if (more := source["problem_count"] - SHOWN_PROBLEMS) > 0:
        yield f"  and {more} more", ""


def _peers(peers: Sequence[str]) -> str:
    return _names([peer.partition(":")[2] for peer in peers], len(peers))


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
