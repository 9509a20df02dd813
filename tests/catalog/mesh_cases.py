"""Mistakes in `mesh`, with their messages: cases for `test_mistakes.py`."""

MESH_CASES = [
    ("mesh: {endpoint_stats: errors}", '1:24 error mesh.endpoint_stats: expected true or false, found "errors"'),
    ("mesh: {endpoint_stats: 1}", "1:24 error mesh.endpoint_stats: expected true or false, found 1"),
    (
        "mesh: {endpoint_stat: true}",
        '1:8 error mesh.endpoint_stat: unknown key "endpoint_stat": did you mean `endpoint_stats`?',
    ),
    ("services: {a: {endpoint_stats: 5}}", "1:32 error services.a.endpoint_stats: expected true or false, found 5"),
    (
        "mesh: {tracing: 4317}",
        '1:17 error mesh.tracing: expected `off`, "host:port" of the collector, or a mapping such as {otlp: '
        '"collector:4317", sample: 10%}, found 4317',
    ),
    (
        "mesh: {tracing: on}",
        '1:17 error mesh.tracing: expected `off`, "host:port" of the collector, or a mapping such as {otlp: '
        '"collector:4317", sample: 10%}, found "on"',
    ),
    (
        "mesh: {tracing: {sample: 10%}}",
        '1:17 error mesh.tracing: `otlp` is missing: "host:port" of the collector, such as "collector:4317"',
    ),
    (
        "mesh: {tracing: {otlp: 'http://collector:4317', sample: 10, smaple: 1%}}",
        '1:24 error mesh.tracing.otlp: an address has no "http://" in front: write "collector:4317"',
        '1:61 error mesh.tracing.smaple: unknown key "smaple": did you mean `sample`?',
    ),
    (
        "mesh: {tracing: {otlp: collector, sample: 0%}}",
        '1:24 error mesh.tracing.otlp: the port is missing: write "collector:4317", with the port that it listens on',
        '1:43 error mesh.tracing.sample: expected a percentage from 0.0001% to 100%, such as 10%, found "0%"',
    ),
]
