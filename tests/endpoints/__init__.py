"""Tests of the layer of endpoints."""
