"""Tests of Consul's HTTP API, which services register over."""
