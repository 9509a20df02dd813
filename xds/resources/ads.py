"""Where Envoy finds what a resource refers to: on the ADS stream that brought it."""

from xds.wire.envoy.config_core_v3_pb2 import AggregatedConfigSource, ApiVersion, ConfigSource

ADS_CONFIG_SOURCE = ConfigSource(ads=AggregatedConfigSource(), resource_api_version=ApiVersion.V3)
