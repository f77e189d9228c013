// Shows answered frames, each with the boxes that were found in it; skips those that come faster than they load.

export class Picture {
  constructor(canvas) {
    this.canvas = canvas;
    this.loading = false;
    this.next = null;
  }

  async show(answer) {
    this.next = answer;
    if (this.loading) return;
    this.loading = true;
    try {
      while (this.next) {
        const current = this.next;
        this.next = null;
        const response = await fetch(`frames/${current.shown_seq}.jpg`);
        if (response.ok) this.draw(await createImageBitmap(await response.blob()), current);
      }
    } catch {
      // The loop has ended; what was shown stays.
    } finally {
      this.loading = false;
    }
  }

  draw(picture, answer) {
    const { canvas } = this;
    canvas.width = picture.width;
    canvas.height = picture.height;
    canvas.style.aspectRatio = `${picture.width} / ${picture.height}`;
    const context = canvas.getContext("2d");
    context.drawImage(picture, 0, 0);
    const unit = Math.max(1.5, Math.max(picture.width, picture.height) / 400);
    const colour = getComputedStyle(document.documentElement).getPropertyValue(`--${answer.tier ?? "failed"}`).trim();
    context.strokeStyle = colour;
    context.lineWidth = unit;
    context.strokeRect(unit / 2, unit / 2, picture.width - unit, picture.height - unit);
    context.font = `600 ${7 * unit}px system-ui, sans-serif`;
    context.textBaseline = "bottom";
    const found = answer.detections ?? [];
    for (const thing of found) outline(context, thing, colour, unit);
    canvas.setAttribute("aria-label", found.length ? `${found.length} found: ${found.map(name).join(", ")}` : "Nothing was found");
    canvas.dataset.seq = answer.seq;
  }
}

function outline(context, thing, colour, unit) {
  const [x1, y1, x2, y2] = thing.box;
  context.strokeStyle = colour;
  context.beginPath();
  for (const [x, y] of thing.corners ?? [[x1, y1], [x2, y1], [x2, y2], [x1, y2]]) context.lineTo(x, y);
  context.closePath();
  context.stroke();
  const text = `${name(thing)} ${Math.round(thing.score * 100)} %`;
  const bottom = Math.max(y1 - unit, 8.5 * unit);
  context.fillStyle = colour;
  context.fillRect(x1, bottom - 8 * unit, context.measureText(text).width + 2 * unit, 8 * unit);
  context.fillStyle = matchMedia("(prefers-color-scheme: dark)").matches ? "#000" : "#fff";
  context.fillText(text, x1 + unit, bottom);
}

function name(thing) {
  return thing.text ?? thing.label;
}
