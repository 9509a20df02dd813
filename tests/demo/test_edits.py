"""The demo's edits of the catalog. Each changes its own part and no other character."""

from pathlib import Path

import yaml

from xds.cli.demo.edits import changed_lines, first_catalog, save, set_balance, set_endpoints

CATALOG = first_catalog("127.0.0.1:5001", "127.0.0.1:8080")
ENDPOINTS = ["127.0.0.1:5001", "127.0.0.1:5002"]


def test_first_catalog_has_one_endpoint_behind_a_gateway() -> None:
    """The demo starts with a service of one health-checked endpoint, and a gateway on loopback that routes to it."""
    assert yaml.safe_load(CATALOG) == {
        "services": {
            "api-service": {
                "balance": "round_robin",
                "health_check": {"http": "/", "interval": "1s", "timeout": "500ms"},
                "endpoints": ["127.0.0.1:5001"],
            }
        },
        "gateways": {"edge": {"address": "127.0.0.1", "port": 8080, "routes": [{"prefix": "/", "to": "api-service"}]}},
    }


def test_set_balance_changes_one_line() -> None:
    """Another policy is another word in one line."""
    after = set_balance(CATALOG, "random")
    assert changed_lines(CATALOG, after) == ["-     balance: round_robin", "+     balance: random"]


def test_set_endpoints_adds_endpoints_and_keeps_the_old_ones() -> None:
    """Each new endpoint is one more line."""
    after = set_endpoints(CATALOG, ENDPOINTS)
    assert changed_lines(CATALOG, after) == ['+       - "127.0.0.1:5002"']


def test_set_endpoints_gives_each_its_weight() -> None:
    """With weights, every endpoint has the long form, in order."""
    after = set_endpoints(CATALOG, ENDPOINTS, (3, 1))
    assert yaml.safe_load(after)["services"]["api-service"]["endpoints"] == [
        {"address": "127.0.0.1:5001", "weight": 3},
        {"address": "127.0.0.1:5002", "weight": 1},
    ]


def test_edits_can_be_reverted() -> None:
    """Removing the weights restores exactly the earlier text."""
    assert set_endpoints(set_endpoints(CATALOG, ENDPOINTS, (3, 1)), ["127.0.0.1:5001"]) == CATALOG


def test_save_replaces_the_file_in_one_step(tmp_path: Path) -> None:
    """A reader gets the old text or the new one, never a part. No temporary file remains."""
    catalog = tmp_path / "catalog.yaml"
    save(catalog, CATALOG)
    with catalog.open() as reader_from_before:
        save(catalog, "services: {}\n")
        assert reader_from_before.read() == CATALOG
    assert catalog.read_text() == "services: {}\n"
    assert list(tmp_path.iterdir()) == [catalog]
