"""Site: one HTTP application that listens at its own address."""

from aiohttp import web

from xds.server.address import ListenAddress, ListenError


class Site:
    """Serves an application. After `start`, `address` holds the real port, also where port 0 was asked for."""

    def __init__(self, address: ListenAddress, app: web.Application) -> None:
        self.address = address
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    async def start(self) -> None:
        """Listen. Raises ListenError when the address cannot be listened at."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self.address.host, self.address.port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise ListenError(f"cannot listen at {self.address}: {error.strerror or error}") from None
        self.address = ListenAddress(self.address.host, self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Close, and end the requests in progress after 1 s."""
        await self._runner.cleanup()
