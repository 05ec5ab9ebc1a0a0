// One socket to the feed: subscribes, hands messages on, and comes back by itself after a loss, a little later
// each time. What was missed is not asked for: every channel begins with a snapshot.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15000;
const SILENCE_MS = 60000;

export class Feed {
  // `handlers` maps a message's type to a function; `onLink` hears "connecting", "live", "stale" and "lost".
  constructor(url, channels, handlers, onLink) {
    this.url = url;
    this.channels = channels;
    this.handlers = handlers;
    this.onLink = onLink;
    this.wait = FIRST_WAIT_MS;
    this.open();
  }

  open() {
    this.onLink("connecting");
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.addEventListener("open", () => this.channels.forEach((channel) => this.subscribe(channel)));
    socket.addEventListener("message", (event) => this.take(JSON.parse(event.data)));
    socket.addEventListener("close", () => this.lost(socket));
  }

  subscribe(channel) {
    if (this.socket.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify({ op: "subscribe", ...channel }));
    }
  }

  take(message) {
    this.wait = FIRST_WAIT_MS;
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.socket.close(), SILENCE_MS);
    if (message.type === "heartbeat") {
      this.onLink(message.live === false ? "stale" : "live");
    } else if (message.type === "welcome") {
      this.onLink("live");
    }
    this.handlers[message.type]?.(message);
  }

  lost(socket) {
    if (socket !== this.socket) {
      return;
    }
    clearTimeout(this.silence);
    this.onLink("lost");
    setTimeout(() => this.open(), this.wait * (0.5 + Math.random()));
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT_MS);
  }
}
