"""The class of xds.type.v3.TypedStruct, which envoy-data-plane does not have: a type, and its fields as in JSON.

Envoy makes a message of that type from them. It is imported only when it is needed, as envoy-data-plane's modules are.
"""

from dataclasses import dataclass

import betterproto2
from envoy_data_plane.google.protobuf import Struct
from envoy_data_plane.message_pool import default_message_pool


@dataclass(eq=False, repr=False)
class TypedStruct(betterproto2.Message):
    """The type, and the fields of a message of that type."""

    type_url: str = betterproto2.field(1, betterproto2.TYPE_STRING)
    value: Struct | None = betterproto2.field(2, betterproto2.TYPE_MESSAGE, optional=True)  # noqa: RUF009 - as in generated code


default_message_pool.register_message("xds.type.v3", "TypedStruct", TypedStruct)
