// One indicator over the candles, from the API: on the prices, or in a pane of its own below them.

import { LineSeries } from "../../vendor/lightweight-charts-5.2.1/lightweight-charts.standalone.production.mjs";

const LIMIT = 300;
// Not prices: drawn below.
const BELOW = new Set(["rsi", "macd", "atr"]);
const PANE_SHARE = 0.25;

export class Indicator {
  constructor(chart, facts) {
    this.chart = chart;
    this.facts = facts;
    this.name = "";
    this.interval = "1m";
    this.lines = new Map();
  }

  choose(name) {
    this.name = name;
    this.clear();
    return this.refresh();
  }

  show(interval) {
    this.interval = interval;
    this.clear();
    return this.refresh();
  }

  clear() {
    for (const line of this.lines.values()) {
      this.chart.removeSeries(line);
    }
    this.lines.clear();
  }

  async refresh() {
    const { name, interval } = this;
    if (!name) {
      return;
    }
    const address = `${this.facts.api}/indicators?indicator=${name}&interval=${interval}&limit=${LIMIT}`;
    const response = await fetch(address).catch(() => null);
    if (!response?.ok) {
      return;
    }
    const { times, lines } = await response.json();
    if (name === this.name && interval === this.interval) {
      for (const [label, values] of Object.entries(lines)) {
        this.draw(label, times, values);
      }
    }
  }

  draw(label, times, values) {
    if (!this.lines.has(label)) {
      const pane = BELOW.has(this.name) ? 1 : 0;
      const look = { title: label, lineWidth: 1, priceLineVisible: false, lastValueVisible: pane === 1 };
      this.lines.set(label, this.chart.addSeries(LineSeries, look, pane));
      if (pane === 1) {
        const [prices, below] = this.chart.panes();
        prices.setStretchFactor(1 - PANE_SHARE);
        below.setStretchFactor(PANE_SHARE);
      }
      this.paint(this.colours);
    }
    this.lines.get(label).setData(times.map((time, place) => (
      values[place] === null ? { time: Date.parse(time) / 1000 } : { time: Date.parse(time) / 1000, value: values[place] }
    )));
  }

  paint(colours) {
    this.colours = colours;
    const tones = [colours.info, colours.warn, colours.text];
    [...this.lines.values()].forEach((line, place) => line.applyOptions({ color: tones[place % tones.length] }));
  }
}
