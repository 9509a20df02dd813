"""Refusal: why a registration is not taken, as the status and the sentence of an HTTP answer."""


class Refusal(Exception):  # noqa: N818 what a client does wrong is no error of the server
    """A registration that is not taken. `status` is that of Consul, where Consul refuses the same."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
