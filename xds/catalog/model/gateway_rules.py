"""What must hold among the fields of a gateway and its listeners: the checks of `CheckedGateway`."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from xds.catalog.model.gateway import ALL_IPV4, Gateway, Listener, Tls
from xds.catalog.model.route import Route, given
from xds.catalog.model.route_rules import EXPECTED_ROUTES
from xds.catalog.text.addresses import find_clash
from xds.catalog.text.mistake import Loc, Mistake, Mistakes
from xds.wording import show

PASSED_ON = frozenset({"host", "to"})
"""The fields of a route that chooses connections by SNI."""

OF_LISTENERS = ("address", "tls", "http3", "proxy_protocol")


def check_gateway(gateway: Gateway) -> Gateway:
    """Refuse a gateway without a listener, with two listeners at one address, or without a route for a listener."""
    mistakes = _check_forms(gateway)
    for loc, listener in gateway.find_listeners():
        mistakes += [found.below((*loc, "tls")) for found in _check_tls(listener.tls)]
        if listener.http3 and (listener.tls is None or listener.tls.passthrough):
            mistakes.append(
                Mistake((*loc, "http3"), "HTTP/3 is always encrypted: it needs `tls: {certificates: [...]}` here")
            )
    for loc, routes, listener in gateway.find_routes():
        if not routes:
            mistakes.append(Mistake((*loc, "routes"), f"`routes` is missing: {EXPECTED_ROUTES}"))
        if listener.tls is not None and listener.tls.passthrough:
            mistakes += _check_passthrough(loc, routes)
    if mistakes:
        raise Mistakes(*dict.fromkeys(mistakes))
    return gateway


def _check_forms(gateway: Gateway) -> list[Mistake]:
    if not gateway.listeners:
        missing = "`port` is missing: a port from 1 to 65535; or `listeners`, for several"
        return [Mistake(("port",), missing)] if gateway.port is None else []
    mistakes: list[Mistake] = []
    if gateway.port is not None:
        mistakes.append(Mistake(("port",), "a gateway has `port` or `listeners`, not both: make it one of these"))
    mistakes += [
        Mistake((field,), f"with `listeners`, each has its own `{field}`: move it there")
        for field in OF_LISTENERS
        if getattr(gateway, field) not in (None, False, (ALL_IPV4,))
    ]
    places: dict[int, list[tuple[int, Listener]]] = {}
    for index, listener in enumerate(gateway.listeners):
        others = places.setdefault(listener.port, [])
        if clash := _find_clash(listener, others):
            mistakes.append(Mistake(("listeners", index, "port"), clash))
        others.append((index, listener))
    return mistakes


def _find_clash(listener: Listener, others: list[tuple[int, Listener]]) -> str:
    """Return why a listener cannot stand beside earlier ones of the same port; "" if it can."""
    for index, earlier in others:
        for one, other in itertools.product(listener.address, earlier.address):
            if find_clash(one, other):
                place = other if one == other else f"{other}, which {one} overlaps"
                return f"listeners[{index}] has port {listener.port} at {place}: write another port or `address`"
    return ""


def _check_tls(tls: Tls | None) -> list[Mistake]:
    if tls is None:
        return []
    if tls.passthrough:
        given = [field for field in ("certificates", "client_ca") if getattr(tls, field)]
        return [
            Mistake((field,), "is not for `passthrough`, where the service is the one to encrypt") for field in given
        ]
    mistakes: list[Mistake] = []
    firsts: dict[str | None, int] = {}
    keys: dict[str, str] = {}
    for index, one in enumerate(tls.certificates):
        for position, host in enumerate(one.hosts):
            if (earlier := firsts.setdefault(host, index)) != index:
                message = f"{show(host)} is a host of certificates[{earlier}] too: a host has one certificate"
                loc: Loc = ("certificates", index, "hosts", position)
                mistakes.append(Mistake(loc, message, see=("certificates", earlier)))
        if not one.hosts and (earlier := firsts.setdefault(None, index)) != index:
            message = f"is for every host, as certificates[{earlier}] is: write its `hosts`"
            mistakes.append(Mistake(("certificates", index), message))
        if keys.setdefault(one.certificate, one.key) != one.key:
            mistakes.append(Mistake(("certificates", index, "key"), f"{show(one.certificate)} has another key above"))
    return mistakes


def _check_passthrough(loc: Loc, routes: Sequence[Route]) -> list[Mistake]:
    """Refuse fields of a route other than `host` and `to`, where connections stay encrypted."""
    mistakes: list[Mistake] = []
    for index, route in enumerate(routes):
        message = "`tls: passthrough` leaves a connection encrypted: a route there has `host` and `to` alone"
        if not route.to:
            mistakes.append(Mistake((*loc, "routes", index), message))
            continue
        for field in given(route):
            if field not in PASSED_ON:
                mistakes.append(Mistake((*loc, "routes", index, field), message))
            elif field == "to" and len(route.to) > 1:
                mistakes.append(
                    Mistake((*loc, "routes", index, "to"), "a connection cannot be shared: name one service")
                )
    return mistakes


@dataclasses.dataclass(frozen=True, slots=True)
class GatewayShape:
    """A gateway listens at a `port`, or has `listeners`."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        mapping = handler(schema)
        short = {"required": ["port", "routes"], "not": {"required": ["listeners"]}}
        alone = ("port", "address", "tls", "http3", "proxy_protocol")
        full = {"required": ["listeners"], "not": {"anyOf": [{"required": [field]} for field in alone]}}
        handler.resolve_ref_schema(mapping)["anyOf"] = [short, full]
        return mapping


GATEWAY_SHAPE = GatewayShape()

CheckedGateway = Annotated[Gateway, AfterValidator(check_gateway), GATEWAY_SHAPE]
