// Draws series over the last minute, on a linear axis or on a fixed logarithmic one. Colours are the page's, so a chart
// follows light and dark.

const SPAN_S = 60;
const LEFT = 44, RIGHT = 8, TOP = 10, BOTTOM = 18;
const marks = {
  device: (context, x, y) => context.arc(x, y, 2.5, 0, 7),
  edge: (context, x, y) => context.rect(x - 2.3, y - 2.3, 4.6, 4.6),
  cloud: (context, x, y) => { context.moveTo(x, y - 3.2); context.lineTo(x + 3, y + 2.4); context.lineTo(x - 3, y + 2.4); context.closePath(); },
};

export class Chart {
  constructor(canvas, decades = null) {
    this.canvas = canvas;
    this.decades = decades; // [least, greatest] powers of ten of a logarithmic axis; what is beyond is drawn at its end
    this.points = []; // {at, value, mark} in the order of their times; a line where there is no mark
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  add(point) {
    this.points.push(point);
    if (this.points.length > 4000) this.points.splice(0, 1000);
    this.dirty ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.dirty = null;
    const { canvas } = this, ratio = devicePixelRatio;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const now = this.points.at(-1)?.at ?? 0;
    const shown = this.points.filter((point) => point.at > now - SPAN_S);
    const axis = this.decades ? logarithmic(...this.decades) : linear(shown);
    const x = (at) => LEFT + (1 - (now - at) / SPAN_S) * (width - LEFT - RIGHT);
    const y = (value) => height - BOTTOM - axis.share(value) * (height - TOP - BOTTOM);
    const colours = getComputedStyle(document.documentElement);
    const colour = (name) => colours.getPropertyValue(`--${name}`).trim();
    this.grid(context, colour, axis.ticks, y, width, height);
    this.lines(context, colour, shown, x, y);
    this.dots(context, colour, shown, x, y);
    const last = shown.findLast((point) => point.value != null);
    canvas.setAttribute("aria-label", last ? `${canvas.id}: last ${Math.round(last.value * 10) / 10}` : `${canvas.id}: nothing yet`);
  }

  grid(context, colour, ticks, y, width, height) {
    context.strokeStyle = colour("line");
    context.fillStyle = colour("faint");
    context.font = "11px system-ui, sans-serif";
    context.textAlign = "right";
    for (const value of ticks) {
      line(context, [[LEFT, y(value)], [width - RIGHT, y(value)]]);
      context.fillText(String(value), LEFT - 6, y(value) + 4);
    }
    context.fillText("now", width - RIGHT, height - 4);
    context.textAlign = "left";
    context.fillText(`${SPAN_S} s ago`, LEFT, height - 4);
  }

  lines(context, colour, shown, x, y) {
    const series = Map.groupBy(shown.filter((point) => !point.mark), (point) => point.series ?? "");
    for (const points of series.values()) {
      context.strokeStyle = colour(points[0].colour ?? "faint");
      context.lineWidth = 1.5;
      line(context, points.map((point) => [x(point.at), y(point.value)]));
    }
  }

  dots(context, colour, shown, x, y) {
    for (const { at, value, mark } of shown) {
      if (!mark) continue;
      context.beginPath();
      if (mark === "failed") {
        context.strokeStyle = colour("failed");
        line(context, [[x(at) - 3, TOP - 3], [x(at) + 3, TOP + 3]]);
        line(context, [[x(at) + 3, TOP - 3], [x(at) - 3, TOP + 3]]);
      } else {
        context.fillStyle = colour(mark);
        marks[mark](context, x(at), y(value));
        context.fill();
      }
    }
  }
}

function line(context, points) {
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x, y);
  context.stroke();
}

function linear(points) {
  const top = nice(Math.max(1, ...points.map((point) => point.value ?? 0)));
  return { ticks: [0, top / 2, top], share: (value) => value / top };
}

function logarithmic(least, greatest) {
  const ticks = Array.from({ length: greatest - least + 1 }, (_, index) => 10 ** (least + index));
  const share = (value) => (Math.log10(value) - least) / (greatest - least);
  return { ticks: ticks.map((tick) => Number(tick.toPrecision(1))), share: (value) => Math.min(Math.max(share(value), 0), 1) };
}

function nice(value) {
  const step = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 5, 10].map((times) => times * step).find((candidate) => candidate >= value);
}
