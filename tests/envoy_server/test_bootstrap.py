"""A real Envoy accepts the bootstraps that xds prints."""

import subprocess
from pathlib import Path

import pytest

from tests import warm
from xds.cli.demo.processes import envoy_path

FOLDER = Path(__file__).parents[2] / "envoy"


def bootstrap(*options: str) -> str:
    """Run `xds bootstrap`."""
    done = warm.call(["bootstrap", "--node-id", "web-1", "--cluster", "web", *options])
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("variant", ["delta", "sotw"])
def test_the_files_in_the_envoy_folder_are_what_the_command_prints(variant: str) -> None:
    """`envoy/delta.yaml` and `envoy/sotw.yaml` are always current."""
    assert (FOLDER / f"{variant}.yaml").read_text() == bootstrap("--variant", variant)


@pytest.mark.parametrize(
    "options",
    [
        ["--variant", "delta"],
        ["--variant", "sotw"],
        ["--output", "json"],
        ["--server", "xds.example.com:443", "--admin", "[::1]:9902"],
        ["--metrics", "0.0.0.0:9902"],
        ["--metrics", "[::1]:9902", "--output", "json", "--variant", "rest"],
        ["--region", "eu", "--zone", "eu-1a", "--sub-zone", "rack-1"],
        ["--zone", "eu-1a", "--zone-aware"],
        ["--zone", "eu-1a", "--zone-aware", "--variant", "rest"],
    ],
    ids=" ".join,
)
def test_envoy_accepts_the_bootstrap(tmp_path: Path, options: list[str]) -> None:
    """`envoy --mode validate` accepts every form."""
    path = tmp_path / ("bootstrap.json" if "json" in options else "bootstrap.yaml")
    path.write_text(bootstrap(*options))
    answer = subprocess.run(
        [str(envoy_path()), "--mode", "validate", "-c", str(path)], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert "OK" in answer.stdout + answer.stderr


def test_zone_aware_without_a_locality_is_refused() -> None:
    """An Envoy without a locality cannot prefer its own zone."""
    answer = warm.call(["bootstrap", "--node-id", "a", "--cluster", "b", "--zone-aware"])
    assert answer.returncode == 2
    assert "add --zone" in answer.stderr


@pytest.mark.parametrize("server", ["127.0.0.1", "127.0.0.1:0", "127.0.0.1:99999", ":18000", "127.0.0.1:http"])
def test_a_server_that_is_not_a_host_and_port_is_refused(server: str) -> None:
    """The exit code is 2, and the message has an example."""
    answer = warm.call(["bootstrap", "--node-id", "a", "--cluster", "b", "--server", server])
    assert answer.returncode == 2
    assert "as in 127.0.0.1:18000" in answer.stderr
