// Keeps the parts marked data-live up to date, and sends forms without losing one's place. The page works without it.
"use strict";

const PERIOD_MS = 2000;

// What somebody is typing into, or has opened, stays as it is.
function inUse(part) {
  return part.contains(document.activeElement) && document.activeElement.matches("input")
    || [...part.querySelectorAll("input[type=number]")].some((input) => input.value !== input.defaultValue);
}

function take(html, all) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(part.id);
    if (!other || (!all && inUse(part)) || other.innerHTML === part.innerHTML) continue;
    const open = [...part.querySelectorAll("details")].map((details) => details.open);
    const focused = focusable(part).indexOf(document.activeElement);
    part.innerHTML = other.innerHTML;
    part.querySelectorAll("details").forEach((details, number) => { details.open = open[number] ?? false; });
    if (focused >= 0) focusable(part)[focused]?.focus();
  }
}

function focusable(part) {
  return [...part.querySelectorAll("button, input, summary, a")];
}

async function refresh() {
  if (!document.hidden) {
    try {
      const response = await fetch(location.pathname + location.search, { headers: { accept: "text/html" } });
      if (response.redirected && new URL(response.url).pathname === "/login") location.assign("/login");
      else if (response.ok) take(await response.text(), false);
      document.body.classList.toggle("stale", !response.ok);
    } catch {
      document.body.classList.add("stale");
    }
  }
  setTimeout(refresh, PERIOD_MS);
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.method !== "post" || !new URL(form.action).pathname.startsWith("/dashboard/")) return;
  event.preventDefault();
  const data = new URLSearchParams(new FormData(form, event.submitter));
  const response = await fetch(form.action, { method: "POST", body: data });
  if (response.ok) take(await response.text(), true);
  else alert((await response.json()).detail ?? response.statusText);
});

setTimeout(refresh, PERIOD_MS);
