"""The commands that edit the catalog while requests run: weights, a canary, and tracing. They return the exit code."""

import argparse
import time
from collections import Counter
from fractions import Fraction

from mesh.balance import wait_for_shares
from mesh.catalog import read, replace, save
from mesh.control_plane import Accepted, explain_refusal
from mesh.load import Load
from mesh.project import Container, MeshError, find_published, list_containers, list_instances, wait_until
from mesh.tables import print_load, print_shares
from mesh.traffic import API, GATEWAY

SERVICE_FILE = "api-service.yaml"
GATEWAY_FILE = "edge.yaml"
MESH_FILE = "mesh.yaml"
COLLECTOR = "collector"
OTLP = "collector:4317"

BALANCE = r"^    balance: .*$"
ENDPOINTS = r"^    endpoints:.*\n(?:      .*\n)*"
SHARES = r"\{api-service: \d+, api-service-v2: \d+\}"
TRACING = r"(?<=^mesh:\n)(?:  tracing: .*\n)?"


def weights(options: argparse.Namespace) -> int:
    """Write each instance with its weight into the catalog, or with `equal` the one name of all instances."""
    instances = list_instances("api")
    numbers = _read_weights(options.weights, instances)
    text = read(SERVICE_FILE)
    balance, endpoints = "round_robin", '    endpoints: ["api:5000"]\n'
    if options.weights != ["equal"]:
        balance = "weighted"
        lines = [f'      - {{address: "{one.name}:5000", weight: {weight}}}\n' for one, weight in numbers]
        endpoints = "".join(["    endpoints:\n", *lines])
    text = replace(text, BALANCE, f"    balance: {balance}", SERVICE_FILE)
    text = replace(text, ENDPOINTS, endpoints, SERVICE_FILE)
    total = sum(weight for _, weight in numbers)
    expected = {one.label: Fraction(weight, total) for one, weight in numbers}
    edge, addresses = list_instances("edge")[0], {one.address: one.label for one in instances}
    with Load(find_published(*GATEWAY), API, options.rate) as load:
        if save(SERVICE_FILE, text):
            with explain_refusal():
                seconds = wait_for_shares(edge, addresses, expected)
            print(f"In effect at the edge {seconds:.1f} s after the save.")
        counted = time.monotonic()
        time.sleep(options.seconds)
    code = print_load(load)
    counts = load.count(counted)
    print("The shares from then on:")
    print_shares(
        "INSTANCE",
        {label: counts[label] for label in expected},
        {label: float(share) for label, share in expected.items()},
    )
    if options.weights != ["equal"]:
        print(
            "The catalog now names each instance. New ones get no requests until you run: python3 -m mesh weights equal"
        )
    return code


def canary(options: argparse.Namespace) -> int:
    """Split the gateway's requests between the two versions."""
    new = options.percent
    text = replace(read(GATEWAY_FILE), SHARES, f"{{api-service: {100 - new}, api-service-v2: {new}}}", GATEWAY_FILE)
    accepted = Accepted("edge-1", "RouteConfiguration")
    with Load(find_published(*GATEWAY), API, options.rate) as load:
        if save(GATEWAY_FILE, text):
            with explain_refusal():
                seconds = wait_until(accepted.is_newer, "the edge's new route")
            print(f"In effect at the edge {seconds:.1f} s after the save.")
        counted = time.monotonic()
        time.sleep(options.seconds)
    code = print_load(load)
    print("The shares from then on:")
    counts: Counter[str] = Counter()
    for instance, times in load.count(counted).items():
        counts["api-service-v2" if instance.startswith("api-v2-") else "api-service"] += times
    print_shares("SERVICE", counts, {"api-service": 1 - new / 100, "api-service-v2": new / 100})
    return code


def tracing(options: argparse.Namespace) -> int:
    """Have every Envoy send spans of a percentage of the requests to the collector; 0 turns this off."""
    if options.percent and COLLECTOR not in {one.service for one in list_containers()}:
        raise MeshError("no collector is running: start it with `docker compose --profile traces up -d`")
    text = replace(read(MESH_FILE), TRACING, write_tracing(options.percent), MESH_FILE)
    accepted = Accepted("edge-1", "Listener")
    with Load(find_published(*GATEWAY), "/", options.rate) as load:
        if save(MESH_FILE, text):
            with explain_refusal():
                seconds = wait_until(accepted.is_newer, "the edge's new listener")
            print(f"In effect at the edge {seconds:.1f} s after the save.")
        time.sleep(options.seconds)
    code = print_load(load)
    if options.percent:
        print(f"Traces: http://{find_published('jaeger', 16686)}/search?service=edge")
    return code


def write_tracing(percent: int) -> str:
    """Return the catalog's line that turns tracing on for a percentage of the requests; an empty text for 0."""
    return f'  tracing: {{otlp: "{OTLP}", sample: {percent}%}}\n' if percent else ""


def _read_weights(words: list[str], instances: list[Container]) -> list[tuple[Container, int]]:
    """Return each instance with its weight. Raises MeshError for a wrong number of weights or a bad weight."""
    if words == ["equal"]:
        return [(one, 1) for one in instances]
    if not all(word.isascii() and word.isdigit() and 1 <= int(word) <= 1000 for word in words):
        raise MeshError(f"expected whole numbers from 1 to 1000, or `equal`; found {' '.join(words)}")
    if len(words) != len(instances):
        names = ", ".join(one.label for one in instances)
        raise MeshError(f"there are {len(instances)} instances, {names}: give one weight for each, found {len(words)}")
    return [(one, int(word)) for one, word in zip(instances, words, strict=True)]
