"""Web pages that call the API from the browser of someone who uses Tern (D-30, D-31): nothing may come of it."""
import json

import pytest

import attack
import wire

NAME = "attacked"
CREATE = wire.RUNS + "CreateRun"


def message():
    return wire.sleeper(NAME)


def exists(tern, name=NAME):
    return wire.call(tern.endpoint, wire.RUNS + "GetRunDetails", {"runId": wire.run_id(name)}).status == 200


@pytest.fixture(autouse=True)
def nothing_made(tern):
    yield
    assert not exists(tern), "the attack made a run"


def test_the_request_itself_is_good(tern):
    """What the pages send would create a run, did it come from elsewhere."""
    good = {**message(), "runId": wire.run_id("control")}
    assert wire.create_run(tern.endpoint, good).status == 200 and exists(tern, "control")
    wire.abort(tern.endpoint, "control", "a0")


def outcome(where):
    where.locator("body[data-done]").wait_for(timeout=60_000)
    return json.loads(where.locator("#said").inner_text())


def arrived(page, port):
    """Statuses of the POSTs that reached the API."""
    return [status for method, url, status in page.statuses if method == "POST" and f":{port}/" in url]


def port_of(tern):
    return tern.endpoint.rpartition(":")[2]


def test_name_that_means_this_machine(tern, page):
    """DNS rebinding: evil.test was the attacker's when the page was loaded and is 127.0.0.1 now, so it is one origin."""
    origin = f"http://evil.test:{port_of(tern)}"
    page.route(f"{origin}/", lambda r: r.fulfill(content_type="text/html", body=attack.page(origin + CREATE, message())))
    page.goto(f"{origin}/")
    said = outcome(page)
    assert said["json"].startswith("basic 403") and "security.hosts" in said["json"], said
    statuses = arrived(page, port_of(tern))
    assert len(statuses) >= 9 and set(statuses) == {403}, statuses


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("attacker", ["evil.test", "localhost"], ids=["another-site", "another-port"])
def test_page_of_another_site(tern, page, site, host, attacker):
    target = f"http://{host}:{port_of(tern)}{CREATE}"
    page.goto(f"http://{attacker}:{site(attack.page(target, message()))}/")
    said = outcome(page)
    assert said["json"] == said["text"] == "TypeError" and said["xhr"] == "error", "answers can be read: " + str(said)
    assert said["opaque"] == "opaque 0", said
    statuses = arrived(page, port_of(tern))
    assert len(statuses) >= 7 and set(statuses) == {403}, statuses


def test_page_that_frames_ours(tern, page, site, flyte_run):
    run = flyte_run("clean", "--x", 1)
    ours = f"http://{tern.endpoint}/v2/domain/development/project/flytesnacks/runs/{run}"
    page.goto(f"http://evil.test:{site(f'<iframe src={ours}></iframe>')}/", wait_until="networkidle")
    assert "shown.clean" not in page.frames[1].content()
    assert any("frame-ancestors" in text for _, text, _ in page.said), page.said


@pytest.fixture(scope="module")
def hostile_run(tern, flyte_run):
    return flyte_run("reports", "--html", attack.page(f"http://{tern.endpoint}{CREATE}", message()))


def refused(said, page, tern):
    assert said["json"] == said["text"] == "TypeError" and said["xhr"] == "error", said
    assert said["storage"] == "SecurityError", said
    statuses = arrived(page, port_of(tern))
    assert statuses and set(statuses) == {403}, statuses


def test_report_in_the_page(tern, page, hostile_run):
    page.goto(f"http://{tern.endpoint}/v2/domain/development/project/flytesnacks/runs/{hostile_run}")
    said = outcome(page.locator("iframe").content_frame)
    assert said["parent"] == "SecurityError", said
    refused(said, page, tern)


def test_report_by_its_signed_url(tern, page, hostile_run):
    page.goto(f"http://{tern.endpoint}/v2/domain/development/project/flytesnacks/runs/{hostile_run}")
    page.goto(page.locator("iframe").get_attribute("src"))
    refused(outcome(page), page, tern)
