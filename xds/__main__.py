"""Runs `xds` as `python -m xds`."""

from xds.cli import main

main(prog_name="xds")
