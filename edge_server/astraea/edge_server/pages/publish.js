// Publishes the browser's camera, and shows each frame that is answered with what was detected in it.

import { draw } from "./draw.js";
import { Pairing } from "./pairing.js";
import { publish } from "./whip.js";

const KEPT_FRAMES = 45; // a second and a half: the longest that an answer is waited for

const element = (id) => document.getElementById(id);
let session = null;

function tell(text, wrong = false) {
  element("status").textContent = text;
  element("status").classList.toggle("wrong", wrong);
}

async function start() {
  tell("Opening the camera ...");
  const media = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 } }, audio: false });
  const track = media.getVideoTracks()[0];
  const pairing = new Pairing(KEPT_FRAMES);
  const opened = { track, pairing, answered: 0, answeredAt: 0, since: performance.now() };
  session = opened;
  follow(opened, media);
  tell("Connecting ...");
  const current = (then) => (told) => session === opened && then(told); // results may come after it was stopped
  opened.whip = await publish("whip", track, {
    token: element("token").value.trim(),
    onEncoded: (rtpTimestamp, at) => pairing.encoded(rtpTimestamp, at),
    onResult: current((result) => show(opened, result)),
    onEnd: current((reason) => end(reason)),
  });
  if (session !== opened) return opened.whip.close();
  element("watch").href = `watch?session=${encodeURIComponent(opened.whip.id)}`;
  element("share").hidden = element("stop").hidden = false;
  element("start").hidden = true;
}

/** Keeps the last frames that were filmed, so that a result can be drawn on its own. */
function follow(session, media) {
  const video = element("video");
  video.srcObject = media;
  video.play();
  const keep = async (now, metadata) => {
    if (session.track.readyState !== "live") return;
    video.requestVideoFrameCallback(keep);
    const at = performance.timeOrigin + (metadata.captureTime ?? now);
    session.pairing.filmed(at, await createImageBitmap(video));
  };
  video.requestVideoFrameCallback(keep);
}

function show(session, result) {
  if (!result.result) {
    // A service that is slower than the camera passes frames over; that is worth a word only when none is answered.
    if (performance.now() - session.answeredAt > 1000) tell(result.problem?.detail ?? "No answer", true);
    return;
  }
  const picture = session.pairing.pictureOf(result.rtp_timestamp);
  if (!picture) return;
  draw(element("canvas"), picture, result.result.detections ?? []);
  session.answered += 1;
  session.answeredAt = performance.now();
  const seconds = (performance.now() - session.since) / 1000;
  const texts = (result.result.detections ?? []).map((found) => found.text ?? found.label).join(", ");
  tell(`${(session.answered / seconds).toFixed(1)} answers/s, ${Math.round(result.timing.total_ms)} ms at the server. ${texts}`);
}

function end(reason) {
  session?.track.stop();
  session?.whip?.close();
  session = null;
  element("share").hidden = element("stop").hidden = true;
  element("start").hidden = false;
  tell(reason);
}

element("camera").addEventListener("submit", (event) => {
  event.preventDefault();
  start().catch((error) => {
    if (error.status === 401) element("login").hidden = false;
    end(error.message);
    element("status").classList.add("wrong");
  });
});
element("login").addEventListener("submit", (event) => event.preventDefault());
element("stop").addEventListener("click", () => end("Stopped."));
addEventListener("pagehide", () => session?.whip?.close());
