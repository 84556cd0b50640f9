"""A daemon that can be made to vanish."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path


class Proxy:
    """Passes the daemon on at another socket, for as long as ``alive``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._daemon = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
        self._alive = True
        self._open: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_unix_server(self._pass_on, self.path)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.set_alive(False)
        self._server.close()
        await self._server.wait_closed()

    def set_alive(self, alive: bool) -> None:
        self._alive = alive
        for writer in [] if alive else list(self._open):
            writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._alive:
            inner_reader, inner = await asyncio.open_unix_connection(self._daemon)
            self._open |= {writer, inner}
            await asyncio.gather(self._pump(reader, inner), self._pump(inner_reader, writer))
            inner.close()
            self._open -= {writer, inner}
        writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except OSError:
            pass
