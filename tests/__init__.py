"""The tests of xds."""
