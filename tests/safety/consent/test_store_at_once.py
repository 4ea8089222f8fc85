"""The store under many threads and processes, some of them killed; and challenges, of which each is good for one clip."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from photoplay.errors import ConsentError
from photoplay.safety.consent.binding import Binding
from photoplay.safety.consent.record import issue
from photoplay.safety.consent.store import RecordStore
from tests.safety.consent.people import DAY, NOW, person
from tests.safety.consent.test_store import TERMS, code, enrolled


def test_threads_may_use_one_folder_at_once(store: RecordStore) -> None:
    def work(seed: int) -> str:
        mine = RecordStore(store.folder)
        record = enrolled(mine, seed)
        mine.still_valid((record,), NOW)
        if seed % 2:
            mine.revoke(record.id, "", NOW)
        return record.id

    with ThreadPoolExecutor(6) as pool:
        ids = list(pool.map(work, range(12)))
    assert {record.id for record in store.records()} == set(ids[::2])
    assert len(store.entries(NOW)) == 12


def test_a_record_that_is_revoked_as_it_comes_does_not_stay(store: RecordStore) -> None:
    for _ in range(4):
        record, token = issue(Binding.of(person(1)), TERMS, store.issuer(), NOW)
        ready = threading.Barrier(2)

        def add(token: str = token, ready: threading.Barrier = ready) -> None:
            ready.wait()
            with suppress(ConsentError):
                store.add(token, NOW)

        thread = threading.Thread(target=add)
        thread.start()
        ready.wait()
        store.revoke(record.id, "", NOW)
        thread.join()
        assert store.records() == ()
        assert not (store.folder / "records" / f"{record.id}.jws").exists()


CHILD = """
import sys
from datetime import UTC, datetime
from pathlib import Path
import numpy as np
from photoplay.safety.consent.record import Terms
from photoplay.safety.consent.store import RecordStore
store = RecordStore(Path(sys.argv[1]))
store.issuer()
face = np.linspace(-0.2, 0.3, 128, dtype=np.float32)
print("ready", flush=True)
while True:
    record, _ = store.enrol(face, Terms(("face",), 30), datetime.now(UTC))
    print("added", record.id, flush=True)
    store.revoke(record.id, "", datetime.now(UTC))
    print("revoked", record.id, flush=True)
"""


def test_killed_in_the_middle_nothing_is_half_done(store: RecordStore) -> None:
    """kill -9 while records come and go: what was said to be revoked is, what was added is whole or not there."""
    said: list[list[str]] = []
    for pause in (0.0, 0.02, 0.05):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(store.folder)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.15 + pause)
        os.kill(child.pid, signal.SIGKILL)
        said += [line.split() for line in child.stdout.read().splitlines() if line.count(" ") == 1]
        child.wait()
        child.stdout.close()
    revoked = {id_ for what, id_ in said if what == "revoked" and len(id_) == 32}
    assert revoked
    states = {entry.id: entry.state for entry in store.entries(NOW)}
    assert all(states[id_] == "revoked" for id_ in revoked)
    assert set(states.values()) <= {"revoked", "not yet", "valid", "expired"}  # the child's clock is the real one
    assert len(store.records()) <= 3


# --- challenges ------------------------------------------------------------------------------------------------------------


def test_attack_a_challenge_is_good_for_one_clip(store: RecordStore) -> None:
    made = store.challenge(NOW)
    assert RecordStore(store.folder).take_challenge(made.id) == made
    with pytest.raises(ConsentError) as caught:
        store.take_challenge(made.id)
    assert code(caught) == "live_expired"


def test_attack_two_clips_for_one_challenge_at_once(store: RecordStore) -> None:
    made = store.challenge(NOW)

    def take(_: int) -> bool:
        try:
            store.take_challenge(made.id)
        except ConsentError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(take, range(12))) == 1


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"actions": 3, "expires": 4}', '{"actions": [], "expires": "x"}'])
def test_attack_a_challenge_that_was_tampered_with(store: RecordStore, content: str) -> None:
    made = store.challenge(NOW)
    (store.folder / "challenges" / f"{made.id}.json").write_text(content)
    with pytest.raises(ConsentError) as caught:
        store.take_challenge(made.id)
    assert code(caught) == "live_expired"


def test_old_challenges_are_swept_away(store: RecordStore) -> None:
    store.challenge(NOW)
    kept = store.challenge(NOW + DAY)
    assert [path.stem for path in (store.folder / "challenges").iterdir()] == [kept.id]
