// Sends an image, or a text, to POST predict and shows the reply; draws what was detected over the image.

import { draw } from "./draw.js";

const element = (id) => document.getElementById(id);
let mediaType = "";

async function start() {
  const service = await (await fetch(".", { headers: { accept: "application/json" } })).json();
  document.title = service.service;
  element("title").textContent = `${service.service} ${service.revision}`;
  if (!service.input) {
    tell("The model is still being loaded.");
    setTimeout(start, 1000);
    return;
  }
  mediaType = service.input === "Image" ? "" : service.input === "str" || service.input === "bytes" ? "text/plain" : "application/json";
  element("image").hidden = mediaType !== "";
  element("text").hidden = mediaType === "";
  tell("");
}

function tell(text, wrong = false) {
  element("status").textContent = text;
  element("status").classList.toggle("wrong", wrong);
}

async function send(body, type) {
  tell("Waiting for the answer ...");
  const headers = type ? { "content-type": type } : {};
  const token = element("token").value.trim();
  if (token) headers.authorization = `Bearer ${token}`;
  const began = performance.now();
  const response = await fetch("predict", { method: "POST", body, headers });
  const reply = await response.json();
  const tookMs = performance.now() - began;
  if (response.status === 401) element("login").hidden = false;
  show(reply);
  if (!response.ok) throw new Error(`${response.status}: ${reply.detail ?? reply.title}`);
  const inferMs = response.headers.get("server-timing")?.match(/infer;dur=([\d.]+)/)?.[1];
  tell(`${Math.round(tookMs)} ms` + (inferMs ? `, of which inference ${Number(inferMs).toFixed(1)} ms` : ""));
  return reply;
}

function show(reply) {
  element("reply").textContent = JSON.stringify(reply, null, 2);
  element("reply").hidden = element("reply-title").hidden = false;
}

async function tryImage(file) {
  if (!file) return;
  element("canvas").hidden = true;
  const [reply, picture] = await Promise.all([send(file, ""), createImageBitmap(file).catch(() => null)]);
  if (picture) draw(element("canvas"), picture, reply.detections ?? []);
}

function attempt(work) {
  work.catch((error) => tell(error.message, true));
}

const drop = element("drop");
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", kind === "dragover");
  });
}
document.addEventListener("drop", (event) => attempt(tryImage(event.dataTransfer.files[0])));
document.addEventListener("paste", (event) => {
  if (mediaType === "" && event.clipboardData.files.length) attempt(tryImage(event.clipboardData.files[0]));
});
element("file").addEventListener("change", (event) => attempt(tryImage(event.target.files[0])));
for (const form of ["image", "login"]) element(form).addEventListener("submit", (event) => event.preventDefault());
element("text").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(send(element("body").value, mediaType));
});
attempt(start());
