// The ladder: the best levels of both sides with bars of what is open up to there, and the spread between.

const LEVELS = 10;

export function drawLadder(book, facts, places) {
  const asks = withSums(book.best("asks", LEVELS));
  const bids = withSums(book.best("bids", LEVELS));
  const deepest = Math.max(asks.at(-1)?.sum ?? 0, bids.at(-1)?.sum ?? 0);
  places.asks.replaceChildren(...rows(asks, deepest, facts, "No asks.").reverse());
  places.bids.replaceChildren(...rows(bids, deepest, facts, "No bids."));
  places.middle.replaceChildren(...middle(asks[0], bids[0], facts));
}

function withSums(levels) {
  let sum = 0;
  return levels.map(([price, quantity]) => {
    sum += Number(quantity);
    return { price, quantity, sum };
  });
}

function rows(levels, deepest, facts, none) {
  if (levels.length === 0) {
    return [element("li", "mk-none", none)];
  }
  return levels.map(({ price, quantity, sum }) => {
    const row = document.createElement("li");
    const bar = document.createElement("i");
    bar.style.width = `${deepest ? (sum / deepest) * 100 : 0}%`;
    row.append(bar, span(grouped(price)), span(quantity), span(sum.toFixed(facts.quantity_decimals)));
    return row;
  });
}

function middle(ask, bid, facts) {
  if (!ask || !bid) {
    return [ask || bid ? "One side is empty: no spread" : "Nobody offers and nobody bids"];
  }
  if (Number(bid.price) >= Number(ask.price)) {
    return ["Bids and asks cross: they are uncrossed at the opening"];
  }
  const spread = Number(ask.price) - Number(bid.price);
  const centre = (Number(ask.price) + Number(bid.price)) / 2;
  const share = ((spread / centre) * 10000).toFixed(1);
  // One digit more than prices have, so that the middle of one tick is not shown as one of its ends.
  return [element("strong", "", grouped(centre.toFixed(facts.price_decimals + 1))), ` middle, spread ${spread.toFixed(facts.price_decimals)} (${share} bp)`];
}

// Thin spaces between thousands of the whole part.
export function grouped(text) {
  const [whole, part] = String(text).split(".");
  const spaced = whole.replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");
  return part === undefined ? spaced : `${spaced}.${part}`;
}

export function span(text, className = "") {
  return element("span", className, text);
}

function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}
