"""The access log: what of an Envoy's requests is written down, and where."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field, Strict
from pydantic.dataclasses import dataclass

from xds.catalog.text.field import About, Example, Words
from xds.catalog.text.names import CONFIG, FilePath
from xds.catalog.text.percents import Percent


@dataclass(frozen=True, slots=True, config=CONFIG)
class AccessLog:
    """Which requests are logged; `off`, `on` and `errors` are short forms.

    With `errors` and `sample`, errors are logged and a share of the rest. With neither, all requests are.
    """

    enabled: Annotated[bool, Strict(), Field(description="`false` is the same as `access_log: off`")] = True
    errors: Annotated[
        bool,
        Strict(),
        Field(description="Log failed requests: status 5xx, what Envoy could not do, gRPC errors"),
        About(envoy="AccessLogFilter.or_filter"),
    ] = False
    sample: Annotated[
        Percent | None,
        Field(description="Log this share of the requests, at random"),
        About(default="all requests; with `errors`, only those", envoy="AccessLogFilter.runtime_filter"),
    ] = None
    file: Annotated[
        FilePath | None,
        Field(description="A file on Envoy's machine"),
        About(default="Envoy's standard output", envoy="FileAccessLog.path"),
    ] = None


OFF: Final = AccessLog(enabled=False)


def check_access_log(log: AccessLog) -> AccessLog:
    """Turn all forms of `off` into one value."""
    return log if log.enabled else OFF


ShortAccessLog = Annotated[
    AccessLog,
    Words({"off": {"enabled": False}, "on": {}, "errors": {"errors": True}}),
    AfterValidator(check_access_log),
    Example({"errors": True, "sample": "1%"}),
]
