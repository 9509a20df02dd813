"""How tests are divided among several processes (`pytest -n 4`), and which run: a sample, or all with `--whole`."""

import os
import signal
import tempfile

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.sampling import SAMPLE, WHOLE, choose

FIXED_PORTS = ("tests/test_readme.py", "tests/demo/test_demo.py", "tests/server/test_admin.py")
FIRST = "tests/compose/test_compose.py"
"""The module that takes the longest, and mostly waits. It starts first, so that nothing waits for it at the end."""

SAME_RESOURCES = ("tests/resources/test_golden.py", "tests/resources/test_decode.py")

GROUPS = dict.fromkeys(FIXED_PORTS, "fixed ports") | dict.fromkeys(SAME_RESOURCES, "same resources")
"""Modules that must not run at the same time, because they listen on the fixed ports that the documents use; and
modules that run in one process, which then decodes the resources of the golden catalogs once."""


class Modules(LoadScopeScheduling):  # type: ignore[misc]
    """Keeps the tests of one module in one process, which has the module's fixtures. The same holds for a group of
    modules.

    `loadgroup` of pytest-xdist 3.8 can do this with marks. With pytest 9.2 it sees none of them, and reports no error.
    """

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return GROUPS.get(module, module)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Modules:
    """Divide tests by module, in their order, so that the longest module starts first."""
    config.option.loadscopereorder = False
    return Modules(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option `--whole`."""
    parser.addoption("--whole", action="store_true", help="run what the test command leaves out, with all examples")


def pytest_configure(config: pytest.Config) -> None:
    """Choose how many examples are tried, before any test is imported; let children end by Ctrl-C."""
    config.addinivalue_line("markers", "whole: is left out without `--whole`, since another test differs in little")
    stored = tempfile.TemporaryDirectory(prefix="xds-state-", ignore_cleanup_errors=True)
    config.add_cleanup(stored.cleanup)
    os.environ["XDG_STATE_HOME"] = stored.name  # nothing of a test is stored in the user's
    choose(WHOLE if config.getoption("whole") else SAMPLE)
    # A shell that starts the tests in the background ignores SIGINT, and every child inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest module first. Without `--whole`, leave out the tests that have the mark `whole`."""
    items.sort(key=lambda item: not item.nodeid.startswith(FIRST))
    if not config.getoption("whole"):
        left_out = [item for item in items if item.get_closest_marker("whole")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("whole")]
