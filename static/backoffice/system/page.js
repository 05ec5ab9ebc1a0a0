// The charts of the system page: one value a minute over the last hour, asked for every half minute. They always
// show the whole hour: a young platform has little to draw, on its right.

import uPlot from "../../vendor/uplot-1.6.32/uPlot.esm.js";
import { colours, onThemeChange } from "../market/theme.js";

const SECONDS = 30;
const HOUR = 3600;
const EACH = [600, 900, 1200, 1800, 3600];  // seconds between two times below a chart
const page = document.getElementById("sys-charts");

// What each chart draws: names of the columns, and of the colours they have.
const CHARTS = {
  accepted: [["accepted", "good"]],
  outcome: [["p50_ms", "info"], ["p95_ms", "warn"]],
  lag: [["lag_seconds", "warn"]],
  errors: [["errors_percent", "bad"]],
};

class Course {
  constructor(place, lines) {
    this.place = place;
    this.lines = lines;
    this.none = place.querySelector(".sys-none");
    this.data = [[], ...lines.map(() => [])];
    this.build();
    onThemeChange(() => this.build());
    new ResizeObserver(() => this.plot.setSize(this.size())).observe(place);
  }

  draw(minutes) {
    this.data = [minutes.at, ...this.lines.map(([name]) => minutes[name])];
    this.plot.setData(this.data);
    this.none.hidden = this.data.slice(1).flat().some((value) => value !== null);
  }

  size() {
    return { width: Math.max(this.place.clientWidth, 200), height: this.place.clientHeight };
  }

  build() {
    this.plot?.destroy();
    const paint = colours();
    const axis = { stroke: paint.text, grid: { stroke: paint.line, width: 1 }, ticks: { stroke: paint.line, width: 1 } };
    this.plot = new uPlot(
      {
        ...this.size(),
        padding: [8, 20, 0, 0],
        cursor: { drag: { x: false, y: false } },
        legend: { show: false },
        tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "UTC"),
        scales: { x: { range: () => hour(this.data[0]) }, y: { range: (_plot, _low, high) => [0, (high || 1) * 1.1] } },
        axes: [
          { ...axis, incrs: EACH, space: 60, values: (_plot, splits) => splits.map(clock) },
          { ...axis, size: 56 },
        ],
        series: [{}, ...this.lines.map(([label, colour]) => ({ label, stroke: paint[colour], width: 1.5 }))],
      },
      this.data,
      this.place,
    );
  }
}

// The hour that ends with the newest value.
function hour(minutes) {
  const last = minutes.at(-1) ?? Date.now() / 1000;
  return [last - HOUR, last];
}

function clock(at) {
  return new Date(at * 1000).toISOString().slice(11, 16);
}

const charts = Object.entries(CHARTS).map(
  ([name, lines]) => new Course(page.querySelector(`[data-chart="${name}"]`), lines),
);

async function refresh() {
  if (document.visibilityState !== "visible") return;
  const answer = await fetch(page.dataset.minutes);
  if (!answer.ok) return;
  const minutes = await answer.json();
  document.getElementById("sys-empty").hidden = minutes.at.length > 0;
  for (const chart of charts) chart.draw(minutes);
}

refresh();
setInterval(refresh, SECONDS * 1000);
