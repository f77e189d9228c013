// Asks for the last cars once a second and shows them.
const percent = (share) => `${Math.round(100 * share)} %`;
const columns = [
  (car) => new Date(car.time).toLocaleTimeString(),
  (car) => car.plate ?? "unread",
  (car) => (car.plate ? percent(car.agreement) : ""),
  (car) => `${car.seconds.toFixed(1)} s`,
  (car) => car.frames,
  (car) => percent(car.remote_frames / car.frames),
];

function row(car) {
  const line = document.createElement("tr");
  for (const column of columns) line.insertCell().textContent = column(car);
  return line;
}

async function show() {
  const status = document.getElementById("frames");
  try {
    const { title, frames, cars } = await (await fetch("cars.json")).json();
    document.title = document.getElementById("title").textContent = title;
    status.textContent = "Frames: " + (Object.entries(frames).map(([who, count]) => `${count} ${who}`).join(", ") || "none yet");
    document.getElementById("cars").replaceChildren(...cars.map(row));
  } catch {
    status.textContent = "The demo has ended.";
  }
}

show();
setInterval(show, 1000);
