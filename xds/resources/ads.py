"""The ConfigSource of resources that other resources refer to: Envoy gets them by ADS, on the same stream."""

from xds.wire.envoy.config_core_v3_pb2 import AggregatedConfigSource, ApiVersion, ConfigSource

ADS_CONFIG_SOURCE = ConfigSource(ads=AggregatedConfigSource(), resource_api_version=ApiVersion.V3)
