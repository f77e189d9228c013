// Follows a session: its annotated video, and its results as Server-Sent Events.
//
// Both are read with fetch, as neither an <img> nor an EventSource can send a token.

const element = (id) => document.getElementById(id);
let attempt = new AbortController();

function tell(text, wrong = false) {
  element("status").textContent = text;
  element("status").classList.toggle("wrong", wrong);
}

async function open(path, signal) {
  const token = element("token").value.trim();
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const response = await fetch(path, { headers, signal });
  if (response.ok) return response.body.getReader();
  if (response.status === 401) element("login").hidden = false;
  const problem = await response.json().catch(() => ({}));
  throw new Error(`${response.status}: ${problem.detail ?? problem.title}`);
}

async function followResults(session, signal) {
  const reader = await open(`results/${encodeURIComponent(session)}`, signal);
  const decoder = new TextDecoder();
  let text = "";
  let count = 0;
  tell("Waiting for results ...");
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    const events = text.split("\n\n");
    text = events.pop();
    for (const event of events) {
      if (event.startsWith("event: end")) return tell("The session has ended.");
      const data = event.match(/^data: (.*)$/m)?.[1];
      if (!data) continue;
      count += 1;
      tell(`${count} results`);
      element("reply").textContent = JSON.stringify(JSON.parse(data), null, 2);
      element("reply").hidden = element("reply-title").hidden = false;
    }
  }
}

async function followVideo(session, signal) {
  const reader = await open(`video/${encodeURIComponent(session)}`, signal);
  const canvas = element("canvas");
  for await (const jpeg of parts(reader)) {
    const picture = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
    canvas.width = picture.width;
    canvas.height = picture.height;
    canvas.hidden = false;
    canvas.getContext("2d").drawImage(picture, 0, 0);
    picture.close();
  }
}

/** The bodies of a multipart/x-mixed-replace; each part says how long it is. */
async function* parts(reader) {
  let bytes = new Uint8Array();
  const more = async () => {
    const { done, value } = await reader.read();
    if (done) return false;
    const joined = new Uint8Array(bytes.length + value.length);
    joined.set(bytes);
    joined.set(value, bytes.length);
    bytes = joined;
    return true;
  };
  for (;;) {
    let head;
    while (!(head = new TextDecoder("latin1").decode(bytes.subarray(0, 512)).match(/content-length: (\d+)\r\n\r\n/))) {
      if (!(await more())) return;
    }
    const begin = head.index + head[0].length;
    const end = begin + Number(head[1]);
    while (bytes.length < end) if (!(await more())) return;
    yield bytes.slice(begin, end);
    bytes = bytes.slice(end);
  }
}

function watch(session) {
  attempt.abort();
  attempt = new AbortController();
  element("canvas").hidden = true;
  const failed = (error) => error.name === "AbortError" || tell(error.message, true);
  followResults(session, attempt.signal).catch(failed);
  followVideo(session, attempt.signal).catch(() => {}); // a session without video has results, which say what is wrong
}

element("choice").addEventListener("submit", (event) => {
  event.preventDefault();
  watch(element("session").value.trim());
});
element("login").addEventListener("submit", (event) => {
  event.preventDefault();
  watch(element("session").value.trim());
});
const given = new URLSearchParams(location.search).get("session");
if (given) {
  element("session").value = given;
  watch(given);
}
