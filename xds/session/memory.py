"""Memory: what a client's next stream begins with, if the client has refused a part of an edit.

A stream that ends takes nothing down, nor does a server or a client that starts again: the client is served what
worked. It is forgotten as soon as the catalog has another version of what was refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from xds.resources.resource import Resource
from xds.session.subscription import Nack


@dataclass(frozen=True, slots=True)
class Memory:
    """What a client is served against the catalog, by type and name.

    `refused` are the versions that it refused, `nacks` its messages. Those in `unserved` are not sent again, since even
    a client that has what worked would lose it: a listener at the address of another, and a secret that a listener
    would wait for. `older` are the versions in place of what is refused or would harm. `removed` are resources that the
    catalog no longer has.
    """

    refused: Mapping[str, Mapping[str, str]]
    unserved: Mapping[str, frozenset[str]]
    older: Mapping[str, Mapping[str, Resource]]
    removed: Mapping[str, Mapping[str, Resource]]
    nacks: tuple[Nack, ...] = ()
