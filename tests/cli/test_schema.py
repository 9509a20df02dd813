"""`xds schema` prints JSON on the standard output."""

import json

from click.testing import CliRunner

from xds.catalog.schema import build_schema
from xds.cli import main


def test_schema_is_printed_as_json() -> None:
    """The output can go straight into a file."""
    result = CliRunner().invoke(main, ["schema"])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == build_schema()
