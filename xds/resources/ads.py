"""Where Envoy finds what a resource refers to: on the ADS stream that brought it."""

from envoy_data_plane.envoy.config.core.v3 import AggregatedConfigSource, ApiVersion, ConfigSource

ADS_CONFIG_SOURCE = ConfigSource(ads=AggregatedConfigSource(), resource_api_version=ApiVersion.V3)
