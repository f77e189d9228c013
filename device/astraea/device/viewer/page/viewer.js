// Listens to the camera loop and shows what it tells: every answer, the state of the targets, decisions with reasons.

import { Chart } from "./chart.js";
import { Picture } from "./picture.js";

const element = (id) => document.getElementById(id);
const picture = new Picture(element("picture"));
const latency = new Chart(element("latency"));
const uplink = new Chart(element("uplink"), [-1, 3]);
const rtt = new Chart(element("rtt"));
const NOTES = 100;

const source = new EventSource("events");
source.addEventListener("open", () => tell("Waiting for the first answer ..."));
source.addEventListener("error", () => tell("The loop does not answer. It may have ended.", true));
source.addEventListener("frame", (event) => showAnswer(JSON.parse(event.data)));
source.addEventListener("state", (event) => showState(JSON.parse(event.data)));
source.addEventListener("note", (event) => showNote(JSON.parse(event.data)));

function tell(text, wrong = false) {
  element("status").textContent = text;
  element("status").classList.toggle("wrong", wrong);
}

function showAnswer(answer) {
  const at = answer.captured_at;
  latency.add({ at, value: answer.predicted_ms });
  latency.add({ at, value: answer.actual_ms, mark: answer.tier ?? "failed" });
  picture.show(answer);
  const found = answer.detections?.length;
  element("answer").textContent = answer.failure
    ? `Frame ${answer.seq} has no answer: ${answer.failure}`
    : [`Frame ${answer.seq}`, `${found ?? "?"} found`, `by ${answer.source}`, `in ${ms(answer.actual_ms)}, ${ms(answer.predicted_ms)} expected`, answer.fallback]
        .filter(Boolean).join(" · ");
}

function showState(state) {
  document.title = state.service;
  element("service").textContent = state.service;
  const counts = [`${state.fps.toFixed(1)} answers/s`, `${state.answered} answered`, `${state.unanswered} not`, `${state.dropped} dropped`];
  if (state.over) source.close();
  if (state.over) tell(`The loop has ended: ${counts.slice(1).join(", ")}.`);
  else if (state.trouble) tell(state.trouble, true);
  else tell([state.camera, ...counts, state.broker_failure && "broker lost"].filter(Boolean).join(" · "));
  element("targets").replaceChildren(...state.targets.map(row));
  for (const target of state.targets) {
    const colour = target.tier;
    if (target.uplink_mbps != null) uplink.add({ at: state.at_s, value: target.uplink_mbps, series: target.name, colour });
    if (target.rtt_ms != null) rtt.add({ at: state.at_s, value: target.rtt_ms, series: target.name, colour });
  }
}

function row(target) {
  const line = document.createElement("tr");
  line.classList.toggle("used", target.in_use);
  line.classList.toggle("away", !target.usable);
  const name = document.createElement("th");
  name.scope = "row";
  name.textContent = (target.in_use ? "▸ " : "") + (target.name === "local" ? "this device" : target.name);
  const spread = target.spread_ms ? ` ± ${Math.round(target.spread_ms)}` : "";
  const cells = [
    target.usable && target.predicted_ms != null ? `${Math.round(target.predicted_ms)}${spread} ms` : "away",
    target.rtt_ms != null ? ms(target.rtt_ms) : "",
    target.uplink_mbps != null ? rate(target.uplink_mbps) : "",
  ];
  line.append(name, ...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
  return line;
}

function showNote(note) {
  const item = document.createElement("li");
  const time = Object.assign(document.createElement("time"), { textContent: note.time });
  item.append(time, note.text);
  element("notes").prepend(item);
  while (element("notes").childElementCount > NOTES) element("notes").lastChild.remove();
}

function rate(mbps) {
  return mbps >= 1000 ? "> 1 Gbit/s" : `${mbps.toFixed(mbps < 100 ? 1 : 0)} Mbit/s`;
}

function ms(value) {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}
