"""Runs `xds` as `python -m xds`."""

from xds.entry import run

if __name__ == "__main__":
    run()
