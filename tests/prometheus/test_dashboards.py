"""The dashboards as files: they fit Grafana's own types, and their references are consistent."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.prometheus.dashboards import FILES, GRAFANA, RECORDED, list_queries, read

UIDS = {"mesh.json": "xds-mesh", "service.json": "xds-service", "control-plane.json": "xds-control-plane"}
UNITS = {value for name, value in vars(units).items() if isinstance(value, str) and not name.startswith("__")}
COMPOSE = GRAFANA.parent / "docker-compose.yml"
each = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def test_there_are_three_dashboards_with_unique_uids() -> None:
    """Links use the uid."""
    assert {path.name: read(path)["uid"] for path in FILES} == UIDS


@each
def test_grafana_knows_every_field(path: Path) -> None:
    """Reading into Grafana's types and writing again loses nothing. Grafana would silently drop an unknown field."""
    register_default_plugins()
    board = read(path)
    written = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))
    assert list(find_losses(board, written)) == []


def find_losses(before: Any, after: Any, where: str = "") -> list[str]:
    """Return what one document has and the other lacks."""
    if isinstance(before, dict) and isinstance(after, dict):
        missing = [f"{where}.{key}" for key in before if key not in after]
        return missing + [
            one for key in before if key in after for one in find_losses(before[key], after[key], f"{where}.{key}")
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [
            one
            for at, (was, now) in enumerate(zip(before, after, strict=True))
            for one in find_losses(was, now, f"{where}[{at}]")
        ]
    return [] if before == after else [f"{where}: {before!r} became {after!r}"]


def test_the_comparison_finds_an_unknown_field() -> None:
    """So the test above can fail."""
    register_default_plugins()
    board = read(FILES[0])
    board["panels"][0]["discription"] = "x"
    board["panels"][1]["fieldConfig"]["defaults"]["units"] = "s"
    written = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))
    assert find_losses(board, written) == [".panels[0].discription", ".panels[1].fieldConfig.defaults.units"]


@each
def test_every_panel_is_described(path: Path) -> None:
    """It has a title, a description, a valid unit, colours for its values, and a name for each line."""
    panels = read(path)["panels"]
    for panel in panels:
        title, defaults = panel["title"], panel["fieldConfig"]["defaults"]
        assert title
        assert len(panel["description"]) > 8, title
        assert defaults["unit"] in UNITS, title
        steps = defaults["thresholds"]["steps"]
        assert steps[0]["value"] is None, title
        assert [step["value"] for step in steps[1:]] == sorted(step["value"] for step in steps[1:]), title
        assert panel["targets"], title
        if panel["type"] in ("timeseries", "state-timeline"):
            assert all(target["legendFormat"] for target in panel["targets"]), title
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)


@each
def test_panels_fill_the_grid_without_overlap(path: Path) -> None:
    """They stay within the 24 columns, none covers another, and rows are full."""
    taken: dict[tuple[int, int], str] = {}
    for panel in read(path)["panels"]:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert 0 <= x < 24
                assert (x, y) not in taken, (panel["title"], taken[x, y])
                taken[x, y] = panel["title"]
    assert len(taken) == 24 * (1 + max(y for _, y in taken))


@each
def test_every_query_uses_the_existing_data_source(path: Path) -> None:
    """The data source has a fixed uid."""
    [source] = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    board = read(path)
    asking = [*board["panels"], *board["templating"]["list"], *board["annotations"]["list"]]
    asking += [target for panel in board["panels"] for target in panel["targets"]]
    wanted = {"type": source["type"], "uid": source["uid"]}
    assert all(one["datasource"] == wanted for one in asking)


@each
def test_each_dashboard_links_to_the_others(path: Path) -> None:
    """The links pass variables that the target has."""
    board = read(path)
    assert {link["url"] for link in board["links"]} == {f"/d/{uid}" for uid in UIDS.values() if uid != board["uid"]}
    for url in re.findall(r'"url": "([^"]+)"', path.read_text()):
        target, _, query = url.removeprefix("/d/").partition("?")
        [other] = [read(one) for one in FILES if read(one)["uid"] == target]
        variables = {variable["name"] for variable in other["templating"]["list"]}
        assert set(re.findall(r"\bvar-(\w+)=", query)) <= variables


@each
def test_queries_use_only_existing_variables_and_records(path: Path) -> None:
    """The dashboard has each variable of its queries, and a rule records each recorded series."""
    names = {variable["name"] for variable in read(path)["templating"]["list"]} | {"__rate_interval"}
    rules = (GRAFANA.parent / "prometheus/rules.yml").read_text()
    recorded = set(re.findall(r"- record: (\S+)", rules))
    for query in list_queries(path):
        assert set(re.findall(r"\$(\w+)", query.expression)) <= names, query
        assert set(RECORDED.findall(query.expression)) <= recorded, query


def test_containers_find_the_files() -> None:
    """The files that Compose mounts exist. Grafana's configuration uses their paths in the container."""
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    mounts: dict[str, Path] = {}
    for name in ("prometheus", "grafana"):
        for volume in services[name]["volumes"]:
            source, inside, mode = volume.split(":")
            assert mode == "ro"
            mounts[inside] = COMPOSE.parent / source
            assert mounts[inside].exists(), volume
    [provider] = yaml.safe_load((GRAFANA / "provisioning/dashboards/xds.yml").read_text())["providers"]
    assert mounts[provider["options"]["path"]] == GRAFANA / "dashboards"
    home = Path(services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert (mounts[str(home.parent)] / home.name).exists()
    assert mounts["/etc/grafana/provisioning"] == GRAFANA / "provisioning"
    assert "--config.file=/etc/prometheus/prometheus.yml" in services["prometheus"]["command"]
    assert mounts["/etc/prometheus/prometheus.yml"].parent == mounts["/etc/prometheus/rules.yml"].parent
