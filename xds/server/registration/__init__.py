"""The registry: services register themselves over Consul's HTTP API, and discovery clients ask it who is there."""
