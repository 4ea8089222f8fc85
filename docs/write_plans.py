"""Writes the tables of docs/service/plans.md: ``python docs/write_plans.py`` (a test keeps them current)."""

from __future__ import annotations

import re
from pathlib import Path

from photoplay.service.accounts import keys, letters, limits, passwords, sessions
from photoplay.service.accounts import tenants as accounts
from photoplay.service.ground.plans import Plan, cost, load_plans
from photoplay.service.looking import looker, uploads

PAGE = Path(__file__).parent / "service" / "plans.md"
PLANS = load_plans()


def plans() -> str:
    """What each plan includes, a column for each."""
    rows = ["| | " + " | ".join(plan.title for plan in PLANS.values()) + " |", "|---" * (len(PLANS) + 1) + "|"]
    said = {
        "name": lambda plan: f"`{plan.name}`",
        "largest film": lambda plan: plan.sizes[-1],
        "longest film": lambda plan: f"{plan.max_seconds:g} s",
        "visible label": lambda plan: plan.label or "as asked for",
        "credits a month": lambda plan: "not counted" if plan.unmetered else f"{plan.monthly_credits:,}",
        "films waiting or running": lambda plan: str(plan.concurrency),
        "films an hour": lambda plan: f"{plan.per_hour:,}",
        "handicap in the queue": lambda plan: _span(plan.priority_delay),
        "films are kept": lambda plan: f"{plan.retention_days:,} days",
        "photos and clips kept": lambda plan: f"{plan.uploads_mb:,} MB",
        "backends": lambda plan: "all" if plan.backends == "*" else ", ".join(plan.backends),
    }
    for name, say in said.items():
        rows.append(f"| {name} | " + " | ".join(say(plan) for plan in PLANS.values()) + " |")
    return "\n".join(rows)


def prices() -> str:
    """Credits for a second by size and backend."""
    plan = PLANS["ultra"]
    named = sorted(plan.factors)
    rows = ["| credits for each begun second | " + " | ".join(plan.sizes) + " |", "|---" * (len(plan.sizes) + 1) + "|"]
    for backends, one in ((", ".join(f"`{name}`" for name in named), named[0]), ("every other backend", "pocket")):
        rows.append(f"| {backends} | " + " | ".join(str(cost(plan, size, 1, one)) for size in plan.sizes) + " |")
    if len(set(plan.factors.values())) != 1:
        raise AssertionError("backends with factors need a row each")
    films = ((3.0, "480p", "pocket"), (4.2, "720p", "pocket"), (10.0, "1080p", "pocket"), (5.0, "720p", "wan-i2v"))
    examples = [
        f"{seconds:g} s at {size} with `{name}`: {cost(plan, size, seconds, name)}" for seconds, size, name in films
    ]
    return "\n".join(rows) + "\n\nExamples: " + "; ".join(examples) + "."


def ageing() -> str:
    """How much later a film of the column's plan may come and still go before one of the row's."""
    metered = [plan for plan in PLANS.values() if not plan.unmetered]
    rows = ["| | " + " | ".join(plan.title for plan in metered) + " |", "|---" * (len(metered) + 1) + "|"]
    for mine in metered:
        rows.append(f"| {mine.title} yields to | " + " | ".join(_yields(mine, other) for other in metered) + " |")
    return "\n".join(rows)


def _yields(mine: Plan, other: Plan) -> str:
    later = mine.priority_delay - other.priority_delay
    return f"those less than {_span(later)} later" if later > 0 else "none that came later"


def bounds() -> str:
    """Every limit, with what it answers."""
    wait = " to ".join(f"{seconds:g}" for seconds in limits.WAIT_S)
    window = _span(sessions.WINDOW_S)
    found = [
        ("films of the account that wait or run", "too_many_jobs", 429, f"what films took lately, {wait} s"),
        ("films of the account in the last hour", "rate_limited", 429, "until the oldest of them is an hour old"),
        ("films of everybody that wait: `PHOTOPLAY_QUEUE_LIMIT`", "queue_full", 503, f"until there is room, {wait} s"),
        (
            f"{sessions.TRIES} wrong passwords for one e-mail address in {window}",
            "too_many_tries",
            429,
            "until that is over",
        ),
        (
            f"{sessions.TRIES_FROM} wrong passwords from one internet address in {window}",
            "too_many_tries",
            429,
            "as above",
        ),
        (f"{accounts.SIGN_UPS} sign-ups from one internet address in an hour", "too_many_tries", 429, "as above"),
        (
            f"{letters.LETTERS_TO} letters to one address, or {letters.LETTERS_FROM} asked for from one internet address, in"
            " an hour",
            "too_many_tries",
            429,
            "as above",
        ),
        (
            f"{looker.WAITING} photos and previews, and {looker.CLIPS_WAITING} live clips, that a web process looks at, one"
            " of each at a time, or that wait for it",
            "looker_busy",
            503,
            "5 s and 20 s",
        ),
        (f"{uploads.MOST} photos and clips of an account, or its plan's MB", "uploads_full", 409, "none: delete some"),
        (f"{keys.MOST} keys of an account in force", "too_many_keys", 409, "none: revoke one"),
    ]
    rows = [f"| {what} | `{code}` | {status} | {again} |" for what, code, status, again in found]
    return "\n".join(["| limit | code | status | `Retry-After` |", "|---|---|---|---|", *rows])


def credentials() -> str:
    """How passwords, sessions, links and keys are kept."""
    shortest, longest = passwords.LENGTH
    days = f"{keys.DAYS[0]} to {keys.DAYS[1]:,} days"
    found = [
        (f"password, {shortest} to {longest} characters", "until it is changed: that signs out everywhere", "Argon2id"),
        ("browser session", f"{_span(sessions.SESSION_S)}, or until signed out", "SHA-256"),
        ("sign-in link", f"{_span(sessions.LINK_S)}, for one use", "SHA-256"),
        (f"API key `{keys.PREFIX}…`", f"until revoked, or {days} where asked for", "SHA-256"),
    ]
    return "\n".join(["| | lasts | kept as |", "|---|---|---|", *(f"| {a} | {b} | {c} |" for a, b, c in found)])


def _span(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s" if seconds else "none"


def page() -> str:
    """The whole page, with its tables as the plans are now."""
    text = PAGE.read_text(encoding="utf-8")
    for block in (plans, prices, ageing, bounds, credentials):
        start, end = f"<!-- {block.__name__} -->\n", f"<!-- /{block.__name__} -->\n"
        text = re.sub(f"(?s){start}.*{end}", lambda _, made=block(), s=start, e=end: f"{s}{made}\n{e}", text)
    return text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
