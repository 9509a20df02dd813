"""The reference: every field of the catalog, from the model alone."""

from xds.catalog.reference import describe_fields


def test_every_field_of_a_file_is_described() -> None:
    """Each field stands below the one that it is in, with what it means."""
    records = {record.path: record for record in describe_fields()}
    assert {"services.*.retries.attempts", "gateways.*.routes[].to", "mesh.tracing.sample"} <= records.keys()
    assert [path for path, one in records.items() if not one.meaning and not path.endswith(("[]", "*"))] == []


def test_a_part_of_the_reference() -> None:
    """A path names a field and all below it, and nothing that only begins alike."""
    assert [record.path for record in describe_fields("services.*.timeouts")] == [
        "services.*.timeouts",
        "services.*.timeouts.connect",
        "services.*.timeouts.request",
        "services.*.timeouts.idle",
    ]
    assert list(describe_fields("services.*.timeout")) == []
