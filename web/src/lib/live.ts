/**
 * A socket that comes back: it resumes from the last number it saw, so nothing is missed or shown twice.
 * It wakes when the network or the page does, and takes a line that stays silent for dead.
 */

export interface Frame {
  /** Numbered frames are news; frames without a number (typing, pong) may be lost. */
  seq?: number;
  kind: string;
  [name: string]: unknown;
}

export interface LiveOptions {
  /** The socket's path, e.g. "/chat/live"; `?after=<seq>` is added. */
  path: string;
  after?: number;
  onframe: (frame: Frame) => void;
  onstate?: (connected: boolean) => void;
  /** The server refused for good (signed out, say); no more tries. */
  onrefused?: (code: number) => void;
  /** Milliseconds between two pings, and of silence after which the line counts as dead. */
  pingEvery?: number;
  deadAfter?: number;
  /** Milliseconds between two tries at most. */
  longestPause?: number;
}

const PING_EVERY = 20_000;
const DEAD_AFTER = 45_000;
const PAUSES = [250, 500, 1000, 2000, 4000, 8000, 15_000];
/** RFC 6455 leaves 4000–4999 to applications: 4401 not signed in, 4403 not allowed. */
const REFUSED = new Set([4401, 4403]);

export class Live {
  #socket: WebSocket | null = null;
  #after: number;
  #failures = 0;
  #heardAt = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #pulse: ReturnType<typeof setInterval> | undefined;
  #closed = false;

  constructor(private readonly options: LiveOptions) {
    this.#after = options.after ?? 0;
    addEventListener('online', this.#wake);
    addEventListener('pageshow', this.#wake);
    document.addEventListener('visibilitychange', this.#wake);
    this.#connect();
  }

  /** The number of the last frame seen. */
  get after(): number {
    return this.#after;
  }

  get connected(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Sends something that may be lost (typing, presence); false when there is no connection. */
  send(message: Record<string, unknown>): boolean {
    if (!this.connected) return false;
    this.#socket?.send(JSON.stringify(message));
    return true;
  }

  /** Something else got through: the network is back, and waiting longer would only leave answers unseen. */
  hurry(): void {
    if (!this.#socket) this.#wake();
  }

  close(): void {
    this.#closed = true;
    removeEventListener('online', this.#wake);
    removeEventListener('pageshow', this.#wake);
    document.removeEventListener('visibilitychange', this.#wake);
    clearTimeout(this.#retry);
    clearInterval(this.#pulse);
    this.#socket?.close();
  }

  #connect(): void {
    clearTimeout(this.#retry);
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const join = this.options.path.includes('?') ? '&' : '?';
    const socket = new WebSocket(`${scheme}://${location.host}${this.options.path}${join}after=${this.#after}`);
    this.#socket = socket;
    socket.onopen = () => this.#opened(socket);
    socket.onmessage = (event) => this.#heard(socket, JSON.parse(String(event.data)) as Frame);
    socket.onclose = (event) => this.#lost(socket, event.code);
    // On a dead network a browser would try for minutes.
    setTimeout(() => {
      if (socket === this.#socket && socket.readyState === WebSocket.CONNECTING) this.#drop();
    }, this.options.deadAfter ?? DEAD_AFTER);
  }

  #opened(socket: WebSocket): void {
    if (socket !== this.#socket) return socket.close();
    this.#failures = 0;
    this.#heardAt = Date.now();
    clearInterval(this.#pulse);
    this.#pulse = setInterval(() => this.#beat(), this.options.pingEvery ?? PING_EVERY);
    this.options.onstate?.(true);
  }

  #heard(socket: WebSocket, frame: Frame): void {
    if (socket !== this.#socket) return;
    this.#heardAt = Date.now();
    if (frame.kind === 'pong') return;
    if (frame.seq !== undefined) {
      if (frame.seq <= this.#after) return;
      this.#after = frame.seq;
    }
    this.options.onframe(frame);
  }

  #beat(): void {
    if (Date.now() - this.#heardAt > (this.options.deadAfter ?? DEAD_AFTER)) this.#drop();
    else this.send({ kind: 'ping' });
  }

  /** Gives up a socket that no longer answers without waiting for its close handshake. */
  #drop(): void {
    const socket = this.#socket;
    if (!socket) return;
    socket.onclose = null;
    socket.onmessage = null;
    socket.close();
    this.#lost(socket, 1006);
  }

  #lost(socket: WebSocket, code: number): void {
    if (socket !== this.#socket || this.#closed) return;
    this.#socket = null;
    clearInterval(this.#pulse);
    this.options.onstate?.(false);
    if (REFUSED.has(code)) {
      this.close();
      this.options.onrefused?.(code);
      return;
    }
    const next = PAUSES[Math.min(this.#failures, PAUSES.length - 1)] ?? 15_000;
    const pause = Math.min(next, this.options.longestPause ?? next);
    this.#failures += 1;
    this.#retry = setTimeout(() => this.#connect(), pause * (0.75 + Math.random() / 2));
  }

  readonly #wake = (): void => {
    if (this.#closed || document.visibilityState === 'hidden') return;
    if (!this.#socket) {
      this.#failures = 0;
      this.#connect();
    } else if (this.connected) this.#probe(this.#socket);
  };

  /** After a sleep the socket may only look alive: ask, and take five silent seconds for an answer. */
  #probe(socket: WebSocket): void {
    const asked = Date.now();
    this.send({ kind: 'ping' });
    setTimeout(() => {
      if (socket === this.#socket && this.#heardAt < asked) this.#drop();
    }, 5000);
  }
}
