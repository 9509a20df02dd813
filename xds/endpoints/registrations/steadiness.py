"""What is served beside the bare status of instances: most of a service at once, and those that come and go.

- Never an empty service by mistake: when more than half of a service's instances turn critical within one interval,
  the fault is more likely that of whoever checks. They are served on as they were, until they recover, or fewer than
  half of the service is concerned, or MOST_HELD_SECONDS have passed.
- An instance that recovers again and again is served as degraded until it has held out for a while.
"""

from collections import deque
from dataclasses import dataclass, field

from xds.endpoints.registrations.instance import InstanceKey

MOST_HELD_SECONDS = 600.0
"""How long instances are served on at most: what is gone for good must not stay."""

LONGEST_WINDOW = 60.0
"""Instances that turn critical further apart than this do not do so at once, whatever their interval is."""

FLAPS = 3
"""After so many recoveries within FLAP_WINDOW an instance counts as flapping."""

FLAP_WINDOW = 300.0
DAMPED_SECONDS = 60.0
"""How long a flapping instance must hold out until it is served as healthy."""


@dataclass(slots=True)
class Guard:
    """Holds the instances of one service that turn critical at once.

    `turned` are those that turned lately, by when, the first first. `held` are those that are served on.
    """

    turned: dict[InstanceKey, float] = field(default_factory=dict)
    held: set[InstanceKey] = field(default_factory=set)
    until: float = 0.0
    window: float = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to remember."""
        return not self.turned and not self.held

    def turn(self, key: InstanceKey, now: float, window: float) -> None:
        """Note that an instance turned critical, by checks with this interval."""
        self.window = max(self.window if self.turned else 0.0, min(window, LONGEST_WINDOW))
        self.turned.pop(key, None)
        self.turned[key] = now

    def recover(self, key: InstanceKey) -> None:
        """Note that an instance is not critical any more, or is not there, or says itself that it is critical."""
        self.turned.pop(key, None)
        self.held.discard(key)

    def judge(self, alive: int, now: float) -> set[InstanceKey]:
        """Decide what is held, with so many instances alive, and return those for which that changes."""
        before = set(self.held) if self.held else set()
        for key, at in [*self.turned.items()]:
            if now - at <= self.window:
                break
            del self.turned[key]
        if self.held and (now >= self.until or len(self.held | self.turned.keys()) <= alive):
            self.held.clear()
            self.turned.clear()
        elif self.held:
            self.held |= self.turned.keys()
        elif len(self.turned) > alive:
            self.held = {*self.turned}
            self.until = now + MOST_HELD_SECONDS
        return before ^ self.held


@dataclass(slots=True)
class Flapping:
    """How often one instance recovered lately, and until when it must hold out."""

    recoveries: deque[float] = field(default_factory=lambda: deque(maxlen=FLAPS))
    damped_until: float = 0.0

    def recover(self, now: float) -> bool:
        """Note a recovery, and return whether the instance is damped from now on."""
        self.recoveries.append(now)
        if len(self.recoveries) == FLAPS and now - self.recoveries[0] <= FLAP_WINDOW:
            self.damped_until = now + DAMPED_SECONDS
            return True
        return False

    def is_damped(self, now: float) -> bool:
        """Whether it is served as degraded."""
        return now < self.damped_until
