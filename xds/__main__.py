"""`python -m xds` is `xds`."""

from xds.cli import main

main(prog_name="xds")
