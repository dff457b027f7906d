"""A script that tries every way in which a web page can send a request elsewhere, and writes down what came of it."""
import json

SCRIPT = """
const target = %(target)s, body = %(body)s, said = {};
async function attempt(name, send) {
  try { said[name] = String(await send()); } catch (e) { said[name] = e.name; }
}
const post = (options) => async () => {
  const r = await fetch(target, {method: "POST", body, ...options});
  return r.type + " " + r.status + (r.type === "opaque" ? "" : " " + await r.text());
};
const typed = (type) => ({body: new Blob([body], {type})});
function form(type) {
  const f = document.createElement("form"), field = document.createElement("input"), frame = document.createElement("iframe");
  frame.name = "f" + Math.random();
  Object.assign(f, {method: "POST", enctype: type, action: target, target: frame.name});
  // In text/plain a field is sent as name=value: the = becomes part of a string of the JSON.
  field.name = body.slice(0, -1) + ',"x":"'; field.value = '"}';
  f.append(field); document.body.append(frame, f);
  return new Promise(done => { frame.onload = () => done("sent"); setTimeout(() => done("blocked"), 3000); f.submit(); });
}
function xhr() {
  return new Promise(done => {
    const x = new XMLHttpRequest();
    x.onload = () => done(x.status); x.onerror = () => done("error");
    x.open("POST", target); x.setRequestHeader("content-type", "application/json"); x.send(body);
  });
}
(async () => {
  await attempt("json", post({headers: {"content-type": "application/json"}}));
  await attempt("text", post({headers: {"content-type": "text/plain"}}));
  await attempt("opaque", post({mode: "no-cors"}));
  await attempt("opaque credentials", post({mode: "no-cors", credentials: "include"}));
  await attempt("opaque form type", post({mode: "no-cors", ...typed("application/x-www-form-urlencoded")}));
  await attempt("no referrer", post({mode: "no-cors", referrerPolicy: "no-referrer"}));
  await attempt("keepalive", post({mode: "no-cors", keepalive: true}));
  await attempt("beacon", async () => navigator.sendBeacon(target, body));
  await attempt("xhr", xhr);
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
    await attempt("form " + type, () => form(type));
  await attempt("get", async () => (await fetch(target + "?encoding=json&message=" + encodeURIComponent(body))).status);
  await attempt("storage", async () => localStorage.length);
  await attempt("parent", async () => parent === window ? "none" : parent.document.title);
  document.getElementById("said").textContent = JSON.stringify(said);
  document.body.dataset.done = "1";
})();
"""


def page(target, message):
    """HTML whose script posts the message to the URL; what it got stands in #said when body[data-done] is there."""
    script = SCRIPT % {"target": json.dumps(target), "body": json.dumps(json.dumps(message))}
    return f'<p id="said">not yet</p><script>{script.replace("</", "<" + chr(92) + "/")}</script>'
