"""The live page on a real scheduler: it only gives, loads nothing from elsewhere, and tells silence from work."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import time
from importlib.resources import files
from urllib.parse import urlsplit

import pytest

from uqmsm.execution import dashboard
from uqmsm.execution.clusters import open_backend
from uqmsm.execution.dashboard import Feed, feeding, link_beside, page
from uqmsm.execution.dashboard.serving import KEPT


@pytest.fixture(scope="module")
def one():
    backend = open_backend(1)
    yield backend
    backend.close()


def opened(backend, run, title="a <b>title</b> & more"):
    return Feed(backend.on_scheduler, backend.dashboard, run, *page(title, ":root{--paper:#fff}"))


def asked(address, method="GET"):
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
    connection.request(method, parts.path + (f"?{parts.query}" if parts.query else ""))
    reply = connection.getresponse()
    found = reply.status, dict(reply.getheaders()), reply.read()
    connection.close()
    return found


def state_of(link):
    address, _, query = link.partition("?")
    status, _, body = asked(f"{address}/state.json?{query}")
    assert status == 200
    return json.loads(body)


def until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return found


def test_the_page_stands_beside_dasks_own_and_loads_nothing_from_elsewhere(one):
    feed = opened(one, "first")
    assert feed.link.startswith("http://127.0.0.1:")
    assert urlsplit(feed.link).netloc == urlsplit(one.dashboard).netloc
    status, headers, body = asked(feed.link)
    text = body.decode()
    assert status == 200
    assert headers["Content-Type"].startswith("text/html")
    assert headers["Cache-Control"] == "no-store"
    assert "a &lt;b>title&lt;/b> &amp; more" in text
    assert set(re.findall(r"https?://[^'\"\s]+", text)) == {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert not re.findall(r"(?:src|href)=[\"'](?!data:|status|workers|system)", text)
    assert "innerHTML" not in text  # what a run says is text, never markup
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'sha256-" in policy
    assert asked(one.dashboard)[0] == 200


def test_it_gives_and_takes_nothing(one):
    feed = opened(one, "second")
    for address in (feed.link, link_beside(one.dashboard) + "/state.json"):
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            assert asked(address, method)[0] in {403, 405}, (method, address)
    assert asked(link_beside(one.dashboard) + "?run=nobody")[0] == 404
    assert asked(link_beside(one.dashboard) + "/page.js")[0] == 404


def test_a_state_arrives_within_seconds_and_the_last_one_at_once(one):
    feed, said = opened(one, "third"), {"count": 0}
    assert state_of(feed.link)["state"] is None
    feed.follow(lambda: dict(said))
    until(lambda: state_of(feed.link)["state"] == {"count": 0})
    said["count"] = 7
    until(lambda: state_of(feed.link)["state"] == {"count": 7}, 3 * feeding.PERIOD_SECONDS)
    said["count"] = 8
    began = time.monotonic()
    feed.close()
    assert state_of(feed.link)["state"] == {"count": 8}
    # somebody looked a moment ago, so the end waits for one more question, and no longer
    assert feeding.PERIOD_SECONDS < time.monotonic() - began < feeding.PATIENCE_SECONDS + 1.0
    unseen = opened(one, "unseen")
    unseen.follow(lambda: {"count": 1})
    began = time.monotonic()
    unseen.close()
    assert time.monotonic() - began < feeding.PERIOD_SECONDS
    assert unseen.trouble is None


def test_silence_is_told_from_a_state_that_does_not_change(one, monkeypatch):
    monkeypatch.setattr(feeding, "PERIOD_SECONDS", 0.1)
    monkeypatch.setattr(feeding, "BEAT_SECONDS", 0.3)
    feed = opened(one, "fourth")
    feed.follow(lambda: {"still": True})
    until(lambda: state_of(feed.link)["age"] > 1.0)
    assert state_of(feed.link)["silent"] < 0.9
    feed.close()
    until(lambda: state_of(feed.link)["silent"] > 1.2)


def test_runs_on_one_scheduler_have_a_page_each_and_the_oldest_goes_first(one):
    feeds = [opened(one, f"run{k}", f"study {k}") for k in range(KEPT + 1)]
    assert feeds[-1].link.endswith(f"?run=run{KEPT}")
    assert asked(link_beside(one.dashboard))[2].count(f"study {KEPT}".encode()) == 2
    assert asked(feeds[1].link)[2].count(b"study 1<") == 2
    assert asked(feeds[0].link)[0] == 404


FOREIGN = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


def test_a_scheduler_elsewhere_serves_it_and_keeps_the_last_word(tmp_path):
    script = tmp_path / "foreign.py"
    script.write_text(FOREIGN, encoding="utf-8")
    with subprocess.Popen([sys.executable, str(script)], stdin=-1, stdout=-1, stderr=-3, text=True) as foreign:
        joined = open_backend(0, foreign.stdout.readline().strip())
        try:
            feed = opened(joined, "abroad", "far away")
            feed.follow(lambda: {"phase": "finished"})
            feed.close()
        finally:
            joined.close()
        assert b"far away" in asked(feed.link)[2]
        assert state_of(feed.link)["state"] == {"phase": "finished"}  # the client is gone
        foreign.stdin.close()
        foreign.wait(30)


def test_what_cannot_be_told_leaves_the_run_alone(one):
    feed = opened(one, "fifth")
    feed.follow(lambda: {"number": float("nan")})  # no JSON
    until(lambda: feed.trouble is not None)
    feed.close()
    assert isinstance(feed.trouble, ValueError)


def test_the_files_of_the_page_belong_to_the_package():
    for name in ("page.html", "page.css", "page.js"):
        assert files(dashboard).joinpath(name).is_file()
