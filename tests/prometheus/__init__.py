"""Tests of Prometheus with the configuration and the rules of compose/prometheus."""
