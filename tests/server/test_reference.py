"""The server's reference, xds/server/README.md, names each option, metric, path and action that the server has."""

import asyncio
import re

import click

from tests.documents.commands import find_flags
from tests.documents.markdown import read_documents
from tests.server.administered import administered
from xds.cli.demo.envoy_admin import http_get
from xds.cli.serve import command as serve
from xds.server.admin.server import INDEX
from xds.server.observe.ecs import ACTIONS, PROBLEM_ACTION

TEXT = read_documents()["xds/server/README.md"].text
ROW = re.compile(r"^\| ((?:`[^`]+`(?:, )?)+) \|(.*)\|$", re.MULTILINE)


def read_section(heading: str) -> dict[str, list[str]]:
    """Return the rows of a section's tables. The name in the first cell is the key to the other cells."""
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return {
        name: [cell.strip() for cell in re.split(r"(?<!\\)\|", cells)]
        for names, cells in ROW.findall(section)
        for name in re.findall(r"`([^`]+)`", names)
    }


def test_every_option_is_described_with_its_default() -> None:
    """The table has the options of `xds serve --help` and no others."""
    rows = {name.split()[0]: cells for name, cells in read_section("Options").items()}
    assert rows.keys() == find_flags("serve") - {"--help", "-h", "argument"}
    for option in serve.params:
        if not isinstance(option, click.Option):
            continue
        default = option.to_info_dict()["default"]
        if default is not None and not option.required and not option.is_flag:
            shown = f"{default:g}" if isinstance(default, float) else str(default)
            assert rows[option.opts[0]][-1].strip("`") == shown


async def test_every_metric_is_described() -> None:
    """The tables have the metrics of a scrape and no others."""
    async with administered() as admin:
        paths = ("/metrics", "/metrics/endpoints")
        scraped = [(await asyncio.to_thread(http_get, admin.address, path))[1] for path in paths]
    families = {found[1] for text in scraped for found in re.finditer(r"^# TYPE (\S+) ", text, re.MULTILINE)}
    exported = {re.sub(r"^process_.*", "process_*", name) for name in families}
    assert read_section("Metrics").keys() == exported


def test_every_path_of_the_admin_interface_is_described() -> None:
    """The table has the paths that the interface's own index lists."""
    listed = {line.split()[0].partition("?")[0] for line in INDEX.splitlines() if line.startswith("/")}
    assert {name.partition("?")[0] for name in read_section("Admin interface")} - {"/"} == listed


def test_every_action_of_the_log_is_described() -> None:
    """Operators search the log by `event.action`."""
    assert read_section("Log").keys() - {"event.action"} == {*ACTIONS.values(), PROBLEM_ACTION}
