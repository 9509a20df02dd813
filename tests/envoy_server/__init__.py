"""Tests of all of xds with a real Envoy. Each test counts real responses."""
