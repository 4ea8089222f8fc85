"""A mail server on loopback that keeps what it is given, for tests; it can be told to refuse."""

from __future__ import annotations

import email
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from typing import cast


@dataclass
class Postbox:
    """What came in. ``refuse`` is what it answers to the next mails, one for each, instead of taking them, ``strangers``
    to the next addresses."""

    url: str = ""
    mails: list[EmailMessage] = field(default_factory=list)
    refuse: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    came: threading.Condition = field(default_factory=threading.Condition)

    def wait(self, count: int, seconds: float = 20.0) -> list[EmailMessage]:
        """The first ``count`` mails, as soon as they are there."""
        with self.came:
            assert self.came.wait_for(lambda: len(self.mails) >= count, seconds), f"{len(self.mails)} mails came"
            return self.mails[:count]

    def link(self, count: int = 1) -> str:
        """The link in the mail that came as the ``count``-th."""
        text = self.wait(count)[-1].get_content()
        return next(word for word in text.split() if word.startswith("http"))


@contextmanager
def opened() -> Iterator[Postbox]:
    """A mail server that runs until the block ends."""
    box = Postbox()

    class Talk(socketserver.StreamRequestHandler):
        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

        def handle(self) -> None:
            self.say("220 here")
            while line := self.rfile.readline().decode().strip():
                word = line.split()[0].upper()
                if word == "EHLO":
                    self.say("250-here")
                    self.say("250 AUTH PLAIN")
                elif word == "AUTH":
                    box.logins.append(line.split()[-1])
                    self.say("235 welcome")
                elif word == "DATA":
                    self.take()
                elif word == "RCPT" and box.strangers:
                    self.say(box.strangers.pop(0))
                elif word == "QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("250 good")

        def take(self) -> None:
            if box.refuse:
                self.say(box.refuse.pop(0))
                return
            self.say("354 go on")
            lines = []
            while (line := self.rfile.readline()) != b".\r\n":
                lines.append(line)
            with box.came:
                box.mails.append(cast("EmailMessage", email.message_from_bytes(b"".join(lines), policy=default)))
                box.came.notify_all()
            self.say("250 taken")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Talk) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        box.url = f"smtp://me:se%40cret@127.0.0.1:{server.server_address[1]}"
        try:
            yield box
        finally:
            server.shutdown()
            thread.join(10)
