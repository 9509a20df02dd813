"""Tests of the layer `endpoints`."""
