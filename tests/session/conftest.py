"""Fixtures that several modules use: each test runs for both variants."""

import pytest

from tests.session.client import DeltaClient, SotwClient
from tests.session.wire import ONE, Wire

Client = SotwClient | DeltaClient


@pytest.fixture(params=[SotwClient, DeltaClient], ids=["sotw", "delta"])
def make(request: pytest.FixtureRequest) -> type[Client]:
    """Return a client's class of each variant."""
    made: type[Client] = request.param
    return made


@pytest.fixture(params=["sotw", "delta"])
def wire(request: pytest.FixtureRequest) -> Wire:
    """Return an Envoy of each variant that has `ONE`."""
    made = Wire(request.param, ONE)
    made.settle()
    return made
