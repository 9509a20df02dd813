"""Chaos: random edits, crashes and lost connections while three Envoys serve requests. None may fail.

`world` and `edits` have the catalog and how it changes, `plan` the steps of a seed. These are pure. `difference` says
what an Envoy has and should not have, `mesh` has the processes, and `run` takes the steps. `python -m
tests.envoy_server.chaos --help` tells how to start it.
"""
