"""Three instances of a service, shared by the tests that do not stop them."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from xds.cli.demo.processes import Instance, free_port, start_instance


@pytest.fixture(scope="session")
def instances(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Instance]]:
    """Start api-1, api-2 and api-3."""
    folder = tmp_path_factory.mktemp("instances")
    with ExitStack() as stack:
        started = [stack.enter_context(start_instance(f"api-{n}", free_port(), folder)) for n in (1, 2, 3)]
        asyncio.run(_ready(started))
        yield started


async def _ready(instances: list[Instance]) -> None:
    for instance in instances:
        await instance.ready()
