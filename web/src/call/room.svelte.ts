/** One side's room: its line to the server, the connection to the other browser, and how things stand. */
import { api, newId } from '../lib/api';
import { Live, type Frame } from '../lib/live';
import { Devices } from './devices.svelte';
import { Peer, type Body, type OwnState, type Role } from './peer';

export interface Standing {
  call: { id: string; state: 'open' | 'accepted' | 'ended'; ended_by: Role | null } | null;
  clerk?: string | null;
  place?: { position: number; minutes: number } | null;
}

interface Act {
  id: string;
  kind: 'signal' | 'accept' | 'hang_up' | 'again';
  body?: Body;
}

interface Options {
  role: Role;
  /** Below it: live, ice. */
  path: string;
  after: number;
  onthread?: () => void;
}

export type Quality = 'good' | 'weak' | 'bad' | null;

const PING_EVERY = 1500;
const DEAD_AFTER = 5000;
const CONNECTS_WITHIN = 8_000;
const PATIENCE = 3000;
const FIRST_PATIENCE = 8000;
const RESTART_EVERY = 5000;
const DRAFT_EVERY = 120;
/** Below and above these bits a second the own picture goes and comes back (measured: video.md). */
const TOO_LITTLE = 150_000;
const ENOUGH = 300_000;

export class Room {
  readonly devices = new Devices();
  standing = $state.raw<Standing | null>(null);
  connected = $state(true);
  peerState = $state<RTCPeerConnectionState | 'none'>('none');
  remote = $state.raw<MediaStream | null>(null);
  theirs = $state.raw<OwnState>({ mic: true, camera: true });
  draft = $state('');
  quality = $state<Quality>(null);
  /** Our own picture rests because the line is too thin for it. */
  thin = $state(false);
  trouble = $state<'' | 'turn_refused' | 'not_connected'>('');
  /** The call goes on in another window of ours. */
  replaced = $state(false);
  closed = $state(false);

  readonly #peer: Peer;
  #live: Live;
  #pending: Act[] = [];
  #greeted = '';
  #ice: { at: number; value: RTCConfiguration } | null = null;
  #overdue: ReturnType<typeof setTimeout> | undefined;
  #brokenAt = 0;
  #restartedAt = 0;
  #draftAt: ReturnType<typeof setTimeout> | undefined;
  #thinFor = 0;
  #pulse: ReturnType<typeof setInterval>;

  constructor(private readonly options: Options) {
    this.#peer = new Peer({
      role: options.role,
      signal: (body) => this.#signal(body),
      ice: () => this.#servers(),
      onchange: () => this.#changed(),
      onstate: (theirs) => (this.theirs = theirs),
      onreplaced: () => this.#stepBack(),
    });
    this.devices.onchange = () => this.#hand();
    this.#live = this.#line(options.after);
    this.#pulse = setInterval(() => void this.#look(), 1000);
  }

  get talking(): boolean {
    return this.standing?.call?.state === 'accepted';
  }

  /** The other side is on its page. */
  get met(): boolean {
    return this.peerState !== 'none';
  }

  accept(): void {
    this.#act({ id: newId(), kind: 'accept' });
  }

  hangUp(): void {
    this.#act({ id: newId(), kind: 'hang_up' });
  }

  again(): void {
    this.#act({ id: newId(), kind: 'again' });
  }

  /** Takes the call back into this window. */
  comeBack(): void {
    this.replaced = false;
    this.#live = this.#line(this.#live.after);
    this.#greeted = '';
  }

  /** What is being typed, shown to the other side letter by letter. */
  tellDraft(text: string): void {
    clearTimeout(this.#draftAt);
    this.#draftAt = setTimeout(() => this.#live.send({ kind: 'draft', text }), DRAFT_EVERY);
  }

  leave(): void {
    this.closed = true;
    clearInterval(this.#pulse);
    clearTimeout(this.#overdue);
    this.#live.close();
    this.#peer.close();
    this.devices.stop();
  }

  // -- the line to the server ----------------------------------------------------------------------

  #line(after: number): Live {
    return new Live({
      path: `${this.options.path}/live`,
      after,
      pingEvery: PING_EVERY,
      deadAfter: DEAD_AFTER,
      longestPause: 2000,
      onframe: (frame) => this.#take(frame),
      onstate: (connected) => this.#connection(connected),
      onrefused: () => this.leave(),
    });
  }

  #connection(connected: boolean): void {
    this.connected = connected;
    if (!connected) return;
    for (const act of this.#pending) this.#live.send({ ...act });
    // The line was dead: so was, perhaps, the way to the other browser.
    if (this.#peer.met && this.#peer.state !== 'connected') this.#restart();
  }

  #take(frame: Frame): void {
    if (frame.kind === 'signal') this.#peer.take(frame['from'] as Role, frame['body'] as Body);
    else if (frame.kind === 'standing') this.#stand(frame as unknown as Standing);
    else if (frame.kind === 'ack' || frame.kind === 'refused')
      this.#pending = this.#pending.filter((act) => act.id !== frame['id']);
    else if (frame.kind === 'draft') this.draft = String(frame['text']);
    else if (frame.kind === 'thread') {
      this.draft = '';
      this.options.onthread?.();
    }
  }

  #stand(standing: Standing): void {
    this.standing = standing;
    const call = standing.call;
    if (!call) {
      this.#greeted = '';
      if (this.#peer.pc) this.#peer.close();
    } else if (this.#greeted !== call.id) {
      this.#greeted = call.id;
      this.#peer.hello();
    }
    void this.#peer.flow(this.talking);
  }

  /** Sent until the server has written it down. */
  #act(act: Act): void {
    this.#pending.push(act);
    this.#live.send({ ...act });
  }

  #signal(body: Body): void {
    // Of several offers only the newest counts.
    if (body.type === 'offer')
      this.#pending = this.#pending.filter((act) => !['offer', 'ice'].includes(act.body?.type ?? ''));
    this.#act({ id: newId(), kind: 'signal', body });
  }

  async #servers(): Promise<RTCConfiguration> {
    const known = this.#ice;
    if (known && Date.now() - known.at < 60_000) return known.value;
    try {
      const { iceServers, seconds: _ } = await api<RTCConfiguration & { seconds: number }>(`${this.options.path}/ice`, {
        method: 'POST',
        within: 5000,
      });
      this.#ice = { at: Date.now(), value: { iceServers: iceServers ?? [] } };
    } catch {
      // An older set may still do; the next try asks again.
    }
    return this.#ice?.value ?? {};
  }

  /** The same person in another window: this one rests. */
  #stepBack(): void {
    this.replaced = true;
    this.#live.close();
    this.#peer.close();
  }

  // -- the connection to the other browser ---------------------------------------------------------

  #changed(): void {
    const before = this.peerState;
    this.peerState = this.#peer.state;
    this.remote = this.#peer.pc ? this.#peer.remote : null;
    if (this.peerState === 'connected') {
      clearTimeout(this.#overdue);
      this.#overdue = undefined;
      this.trouble = '';
      this.#hand();
    } else if (this.#peer.pc) this.#expect();
    if (before !== this.peerState) this.#brokenAt = this.peerState === 'connected' ? 0 : Date.now();
  }

  /** Browsers keep silent about wrong credentials; so we look at the clock. */
  #expect(): void {
    this.#overdue ??= setTimeout(() => {
      this.#overdue = undefined;
      if (this.#peer.pc && this.#peer.state !== 'connected')
        this.trouble = this.#peer.refused ? 'turn_refused' : 'not_connected';
    }, CONNECTS_WITHIN);
  }

  #restart(): void {
    this.#restartedAt = Date.now();
    this.#ice = null;
    this.#peer.restart();
  }

  #hand(): void {
    const { audio, video, mic, camera } = this.devices;
    void this.#peer.use(audio, video);
    this.#peer.tell({ mic: audio !== null && mic, camera: video !== null && camera });
  }

  /** Once a second: is the way still there, and how good is it? */
  async #look(): Promise<void> {
    const pc = this.#peer.pc;
    if (!pc) return;
    const patience = ['disconnected', 'failed'].includes(pc.connectionState) ? PATIENCE : FIRST_PATIENCE;
    const broken = pc.connectionState !== 'connected' && this.#brokenAt > 0 && Date.now() - this.#brokenAt > patience;
    if (broken && this.connected && Date.now() - this.#restartedAt > RESTART_EVERY) this.#restart();
    if (pc.connectionState === 'connected' && this.talking) await this.#weigh(pc);
    else this.quality = null;
  }

  async #weigh(pc: RTCPeerConnection): Promise<void> {
    let [room, lost, delay] = [Infinity, 0, 0];
    for (const one of (await pc.getStats()).values() as Iterable<Record<string, number | string | boolean>>) {
      if (one['type'] === 'candidate-pair' && one['nominated'] && one['state'] === 'succeeded') {
        room = Number(one['availableOutgoingBitrate'] ?? room);
        delay = Number(one['currentRoundTripTime'] ?? 0);
      } else if (one['type'] === 'remote-inbound-rtp') lost = Math.max(lost, Number(one['fractionLost'] ?? 0));
    }
    this.quality = room < TOO_LITTLE || lost > 0.1 ? 'bad' : room < 2 * ENOUGH || lost > 0.03 || delay > 0.4 ? 'weak' : 'good';
    await this.#spare(pc, room);
  }

  /** Below the least a voice needs its room more than a picture. */
  async #spare(pc: RTCPeerConnection, room: number): Promise<void> {
    const wrong = this.thin ? room > ENOUGH : room < TOO_LITTLE;
    this.#thinFor = wrong ? this.#thinFor + 1 : 0;
    if (this.#thinFor < (this.thin ? 15 : 5)) return;
    this.thin = !this.thin;
    this.#thinFor = 0;
    const sender = pc.getSenders().find((one) => one.track?.kind === 'video');
    const parameters = sender?.getParameters();
    if (!sender || !parameters?.encodings[0]) return;
    parameters.encodings[0].active = !this.thin;
    await sender.setParameters(parameters);
  }
}
