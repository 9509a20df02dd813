"""`xds docs`: the reference of the catalog, for one field on a terminal or for all fields as a document."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from xds.catalog.reference import describe_fields
from xds.cli import main
from xds.cli.docs.path import find_place

ROOT = Path(__file__).parents[2]


def docs(*arguments: str) -> Result:
    """Run `xds docs`."""
    return CliRunner().invoke(main, ["docs", *arguments])


def test_docs_finds_every_field_of_the_catalog() -> None:
    """A path may be as in the reference, without placeholders, or with a name and a position."""
    for record in describe_fields():
        found = find_place(record.path)
        assert found.path in (record.path, record.path.removesuffix("[]").removesuffix(".*"))
        named = record.path.replace(".*", ".some-name").replace("[]", "[3]")
        assert find_place(named).path == found.path
        if found.field.name:
            assert find_place(found.name).path == found.path


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("services.api.endpoints[0].weight", "services.*.endpoints[].weight"),
        ('services["an odd name"].balance', "services.*.balance"),
        ("services.api", "services.*"),
        ("gateways.edge.routes.0.to", "gateways.*.routes[].to"),
        ("services.api.envoy.cluster.lb_policy", "services.*.envoy"),
        ("services.api.subsets.v2.version", "services.*.subsets"),
        ("services.api.locality.weights.eu.1a", "services.*.locality.weights"),
        ("services.retries", "services.*.retries"),
    ],
)
def test_a_path_may_be_copied_from_an_error_message(path: str, expected: str) -> None:
    """The operator's own names and positions do not matter to the field."""
    assert find_place(path).path == expected


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("services.retrys", "unknown field `retrys` in `services`: did you mean `retries`?"),
        ("services.api.retrys", "unknown field `retrys` in `services`: did you mean `retries`?"),
        ("services.retrys.attempts", "unknown field `retrys` in `services`: did you mean `retries`?"),
        ("service", "unknown field `service` at the top: did you mean `services`?"),
        ("tracing.sample", "unknown field `tracing` at the top"),
        ("rate_limit", "no field `rate_limit` at the top: did you mean `services.routes.rate_limit`"),
        ("services.api.endpoints[0].weight.x", "`services.endpoints.weight` has no fields"),
    ],
)
def test_an_unknown_field_suggests_the_nearest(path: str, message: str) -> None:
    """The exit code is 2."""
    answer = docs(path)
    assert answer.exit_code == 2
    assert message in answer.stderr
    assert answer.stdout == ""


def test_a_field_is_explained() -> None:
    """The output has its meaning, its values, its default, and the fields below it. A pipe gets plain text."""
    answer = docs("services.retries")
    assert answer.exit_code == 0
    assert answer.stdout.startswith("services.retries\n")
    assert "\nVALUE" in answer.stdout
    assert "\n  attempts " in answer.stdout
    assert "\x1b" not in answer.stdout
    assert max(map(len, answer.stdout.splitlines())) <= 100


def test_without_a_path_the_top_level_fields_are_listed() -> None:
    """A reader who knows no path starts here."""
    answer = docs()
    assert {line.split()[0] for line in answer.stdout.splitlines() if line.startswith("  ")} == {
        "services",
        "gateways",
        "mesh",
    }


def test_json_has_the_same_content() -> None:
    """Other programs get a field and the fields below it."""
    document = json.loads(docs("mesh.tracing", "--output", "json").stdout)
    assert document["path"] == "mesh.tracing"
    assert [one["path"] for one in document["fields"]] == ["mesh.tracing.otlp", "mesh.tracing.sample"]
    assert document["fields"][0]["required"] is True


def test_the_document_is_current() -> None:
    """`xds docs --output markdown > xds/catalog/reference.md` changes nothing."""
    assert docs("--output", "markdown").stdout == (ROOT / "xds" / "catalog" / "reference.md").read_text()


def test_the_document_has_every_field() -> None:
    """Each field is in the table of the mapping that contains it."""
    text = (ROOT / "xds" / "catalog" / "reference.md").read_text()
    for record in describe_fields():
        name = record.path.rpartition(".")[2]
        if name != "*" and not name.endswith("[]"):
            assert f"`{name}`" in text
