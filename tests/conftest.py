"""How tests are shared out when they run in several processes (`pytest -n 2`), and which: a sample, or `--whole`."""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.sampling import SAMPLE, WHOLE, choose

FIXED_PORTS = ("tests/test_readme.py", "tests/demo/test_demo.py", "tests/server/test_admin.py")
FIRST = "tests/compose/test_compose.py"
"""The module that takes the longest, and mostly waits: it shall not be what all wait for in the end."""

GROUPS = dict.fromkeys(FIXED_PORTS, "fixed ports")
"""Modules that may not run at the same time, since they listen at the ports that a reader would."""


class Modules(LoadScopeScheduling):  # type: ignore[misc]
    """Keeps a module's tests in one process, which has its fixtures, and the modules of a group too.

    `loadgroup` of pytest-xdist 3.8 would do it by marks, but sees none of them with pytest 9.2, and says nothing.
    """

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return GROUPS.get(module, module)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Modules:
    """Share tests out by module, in their order: the longest are not kept for the end."""
    config.option.loadscopereorder = False
    return Modules(config, log)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--whole`."""
    parser.addoption("--whole", action="store_true", help="run what the test command leaves out, with all examples")


def pytest_configure(config: pytest.Config) -> None:
    """Choose how many examples are tried, before any test is imported."""
    config.addinivalue_line("markers", "whole: is left out without `--whole`, since another test differs in little")
    choose(WHOLE if config.getoption("whole") else SAMPLE)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the longest module; leave out what is marked, without `--whole`."""
    items.sort(key=lambda item: not item.nodeid.startswith(FIRST))
    if not config.getoption("whole"):
        left_out = [item for item in items if item.get_closest_marker("whole")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("whole")]
