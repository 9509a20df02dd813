"""One client's stream as a pure state machine: requests and snapshot changes in, responses out.

No socket, clock, loop or chance: whoever moves the bytes tells a session what happened, and sends what it answers.
Rules are numbered as in the protocol's list in this package's README.
"""
