"""One client's stream as a pure state machine: requests and snapshot changes in, responses out.

It uses no socket, clock, event loop or random number. The server tells a session what happened, and sends the responses
that the session returns. Docstrings refer to rules by the numbers of this package's README.
"""
