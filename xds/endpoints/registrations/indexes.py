"""Indexes: a number for each thing that clients ask about, which grows when it changes and never goes back."""

from collections.abc import Collection

Topic = tuple[str, str]
"""What a query is about: a kind, such as `service`, and a name, which is "" where the kind says it all."""

SERVICES: Topic = ("services", "")
NODES: Topic = ("nodes", "")
CHECKS: Topic = ("checks", "")


def about_service(name: str) -> Topic:
    """Return the topic of a service, its instances and their checks. Names count in any case."""
    return "service", name.lower()


def about_instance(node: str, service_id: str) -> Topic:
    """Return the topic of one instance."""
    return "instance", f"{node}\n{service_id}"


def about_node(name: str) -> Topic:
    """Return the topic of what is registered at a node."""
    return "node", name


class Indexes:
    """The index of every topic. `start` is above 0, and above all that a server before this one has given."""

    def __init__(self, start: int) -> None:
        self.last = start
        self._vanished = start  # that of the last topic to vanish: it stands for all that are not there
        self._by_topic: dict[Topic, int] = {}

    def raise_(self, topics: Collection[Topic]) -> int:
        """Give topics that change together the next index, and return it."""
        self.last += 1
        for topic in topics:
            self._by_topic[topic] = self.last
        return self.last

    def forget(self, topic: Topic) -> None:
        """Keep nothing of a topic that is not there any more, after its last change was counted."""
        if self._by_topic.pop(topic, None) is not None:
            self._vanished = self.last

    def find(self, topic: Topic) -> int:
        """Return the index of a topic: that of its last change."""
        return self._by_topic.get(topic, self._vanished)
