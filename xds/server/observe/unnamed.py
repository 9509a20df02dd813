"""The log of clusters that the catalog does not name, and of node ids that two Envoys have: one line for each."""

from collections import OrderedDict

import structlog

from xds.resources.view import Standing
from xds.wire.discovery_pb2 import Node

MAX_TOLD = 1000
"""How many clusters and node ids are remembered. Clients choose both, so there must be a limit."""

log = structlog.get_logger()


class Once:
    """Remembers what was said of whom, for the last MAX_TOLD of them."""

    def __init__(self) -> None:
        self._told: OrderedDict[str, str] = OrderedDict()

    def is_new(self, name: str, what: str = "") -> bool:
        """Whether this was not said of that name last; from now on it was."""
        if self._told.get(name) == what:
            return False
        self._told[name] = what
        self._told.move_to_end(name)
        if len(self._told) > MAX_TOLD:
            self._told.popitem(last=False)
        return True

    def forget(self, name: str) -> bool:
        """Forget what was said of a name; return whether anything was."""
        return self._told.pop(name, None) is not None


class UnnamedLog:
    """Logs a warning for each cluster that the catalog does not name, and a line when it names it again."""

    def __init__(self) -> None:
        self._once = Once()

    def tell(self, cluster: str, standing: Standing, hint: str | None, node: Node | None = None) -> None:
        """Log that nodes of a cluster are connected, `node` the first of them, and what they are served."""
        if standing is Standing.NAMED:
            if self._once.forget(cluster):
                log.info("the catalog names this node.cluster again", cluster=cluster)
        elif standing is not Standing.STRANGER and self._once.is_new(cluster, standing):
            known = {"node": None if node is None else node.id, "did_you_mean": hint}
            fields = {"cluster": cluster, **{key: value for key, value in known.items() if value is not None}}
            if standing is Standing.KEPT:
                log.warning(
                    "the catalog does not name this node.cluster any more: its nodes keep what they had", **fields
                )
            else:
                log.warning(
                    "the catalog does not name this node.cluster: its nodes get nothing, and keep what they had",
                    **fields,
                )


class TwinLog:
    """Logs a warning for each node id that several Envoys have."""

    def __init__(self) -> None:
        self._once = Once()

    def tell(self, node: Node, peers: list[str]) -> None:
        """Log which peers have the node id, unless that was logged already."""
        if self._once.is_new(node.id):
            log.warning(
                "several Envoys have one node id: each needs its own",
                node=node.id,
                cluster=node.cluster,
                peers=peers,
            )

    def settle(self, node_id: str) -> None:
        """Note that one Envoy or none has the node id."""
        if self._once.forget(node_id):
            log.info("the node id is of one Envoy again", node=node_id)
