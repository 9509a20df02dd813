"""Check: a check of an instance or of a node, its status, and how results change it."""

from dataclasses import dataclass, replace

from xds.endpoints.registrations.definitions import OUTPUT_SIZE, WORST_LAST, CheckDefinition, CheckKind, Status

CheckKey = tuple[str, str]
"""A node's name, and the check's ID, which is unique at the node."""


@dataclass(frozen=True, slots=True)
class Check:
    """A check and its status.

    `output` is that of the last result. `shown_output` is that of the last change of the status, which is what the
    catalog shows: an output alone wakes nobody. `has_run` is whether any result came since it was registered.
    """

    node: str
    definition: CheckDefinition
    service_id: str = ""
    service_name: str = ""
    service_tags: tuple[str, ...] = ()
    status: Status = Status.CRITICAL
    output: str = ""
    shown_output: str = ""
    has_run: bool = False
    critical_since: float | None = None
    successes: int = 0
    failures: int = 0
    create_index: int = 0
    modify_index: int = 0

    @property
    def check_id(self) -> str:
        """Its ID."""
        return self.definition.check_id

    @property
    def key(self) -> CheckKey:
        """Its node and ID."""
        return self.node, self.check_id

    @property
    def kind(self) -> CheckKind:
        """Who sets its status."""
        return self.definition.kind

    def set(self, status: Status, output: str, now: float) -> "Check":
        """Return the check after a client, or an expiry, has set its status."""
        output = cut_output(output)
        since = (self.critical_since if self.has_run else None) or now
        return replace(
            self,
            status=status,
            output=output,
            shown_output=output if status is not self.status else self.shown_output,
            has_run=True,
            critical_since=since if status is Status.CRITICAL else None,
        )

    def observe(self, status: Status, output: str, now: float) -> "Check":
        """Return the check after a result of a check that was run, by its thresholds."""
        one = self.definition
        if status is not Status.CRITICAL:
            counted = replace(self, successes=self.successes + 1, failures=0)
            reached = counted.successes >= one.success_before_passing
        else:
            counted = replace(self, failures=self.failures + 1, successes=0)
            reached = counted.failures >= one.failures_before_critical
            # Without a threshold of its own, warning has that of critical, and is never seen.
            if not reached and counted.failures >= (one.failures_before_warning or one.failures_before_critical):
                status, reached = Status.WARNING, True
        if reached:
            return counted.set(status, output, now)
        return replace(counted, output=cut_output(output), has_run=True)

    def register_again(self, fresh: "Check") -> "Check":
        """Return the check after it was registered again: without a status of its own it keeps its status."""
        if fresh.definition.status is not None and fresh.definition.status is not self.status:
            return replace(fresh, create_index=self.create_index)
        return replace(
            fresh,
            status=self.status,
            output=self.output,
            shown_output=self.shown_output,
            has_run=self.has_run,
            critical_since=self.critical_since,
            successes=self.successes,
            failures=self.failures,
            create_index=self.create_index,
            modify_index=self.modify_index,
        )


def cut_output(output: str) -> str:
    """Return an output, at most 4 KiB of it."""
    if len(output) <= OUTPUT_SIZE:
        return output
    return f"{output[:OUTPUT_SIZE]} ... (captured {OUTPUT_SIZE} of {len(output)} bytes)"


def find_worst(checks: list[Check]) -> Status:
    """Return the worst status of some checks; passing without any."""
    return max((check.status for check in checks), key=WORST_LAST.index, default=Status.PASSING)
