"""Slow answers: shared, cancelled when nobody waits, and bounded; and how the admin gives them."""

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing

import pytest

from tests.server.administered import administered
from tests.server.test_http_server import ask
from xds.cli.demo.processes import await_until
from xds.server import shared_work
from xds.server.shared_work import MAX_ANSWERS, PIECE, Answer, BusyError, Slow, Together
from xds.wire import CLUSTER


class Work:
    """Work that a test holds up until it lets it go, and that counts how often it was begun."""

    def __init__(self, text: str = "x" * PIECE, parts: int = 3) -> None:
        self.begun = 0
        self.made = 0
        self.let_go = threading.Event()
        self._text, self._parts = text, parts

    def __call__(self) -> Iterator[str]:
        """Make the parts; the first waits."""
        self.begun += 1
        assert self.let_go.wait(20)
        for _ in range(self._parts):
            self.made += 1
            yield self._text


async def read(answer: Answer) -> bytes:
    """Return the whole of an answer."""
    return b"".join([piece async for piece in answer.read()])


async def test_equal_questions_at_once_are_answered_once() -> None:
    """Each reader gets all of it. A later question gets an answer of its own."""
    slow, work = Slow(), Work()

    async def take() -> bytes:
        async with slow.share("a", work) as answer:
            return await read(answer)

    tasks = [asyncio.create_task(take()) for _ in range(40)]
    await await_until(lambda: work.begun, 20)
    work.let_go.set()
    assert {len(taken) for taken in await asyncio.gather(*tasks)} == {3 * PIECE}
    assert work.begun == 1
    await take()
    assert work.begun == 2
    slow.close()


async def test_who_joins_late_reads_from_the_beginning_and_a_slow_reader_holds_up_nobody() -> None:
    """The pieces stay until the last reader has them."""
    slow, work = Slow(), Work()
    async with slow.share("a", work) as answer:
        work.let_go.set()
        pieces = answer.read()
        first = await anext(pieces)
        async with slow.share("b", lambda: ()) as _, slow.share("a", work):
            assert len(await read(answer)) == 3 * PIECE
        assert len(b"".join([first, *[piece async for piece in pieces]])) == 3 * PIECE
    slow.close()


async def test_work_that_nobody_waits_for_ends() -> None:
    """What runs stops at its next part, and what waits does not begin."""
    slow, endless, waiting, last = Slow(), Work(parts=10**9), Work(), Work()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(slow.share("a", endless))
        await stack.enter_async_context(slow.share("b", waiting))
        endless.let_go.set()
        await await_until(lambda: endless.made > 1, 20)
    last.let_go.set()
    async with slow.share("a", last) as answer, asyncio.timeout(20):
        assert len(await read(answer)) == 3 * PIECE
    assert (endless.begun, waiting.begun, last.begun) == (1, 0, 1)
    slow.close()


async def test_the_number_of_answers_and_of_readers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Further questions are refused at once, and heard again when there is room."""
    monkeypatch.setattr(shared_work, "MAX_READERS", MAX_ANSWERS + 2)
    slow, work = Slow(), Work()
    async with AsyncExitStack() as stack:
        for number in range(MAX_ANSWERS):
            await stack.enter_async_context(slow.share(number, work))
        with pytest.raises(BusyError):
            await stack.enter_async_context(slow.share("another", work))
        for _ in range(2):
            await stack.enter_async_context(slow.share(0, work))
        with pytest.raises(BusyError):
            await stack.enter_async_context(slow.share(0, work))
        work.let_go.set()
    async with slow.share("another", work) as answer:
        assert await read(answer)
    slow.close()


async def test_a_fault_concerns_all_readers() -> None:
    """After what was made before it."""

    def fail() -> Iterator[str]:
        yield "x" * PIECE
        raise ZeroDivisionError

    slow = Slow()
    async with slow.share("a", fail) as answer:
        pieces = answer.read()
        assert len(await anext(pieces)) == PIECE
        for reader in (pieces, answer.read()):
            with pytest.raises(ZeroDivisionError):
                _ = [piece async for piece in reader]
    slow.close()


async def test_a_question_is_asked_once_for_all_who_wait_for_its_turn() -> None:
    """Who comes while it is asked gets the next answer: what they ask about may have changed meanwhile."""
    begun, go = 0, asyncio.Event()

    async def question() -> int:
        nonlocal begun
        begun += 1
        number = begun
        await go.wait()
        return number

    together = Together(question)
    first = asyncio.create_task(together.ask())
    await await_until(lambda: begun == 1, 20)
    others = [asyncio.create_task(together.ask()) for _ in range(40)]
    await asyncio.sleep(0)
    go.set()
    assert await first == 1
    assert set(await asyncio.gather(*others)) == {2}
    assert begun == 2


async def test_a_question_is_not_asked_for_those_who_are_gone() -> None:
    """As long as one waits, it is."""
    begun, go = 0, asyncio.Event()

    async def question() -> int:
        nonlocal begun
        begun += 1
        await go.wait()
        return begun

    together = Together(question)
    first = asyncio.create_task(together.ask())
    await await_until(lambda: begun == 1, 20)
    gone, stays = (asyncio.create_task(together.ask()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    gone.cancel()
    go.set()
    assert await stays == 2
    for task in (first, gone):
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_abandoned_dumps_hold_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """40 clients ask for 40 different dumps and go. Some are refused at once. The next dump is answered."""
    work = Work("[", parts=10**9)
    async with administered() as admin:
        await admin.connect().take()
        await admin.until("SYNCED")
        monkeypatch.setattr("xds.server.admin.server.write_dump", lambda *_: work())
        host, _, port = admin.address.rpartition(":")
        connections = []
        for number in range(40):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(f"GET /dump?cluster=c{number} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            connections.append((reader, writer))
        async with asyncio.timeout(20):
            answer = await connections[-1][0].readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: 5\r\n" in answer
        for _, writer in connections:
            writer.close()
        work.let_go.set()
        monkeypatch.undo()

        async with asyncio.timeout(20):
            status = 503
            while status == 503:  # until the server has noticed that they are gone
                status, _ = await ask(admin.address, "GET", "/dump?node=web-1")
        assert status == 200
        assert work.begun == 1


async def test_a_dump_streams() -> None:
    """It comes in pieces. HEAD has no body, and errors are as before."""
    services = "".join(
        f"  s{number}: {{timeouts: {{connect: {number + 1}ms}}, endpoints: ['10.0.0.1:1']}}\n" for number in range(200)
    )
    async with administered(f"services:\n{services}") as admin:
        await admin.connect(cluster="anyone").take(CLUSTER)
        await admin.until("SYNCED")
        host, _, port = admin.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        with closing(writer):
            writer.write(b"GET /dump?node=web-1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            sizes: list[int] = []
            body = b""
            while not sizes or sizes[-1]:
                sizes.append(int(await reader.readline(), 16))
                body += (await reader.readexactly(sizes[-1] + 2))[:-2]
        assert b"Transfer-Encoding: chunked" in head
        assert b"Cache-Control: no-store" in head
        assert max(sizes) < 2 * PIECE
        assert len(sizes) > 2
        dump = json.loads(body)
        assert [len(config["resources"]) for config in dump["configs"]] == [200]
        assert await ask(admin.address, "HEAD", "/dump?node=web-1") == (200, b"")
        assert (await ask(admin.address, "GET", "/resource?cluster=web&type=Cluster&name=x"))[0] == 404


async def test_a_dump_that_fails_halfway_does_not_end_like_a_whole_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is cut off, so that a client cannot take it for JSON that is complete."""

    def fail(*_: object) -> Iterator[str]:
        yield "[" * 2 * PIECE
        raise ZeroDivisionError

    monkeypatch.setattr("xds.server.admin.server.write_dump", fail)
    async with administered() as admin:
        with pytest.raises((OSError, http.client.IncompleteRead)):
            await ask(admin.address, "GET", "/dump?cluster=web")
        assert (await ask(admin.address, "GET", "/status"))[0] == 200
