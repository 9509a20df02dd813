"""Words for protocols, as people write them in URLs and in other programs, with the fields that they are here."""

from typing import Final

PORTS: Final = {"http": 80, "ws": 80, "https": 443, "grpcs": 443, "wss": 443}
"""The port that a scheme of HTTP stands for."""

USUAL_PORTS: Final = {
    **PORTS,
    "redis": 6379,
    "rediss": 6379,
    "mysql": 3306,
    "postgres": 5432,
    "postgresql": 5432,
    "mongodb": 27017,
    "amqp": 5672,
    "amqps": 5671,
}
"""The port that any scheme stands for."""

ENCRYPTED: Final = {
    "https": "http",
    "wss": "http",
    "grpcs": "grpc",
    "tls": "tcp",
    "ssl": "tcp",
    "h2": "http2",
    "rediss": "tcp",
    "amqps": "tcp",
}
"""Words for what is encrypted, with the protocol inside: in the catalog these are two fields."""

PLAIN_WORDS: Final = {
    **dict.fromkeys(("http1", "http/1", "http/1.1", "http1.1", "rest", "web", "ws", "websocket"), "http"),
    **dict.fromkeys(("h2c", "http/2", "http2.0", "http/2.0"), "http2"),
    **dict.fromkeys(("mysql", "postgres", "postgresql", "redis", "mongo", "mongodb", "kafka", "amqp", "smtp"), "tcp"),
}

OURS: Final = ("http", "http2", "grpc", "tcp")

NO_DATAGRAMS: Final = "connections and requests alone are passed on, no datagrams"


def read_scheme(scheme: str) -> dict[str, object] | None:
    """Return the fields of a service that the scheme of its endpoints' URLs stands for; None if it is not known.

    HTTP without TLS is the default, which needs no field.
    """
    word = scheme.lower()
    protocol = ENCRYPTED.get(word, PLAIN_WORDS.get(word, word))
    if protocol not in OURS:
        return None
    return {
        **({"protocol": protocol} if protocol != "http" else {}),
        **({"tls": True} if word in ENCRYPTED else {}),
    }
