"""Warnings about a service's subsets: a subset that no endpoint is in, a label that is written in two ways."""

from collections.abc import Iterator

from xds.catalog.model.service import Service
from xds.catalog.model.subsets import Labels, is_in
from xds.catalog.text.mistake import Mistake, warning


def advise_subsets(service: Service) -> Iterator[Mistake]:
    """Warn of subsets that no endpoint is in."""
    for name, labels in service.subsets.items():
        if service.endpoints and not any(is_in(endpoint, labels) for endpoint in service.endpoints):
            hint = next(_hint(service, labels), "")
            yield warning(("subsets", name), f"no endpoint is in it: requests that a route sends to it get 503{hint}")


def _hint(service: Service, labels: Labels) -> Iterator[str]:
    """Find a label that an endpoint has, but as text where the subset has a number, or the other way around."""
    for key, wanted in labels.items():
        for endpoint in service.endpoints:
            found = endpoint.metadata.get(key)
            if found is not None and found != wanted and str(found).lower() == str(wanted).lower():
                kinds = (
                    "text" if isinstance(found, str) else "no text",
                    "text" if isinstance(wanted, str) else "no text",
                )
                yield f": `{key}` is {kinds[0]} in the endpoints' `metadata`, and {kinds[1]} here"
