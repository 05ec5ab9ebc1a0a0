// Candles and volume: history from the API, then every trade of the feed moves or opens the last candle.

import { CandlestickSeries, HistogramSeries, createChart } from "../../vendor/lightweight-charts-5.2.1/lightweight-charts.standalone.production.mjs";
import { Indicator } from "./indicator.js";
import { colours, onThemeChange } from "./theme.js";

const SECONDS = { "1s": 1, "1m": 60, "5m": 300, "15m": 900, "1h": 3600, "4h": 14400, "1d": 86400 };
const LIMIT = 300;
const RECONCILE_MS = 60000;

export class CandleChart {
  constructor(place, facts) {
    this.facts = facts;
    this.empty = place.querySelector(".mk-empty");
    this.interval = "1m";
    this.last = null;
    this.seen = 0n;
    this.chart = createChart(place, { autoSize: true, ...look() });
    const format = { type: "price", precision: facts.price_decimals, minMove: 1 / 10 ** facts.price_decimals };
    this.candles = this.chart.addSeries(CandlestickSeries, { priceFormat: format });
    this.volume = this.chart.addSeries(HistogramSeries, { priceScaleId: "volume", priceFormat: { type: "volume" }, lastValueVisible: false, priceLineVisible: false });
    this.volume.priceScale().applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    this.indicator = new Indicator(this.chart, facts);
    this.paint();
    onThemeChange(() => this.paint());
    setInterval(() => this.reconcile(), RECONCILE_MS);
  }

  paint() {
    const paint = colours();
    this.chart.applyOptions(look());
    this.candles.applyOptions({ upColor: paint.good, downColor: paint.bad, borderVisible: false, wickUpColor: paint.good, wickDownColor: paint.bad });
    this.volume.applyOptions({ color: paint.line });
    this.soft = { up: paint.goodSoft, down: paint.badSoft };
    this.indicator.paint(paint);
  }

  // Replaces everything. Trades that arrive meanwhile may or may not be in what comes: they are left to
  // the reconciliation a moment later.
  async show(interval) {
    this.interval = interval;
    this.loading = true;
    const rows = await this.history(LIMIT);
    if (rows === null || interval !== this.interval) {
      return;
    }
    this.loading = false;
    this.last = rows.at(-1) ?? null;
    this.empty.hidden = rows.length > 0;
    this.candles.setData(rows);
    this.volume.setData(rows.map((row) => this.bar(row)));
    this.chart.timeScale().applyOptions({ barSpacing: 8, rightOffset: 4, secondsVisible: interval === "1s" });
    this.chart.timeScale().scrollToRealTime();
    this.indicator.show(interval);
    setTimeout(() => this.reconcile(), 1000);
  }

  // History is the truth: the last candles are taken from it now and then.
  async reconcile() {
    const interval = this.interval;
    const rows = await this.history(3);
    if (rows === null || interval !== this.interval || this.loading) {
      return;
    }
    for (const row of rows) {
      const old = this.last !== null && row.time < this.last.time;
      this.candles.update(row, old);
      this.volume.update(this.bar(row), old);
      if (!old) {
        this.last = row;
      }
      this.empty.hidden = true;
    }
    this.indicator.refresh();
  }

  async history(limit) {
    const response = await fetch(`${this.facts.api}/candles?interval=${this.interval}&limit=${limit}`).catch(() => null);
    if (!response?.ok) {
      return null;
    }
    const { results } = await response.json();
    return results.map((row) => ({
      time: Date.parse(row.time) / 1000,
      open: Number(row.open),
      high: Number(row.high),
      low: Number(row.low),
      close: Number(row.close),
      value: Number(row.volume),
    }));
  }

  bar({ time, open, close, value }) {
    return { time, value, color: close >= open ? this.soft.up : this.soft.down };
  }

  // Trades of the feed, oldest first; one that was seen before is told by its id.
  add(trades) {
    for (const trade of trades) {
      if (BigInt(trade.id) > this.seen) {
        this.seen = BigInt(trade.id);
        if (!this.loading) {
          this.grow(Date.parse(trade.time) / 1000, Number(trade.price), Number(trade.quantity));
        }
      }
    }
  }

  // The last 50 trades are a picture, not news: the history that is loaded next holds them.
  skip(trades) {
    for (const trade of trades) {
      if (BigInt(trade.id) > this.seen) {
        this.seen = BigInt(trade.id);
      }
    }
  }

  grow(seconds, price, quantity) {
    const step = SECONDS[this.interval];
    const time = Math.floor(seconds / step) * step;
    if (this.last && time < this.last.time) {
      return;
    }
    if (this.last?.time === time) {
      const { last } = this;
      last.high = Math.max(last.high, price);
      last.low = Math.min(last.low, price);
      last.close = price;
      last.value += quantity;
    } else {
      this.last = { time, open: price, high: price, low: price, close: price, value: quantity };
    }
    this.empty.hidden = true;
    this.candles.update({ ...this.last });
    this.volume.update(this.bar(this.last));
  }
}

function look() {
  const paint = colours();
  return {
    layout: { background: { color: paint.surface }, textColor: paint.text, attributionLogo: true },
    grid: { vertLines: { color: paint.line }, horzLines: { color: paint.line } },
    rightPriceScale: { borderColor: paint.line },
    timeScale: { borderColor: paint.line, timeVisible: true, secondsVisible: false },
  };
}
