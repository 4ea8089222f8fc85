"""Mail that the service sends, through the server that ``smtp_url`` names: in a thread, so that no answer waits for it."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr
from queue import SimpleQueue
from threading import Event, Thread
from urllib.parse import unquote

from photoplay.service.ground.safe_settings import address, is_loopback
from photoplay.service.ground.settings import Settings
from photoplay.service.ground.telemetry import logger

WAITING = 200
"""Mails that wait to be sent; more are not taken."""
TRIES, AGAIN_S = 3, 10.0
"""Tries of one mail, and seconds between them."""
PATIENCE_S = 20.0
"""Seconds that the mail server may take for an answer."""
PORTS = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True)
class Mail:
    """A short text for one person."""

    to: str
    subject: str
    text: str


class Mailer:
    """Sends mails one after the other. What cannot be sent is told in the log, without the address, and dropped."""

    def __init__(self, url: str, sender: str, again_s: float = AGAIN_S) -> None:
        parts = address(url)
        self._tls = parts.scheme == "smtps"
        self._host = parts.hostname or ""
        self._port = parts.port or PORTS[parts.scheme]
        self._login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        self._sender, self._again_s = sender, again_s
        self._domain = parseaddr(sender)[1].rpartition("@")[2]
        self._waiting: SimpleQueue[Mail | None] = SimpleQueue()
        self._closing = Event()
        self._thread = Thread(target=self._work, daemon=True, name="mail")
        self._thread.start()

    @classmethod
    def of(cls, settings: Settings) -> Mailer | None:
        """The mailer of an installation, if it has one."""
        if settings.smtp_url is None or settings.mail_from is None:
            return None
        return cls(settings.smtp_url.get_secret_value(), settings.mail_from)

    def post(self, mail: Mail) -> None:
        """Takes a mail to be sent soon."""
        if self._waiting.qsize() >= WAITING:
            logger(__name__).warning("mail_not_sent", reason="too many wait")
        else:
            self._waiting.put(mail)

    def close(self) -> None:
        """Sends what waits, as far as the server takes it, and ends."""
        self._closing.set()
        self._waiting.put(None)
        self._thread.join(PATIENCE_S)

    def _work(self) -> None:
        while (mail := self._waiting.get()) is not None:
            if not self._sent(mail) and self._closing.is_set():
                logger(__name__).warning("mail_not_sent", reason="the service ends", waiting=self._waiting.qsize())
                return

    def _sent(self, mail: Mail) -> bool:
        for attempt in range(1, TRIES + 1):
            try:
                self._send(mail)
                return True
            except Exception as error:  # whatever a server or a network does: the next mail has its own chance
                code = _code(error)
                final = isinstance(error, smtplib.SMTPNotSupportedError) or attempt == TRIES or (code or 0) >= 500
                if final or self._closing.wait(self._again_s):
                    logger(__name__).warning("mail_not_sent", reason=type(error).__name__, smtp_code=code)
                    break
        return False

    def _send(self, mail: Mail) -> None:
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = mail.to
        message["Subject"] = mail.subject
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain=self._domain)
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.text)
        with self._connected() as server:
            if self._login is not None:
                server.login(*self._login)
            server.send_message(message)

    def _connected(self) -> smtplib.SMTP:
        """A connection that nobody can listen to, except within this machine."""
        safe = ssl.create_default_context()
        if self._tls:
            return smtplib.SMTP_SSL(self._host, self._port, self._domain, timeout=PATIENCE_S, context=safe)
        server = smtplib.SMTP(self._host, self._port, self._domain, timeout=PATIENCE_S)
        if not is_loopback(self._host):
            try:
                server.starttls(context=safe)
            except BaseException:
                server.close()
                raise
        return server


def _code(error: Exception) -> int | None:
    """What the server answered; of a letter to one person, what it said of that person (452: come again later)."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return min(code for code, _ in error.recipients.values())
    code: int | None = getattr(error, "smtp_code", None)
    return code
