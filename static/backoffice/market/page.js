// The market page: one feed, one book, and what draws them. Drawing happens once a frame at most, whatever
// the feed's rate.

import { ArmedOrders } from "./armed.js";
import { AuctionBar } from "./auction.js";
import { Book } from "./book.js";
import { CandleChart } from "./candles.js";
import { DepthChart } from "./depth.js";
import { Feed } from "./feed.js";
import { drawLadder, grouped, span } from "./ladder.js";

const TAPE = 8;
const LINK_WORDS = {
  connecting: ["Connecting", "bo-quiet"],
  live: ["Connected", "bo-good"],
  stale: ["Stale: the server is cut off", "bo-warn"],
  lost: ["Lost, coming back", "bo-bad"],
};
const STATUS_WORDS = {
  active: ["Active", "bo-good"],
  pre_open: ["Pre-open", "bo-info"],
  auction: ["Auction", "bo-info"],
  cancel_only: ["Cancel only", "bo-warn"],
  closed: ["Closed", "bo-quiet"],
  halted: ["Halted", "bo-bad"],
  maintenance: ["Maintenance", "bo-warn"],
  delisted: ["Delisted", "bo-quiet"],
};

const facts = JSON.parse(document.getElementById("market-facts").textContent);
const place = (name) => document.querySelector(`[data-market="${name}"]`);
const places = { asks: place("asks"), bids: place("bids"), middle: place("middle") };
const book = new Book();
const depth = new DepthChart(place("depth"), facts);
const candles = new CandleChart(place("candles"), facts);
const auction = new AuctionBar(place("phase"), facts);
const armed = new ArmedOrders(place("armed"), place("armed-summary"), facts, (opening) => auction.takeOpening(opening));
const tape = [];
const bookChannel = { channel: "book", symbol: facts.symbol };
let waiting = false;

function drawSoon() {
  if (!waiting) {
    waiting = true;
    requestAnimationFrame(draw);
  }
}

function draw() {
  waiting = false;
  drawLadder(book, facts, places);
  drawTouch();
  depth.draw(book);
  place("seq").textContent = book.seq === null ? "–" : grouped(book.seq);
  place("seq").dataset.seq = book.seq ?? "";
  drawTape();
}

// The best prices of the book that the ladder shows: the ticker's are a moment older, and would contradict it.
function drawTouch() {
  if (book.seq === null) {
    return;
  }
  const [bid, ask] = ["bids", "asks"].map((side) => book.best(side, 1)[0]?.[0]);
  const apart = Number(ask) - Number(bid);
  tell({ bid, ask, spread: apart > 0 ? apart.toFixed(facts.price_decimals) : undefined });
}

function tell(values) {
  for (const target of document.querySelectorAll("[data-ticker]")) {
    if (target.dataset.ticker in values) {
      const value = values[target.dataset.ticker];
      target.textContent = value === null || value === undefined ? "–" : grouped(value);
    }
  }
}

function drawTape() {
  const rows = tape.slice(-TAPE).reverse().map((trade) => {
    const row = document.createElement("li");
    const tone = trade.taker_side === "buy" ? "mk-up" : "mk-down";
    row.append(span(grouped(trade.price), tone), span(trade.quantity), span(trade.time.slice(11, 19)));
    return row;
  });
  if (rows.length === 0) {
    const none = document.createElement("li");
    none.className = "mk-none";
    none.textContent = "No trade yet.";
    rows.push(none);
  }
  place("trades").replaceChildren(...rows);
}

function takeBook(message) {
  if (book.take(message)) {
    drawSoon();
  } else {
    // A gap or a wrong checksum: what we have is not the book. The next message will be a snapshot.
    book.clear();
    document.documentElement.dataset.resyncs = Number(document.documentElement.dataset.resyncs ?? 0) + 1;
    feed.subscribe(bookChannel);
  }
}

function takeTrades(message) {
  if (message.action === "snapshot") {
    tape.splice(0, tape.length, ...message.trades);
    candles.skip(message.trades);
    candles.show(candles.interval);
  } else {
    tape.push(...message.trades);
    tape.splice(0, Math.max(0, tape.length - 200));
    candles.add(message.trades);
  }
  drawSoon();
}

function takeTicker(ticker) {
  tell(ticker);
  drawTouch();
  armed.moved(ticker.last);
  if (ticker.open && ticker.last) {
    const change = (Number(ticker.last) / Number(ticker.open) - 1) * 100;
    const target = document.querySelector('[data-ticker="change"]');
    target.textContent = `${change >= 0 ? "+" : ""}${change.toFixed(2)} %`;
    target.className = change >= 0 ? "mk-up" : "mk-down";
  }
}

function takeStatus(message) {
  badge(place("status").firstElementChild ?? place("status"), STATUS_WORDS[message.status]);
  auction.takeStatus(message);
}

function badge(target, [words, tone]) {
  target.textContent = words;
  target.className = `bo-badge ${tone}`;
}

const feed = new Feed(
  facts.socket,
  [bookChannel, ...["trades", "ticker", "status"].map((channel) => ({ channel, symbol: facts.symbol }))],
  {
    book: takeBook,
    trade: takeTrades,
    ticker: takeTicker,
    status: takeStatus,
    indicative: (message) => auction.takeIndicative(message),
    welcome: (message) => auction.clock(message.time),
    heartbeat: (message) => auction.clock(message.time),
  },
  (state) => {
    badge(place("link"), LINK_WORDS[state]);
    if (state === "lost") {
      book.clear();
    }
  },
);

place("symbols").addEventListener("change", (event) => {
  window.location.href = new URL(`../${encodeURIComponent(event.target.value)}/`, window.location.href);
});

place("indicator").addEventListener("change", (event) => candles.indicator.choose(event.target.value));

for (const button of place("intervals").children) {
  button.addEventListener("click", () => {
    for (const other of place("intervals").children) {
      other.setAttribute("aria-pressed", String(other === button));
    }
    candles.show(button.dataset.interval);
  });
}
