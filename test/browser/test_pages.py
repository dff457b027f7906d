"""The pages of the API port, as a browser shows them."""
import json
import re

from receivers import http_receiver


def url(tern, run):
    return f"http://{tern.endpoint}/v2/domain/development/project/flytesnacks/runs/{run}"


def complaints(page, tern):
    """What the console says about our own pages; a report may miss fonts of other hosts."""
    port = tern.endpoint.rpartition(":")[2]
    return [s for s in page.said if s[0] in ("error", "warning") and (f":{port}/" in s[2] or "Content Security" in s[1])]


def rows(page):
    """(depth, task, phase) of each row of the tree."""
    found = []
    for row in page.locator("table.tree tbody tr").all():
        depth = int(re.search(r"\bd(\d+)\b", row.locator("td.name").get_attribute("class")).group(1))
        found.append((depth, row.locator("td.name a").inner_text(), row.locator(".phase").inner_text()))
    return found


def test_nested_run(tern, flyte_run, page):
    name = flyte_run("nested", "--n", 2)
    page.goto(url(tern, name), wait_until="networkidle")
    train = [(1, "shown.train", "Succeeded"), (2, "shown.clean", "Succeeded"), (2, "shown.clean", "Succeeded")]
    assert rows(page) == [(0, "shown.nested", "Succeeded"), *train, *train]
    assert page.locator(".group").all_inner_texts() == ["first batch"] * 2
    assert page.locator("svg.bar rect").count() == 7 and page.locator("svg.bar rect").first.bounding_box()["width"] > 50
    log = page.locator("pre.log").inner_text()
    assert "line one of the parent\n<b>not bold</b> red & done\n" in log
    report = page.locator("iframe")
    assert report.get_attribute("sandbox") == "allow-scripts"
    assert "All trained" in report.content_frame.locator("body").inner_text()
    assert complaints(page, tern) == []


def test_action_of_a_run(tern, flyte_run, page):
    name = flyte_run("nested", "--n", 1)
    page.goto(url(tern, name))
    page.locator("table.tree a", has_text="shown.clean").last.click()
    assert page.locator("tr.shown td.name a").inner_text() == "shown.clean"
    assert "clean 1" in page.locator("pre.log").inner_text()
    assert page.locator("iframe").count() == 0
    assert complaints(page, tern) == []


def test_failed_run(tern, flyte_run, page):
    name = flyte_run("fails", check=False)
    page.goto(url(tern, name))
    page.locator("h1 .phase.p6").wait_for(timeout=60_000)
    assert rows(page)[0] == (0, "shown.fails", "Failed") and (1, "shown.breaks", "Failed") in rows(page)
    assert "the <input> 2 & its friends" in page.locator(".tree tr.shown .why").inner_text()
    error = page.locator("pre.error").inner_text()
    assert error == "ValueError\nthe <input> 2 & its friends\nare not what they should be"
    assert page.locator("section table tbody tr").count() == 2, "two attempts"
    assert page.locator("table.events").count() == 0
    page.locator("section td a", has_text="1").click()
    event = page.locator("table.events tbody tr")
    assert event.count() == 1 and event.locator(".warning").inner_text() == "Retrying"
    assert complaints(page, tern) == []


def test_running_run_renews_itself(tern, flyte_run, page, tmp_path):
    stop = tmp_path / "stop"
    name = flyte_run("running", "--path", stop, wait=False)
    page.goto(url(tern, name))
    page.locator("tbody .phase.p4").nth(1).wait_for(timeout=60_000)
    assert "shown.waits" in [r[1] for r in rows(page)]
    stop.write_text("")
    page.locator("h1 .phase.p5").wait_for(timeout=60_000)
    page.locator("meta[http-equiv=refresh]").wait_for(state="detached")
    assert [r[2] for r in rows(page)] == ["Succeeded"] * 2
    assert complaints(page, tern) == []


def test_question_of_a_run(tern, flyte_run, page):
    with http_receiver() as receiver:
        name = flyte_run("asks", "--url", receiver.url, wait=False)
        page.goto(json.loads(receiver.next().body)["at"])
    assert page.locator("h1").inner_text() == "Are you sure?"
    page.locator("button", has_text="Yes").click()
    page.locator("p", has_text="Thank you").wait_for()
    assert complaints(page, tern) == []
    page.goto(url(tern, name))
    page.locator("h1 .phase.p5").wait_for(timeout=60_000)


def test_list_of_runs(tern, flyte_run, page):
    name = flyte_run("clean", "--x", 1)
    page.goto(f"http://{tern.endpoint}/")
    row = page.locator("tbody tr", has_text=name)
    assert row.locator(".phase").inner_text() == "Succeeded"
    row.locator("a").click()
    assert page.url == url(tern, name) and page.locator("h1").inner_text().startswith("shown.clean")
    assert complaints(page, tern) == []


def test_page_that_is_not_there(tern, page):
    answer = page.goto(url(tern, "nosuchrun"))
    assert answer.status == 404 and "run not found" in page.locator("body").inner_text()


def test_the_api_to_browse(tern, page):
    page.goto(f"http://{tern.endpoint}/")
    page.locator("a", has_text="The API").click()
    page.locator("details.op").first.wait_for()
    assert page.locator("details.op").count() > 150
    page.locator("#filter").fill("put /secrets")
    operation = page.locator("details.op")
    assert operation.count() == 1
    operation.locator("summary").first.click()
    assert "curl -X PUT" in operation.locator("pre").inner_text()
    spec = operation.locator("li > details", has_text="secretSpec")
    spec.locator("summary").first.click()  # its fields are made when it is opened
    spec.locator("li", has_text="binaryValue").wait_for()
    assert spec.locator("ul code").all_inner_texts()[:2] == ["stringValue", "binaryValue"]
    assert complaints(page, tern) == []
