// Draws what was detected over a picture.

const colours = ["#ff4d4d", "#3ddc84", "#4d9fff", "#ffb300", "#d86bff", "#00d5d5"];

/** Shows a picture with its detections on a canvas, which takes the picture's size. */
export function draw(canvas, picture, detections) {
  canvas.width = picture.width;
  canvas.height = picture.height;
  canvas.hidden = false;
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  const unit = Math.max(2, Math.max(picture.width, picture.height) / 400);
  const labels = [...new Set(detections.map((found) => found.label))];
  context.lineWidth = unit;
  context.font = `${8 * unit}px system-ui, sans-serif`;
  context.textBaseline = "bottom";
  for (const found of detections) outline(context, found, colours[labels.indexOf(found.label) % colours.length], unit);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", summary(detections));
}

function outline(context, found, colour, unit) {
  const [x1, y1, x2, y2] = found.box;
  context.strokeStyle = colour;
  if (found.corners) {
    context.beginPath();
    for (const [x, y] of found.corners) context.lineTo(x, y);
    context.closePath();
    context.stroke();
  } else {
    context.strokeRect(x1, y1, x2 - x1, y2 - y1);
  }
  const text = `${found.text ?? found.label} ${Math.round(found.score * 100)} %`;
  const y = Math.max(y1, 10 * unit);
  context.fillStyle = colour;
  context.fillRect(x1, y - 9 * unit, context.measureText(text).width + 2 * unit, 9 * unit);
  context.fillStyle = "#000";
  context.fillText(text, x1 + unit, y);
}

function summary(detections) {
  if (!detections.length) return "Nothing was detected";
  return `${detections.length} detected: ${detections.map((found) => found.text ?? found.label).join(", ")}`;
}
