"""One client's stream as a pure state machine: requests and snapshot changes in, responses out.

It uses no socket, clock, event loop or random number. The server reports events to a session, and sends the responses
that the session returns. Docstrings refer to rules by the numbers of this package's README.
"""
