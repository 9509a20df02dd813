"""Warnings about a service's subsets: a subset without endpoints, and a label with values of two types."""

from collections.abc import Iterator

from xds.catalog.model.service import Service
from xds.catalog.model.subsets import Labels, is_in
from xds.catalog.text.mistake import Mistake, warning


def advise_subsets(service: Service) -> Iterator[Mistake]:
    """Yield a warning about each subset without endpoints."""
    for name, labels in service.subsets.items():
        if service.endpoints and not any(is_in(endpoint, labels) for endpoint in service.endpoints):
            hint = next(_hint(service, labels), "")
            yield warning(("subsets", name), f"no endpoint is in it: requests that a route sends to it get 503{hint}")


def _hint(service: Service, labels: Labels) -> Iterator[str]:
    """Yield a hint for each label whose value is text in an endpoint and a number in the subset, or the reverse."""
    for key, wanted in labels.items():
        for endpoint in service.endpoints:
            found = endpoint.metadata.get(key)
            if found is not None and found != wanted and str(found).lower() == str(wanted).lower():
                kinds = (
                    "text" if isinstance(found, str) else "not text",
                    "text" if isinstance(wanted, str) else "not text",
                )
                yield f": `{key}` is {kinds[0]} in the endpoints' `metadata`, and {kinds[1]} here"
