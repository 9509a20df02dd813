"""`xds schema`: JSON on the standard output."""

import json

from click.testing import CliRunner

from xds.catalog.schema import build_schema
from xds.cli import main


def test_schema_is_printed_as_json() -> None:
    """It can be sent to a file as it is."""
    result = CliRunner().invoke(main, ["schema"])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == build_schema()
