"""The demo's api-service through Flask's test client."""

from xds.cli.demo.app import make_app


def test_root_greets_with_the_instance_name() -> None:
    """`/` answers in plain text."""
    response = make_app("api-2").test_client().get("/")
    assert response.status_code == 200
    assert response.mimetype == "text/plain"
    assert response.text == "Hello from api-2!\n"


def test_data_names_the_instance_that_served_it() -> None:
    """`/api/data` answers in JSON with the instance's name."""
    response = make_app("api-2").test_client().get("/api/data")
    assert response.mimetype == "application/json"
    assert response.json == {"service": "api-service", "instance": "api-2", "data": [1, 2, 3]}


def test_data_is_one_line_that_differs_by_instance_alone() -> None:
    """So `sort

    uniq -c` counts the answers by instance.
    """
    one, another = (make_app(name).test_client().get("/api/data").text for name in ("api-1", "api-2"))
    assert one.count("\n") == 1
    assert one.endswith("\n")
    assert one.replace("api-1", "api-2") == another
