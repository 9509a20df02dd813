"""Site: an HTTP application at an address of its own."""

from aiohttp import web

from xds.server.address import ListenAddress, ListenError


class Site:
    """Serves an application; `address` has the real port once it is started."""

    def __init__(self, address: ListenAddress, app: web.Application) -> None:
        self.address = address
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    async def start(self) -> None:
        """Listen; raise ListenError when that cannot be."""
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self.address.host, self.address.port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise ListenError(f"cannot listen at {self.address}: {error.strerror or error}") from None
        self.address = ListenAddress(self.address.host, self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Close, and end what is under way."""
        await self._runner.cleanup()
