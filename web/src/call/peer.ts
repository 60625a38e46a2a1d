/**
 * The connection between the two browsers. Only the clerk's side makes offers, so they never cross; the
 * citizen's side wishes. It is made with empty transceivers: no media flows until `flow(true)`.
 */
import { newId } from '../lib/api';

export type Role = 'citizen' | 'clerk';
export type Body = Record<string, unknown> & { type: string };
export interface OwnState {
  mic: boolean;
  camera: boolean;
}

interface Options {
  role: Role;
  signal: (body: Body) => void;
  /** Fresh ICE servers. */
  ice: () => Promise<RTCConfiguration>;
  onchange: () => void;
  onstate: (theirs: OwnState) => void;
  onreplaced: () => void;
}

const CANDIDATES_WAIT = 40;

export class Peer {
  readonly me = newId();
  pc: RTCPeerConnection | null = null;
  remote = new MediaStream();
  /** The TURN server has refused our credentials (RFC 8489: 401). */
  refused = false;
  #them: string | null = null;
  /** Which of our connections, one after the other, a signal is about; the clerk's side names it. */
  #link = '';
  #round = 0;
  #answered = 0;
  #flowing = false;
  #tracks: { audio: MediaStreamTrack | null; video: MediaStreamTrack | null } = { audio: null, video: null };
  #channel: RTCDataChannel | null = null;
  #own: OwnState = { mic: false, camera: false };
  #candidates: RTCIceCandidateInit[] = [];
  #work: Promise<void> = Promise.resolve();
  #waiting: Body[] = [];

  constructor(private readonly options: Options) {}

  get state(): RTCPeerConnectionState | 'none' {
    return this.pc?.connectionState ?? 'none';
  }

  /** Somebody is on the other side, connected or not. */
  get met(): boolean {
    return this.#them !== null;
  }

  /** Says that this page is here; whoever else is, answers. */
  hello(asking = true): void {
    this.options.signal({ type: 'hello', peer: this.me, asking });
  }

  /** One signal after the other; an offer that a newer one follows is not worth an answer. */
  take(from: Role, body: Body): void {
    if (from === this.options.role) {
      if (body.type === 'hello' && body['peer'] !== this.me && body['asking']) this.options.onreplaced();
      return;
    }
    this.#waiting.push(body);
    this.#queue(async () => {
      const next = this.#waiting.shift();
      const newer = next?.type === 'offer' && this.#waiting.some((one) => one.type === 'offer');
      if (next && !newer) await this.#one(next);
    });
  }

  /** New addresses, fresh credentials, the same call. */
  restart(): void {
    if (this.options.role === 'citizen') this.options.signal({ type: 'restart', peer: this.me });
    else this.#queue(() => this.#offer(true));
  }

  async flow(on: boolean): Promise<void> {
    this.#flowing = on;
    await this.#attach();
  }

  async use(audio: MediaStreamTrack | null, video: MediaStreamTrack | null): Promise<void> {
    this.#tracks = { audio, video };
    await this.#attach();
  }

  /** Tells the other side whether to expect a voice and a picture. */
  tell(own: OwnState): void {
    this.#own = own;
    if (this.#channel?.readyState === 'open') this.#channel.send(JSON.stringify(own));
  }

  close(): void {
    this.#them = null;
    this.#drop();
    this.options.onchange();
  }

  #drop(): void {
    if (this.pc) {
      this.pc.onconnectionstatechange = this.pc.onicecandidate = this.pc.ontrack = null;
      this.pc.close();
    }
    this.pc = null;
    this.#channel = null;
    this.remote = new MediaStream();
  }

  #queue(step: () => Promise<void>): void {
    this.#work = this.#work.then(step).catch((error: unknown) => console.warn('call:', String(error)));
  }

  async #one(body: Body): Promise<void> {
    const from = String(body['peer']);
    const toMe = body['to'] === this.me;
    if (body.type === 'hello') await this.#met(from, body['asking'] === true);
    else if (body.type === 'restart' && this.options.role === 'clerk' && from === this.#them) await this.#offer(true);
    else if (body.type === 'offer' && toMe && this.options.role === 'citizen') await this.#answer(from, body);
    else if (body['link'] !== this.#link || !toMe || !this.pc) return;
    else if (body.type === 'answer' && body['round'] === this.#round && this.pc.signalingState === 'have-local-offer')
      await this.pc.setRemoteDescription({ type: 'answer', sdp: String(body['sdp']) });
    else if (body.type === 'ice')
      for (const one of body['list'] as RTCIceCandidateInit[]) await this.pc.addIceCandidate(one).catch(() => undefined);
  }

  async #met(from: string, asking: boolean): Promise<void> {
    if (this.options.role === 'citizen') {
      if (asking) this.hello(false);
      return;
    }
    if (from === this.#them && this.pc && ['new', 'connected', 'connecting'].includes(this.pc.connectionState)) return;
    this.#them = from;
    await this.#renew(newId());
    this.#adopt(this.pc!.addTransceiver('audio', { direction: 'sendrecv' }));
    this.#adopt(this.pc!.addTransceiver('video', { direction: 'sendrecv' }));
    await this.#attach();
    await this.#offer(false);
  }

  async #offer(restart: boolean): Promise<void> {
    if (!this.pc || !this.#them) return;
    if (restart) {
      this.pc.setConfiguration(await this.options.ice());
      this.pc.restartIce();
    }
    await this.pc.setLocalDescription(await this.pc.createOffer());
    this.#round += 1;
    this.#say({ type: 'offer', round: this.#round, sdp: this.pc.localDescription?.sdp });
  }

  async #answer(from: string, body: Body): Promise<void> {
    const round = Number(body['round']);
    const link = String(body['link']);
    if (link === this.#link && round <= this.#answered) return;
    this.#them = from;
    if (link !== this.#link || !this.pc) await this.#renew(link);
    else this.pc.setConfiguration(await this.options.ice());
    this.#answered = round;
    await this.pc!.setRemoteDescription({ type: 'offer', sdp: String(body['sdp']) });
    for (const one of this.pc!.getTransceivers()) this.#adopt(one);
    await this.#attach();
    await this.pc!.setLocalDescription();
    this.#say({ type: 'answer', round, sdp: this.pc!.localDescription?.sdp });
  }

  async #renew(link: string): Promise<void> {
    this.#drop();
    this.#link = link;
    this.refused = false;
    this.#answered = 0;
    const pc = new RTCPeerConnection(await this.options.ice());
    this.pc = pc;
    pc.onconnectionstatechange = () => {
      if (pc.connectionState === 'connected') this.refused = false;
      this.options.onchange();
    };
    pc.onicecandidate = ({ candidate }) => candidate && this.#trickle(candidate.toJSON());
    pc.onicecandidateerror = ({ errorCode }) => {
      if (errorCode !== 401) return;
      this.refused = true;
      this.options.onchange();
    };
    pc.ontrack = ({ track }) => {
      this.remote.addTrack(track);
      this.options.onchange();
    };
    const channel = pc.createDataChannel('state', { negotiated: true, id: 0 });
    this.#channel = channel;
    channel.onopen = () => this.tell(this.#own);
    channel.onmessage = ({ data }) => this.options.onstate(JSON.parse(String(data)) as OwnState);
    this.options.onchange();
  }

  #adopt(one: RTCRtpTransceiver): void {
    if (one.direction !== 'stopped') one.direction = 'sendrecv';
  }

  async #attach(): Promise<void> {
    for (const one of this.pc?.getTransceivers() ?? []) {
      const kind = one.receiver.track.kind as 'audio' | 'video';
      const track = this.#flowing ? this.#tracks[kind] : null;
      if (one.sender.track !== track) await one.sender.replaceTrack(track);
    }
  }

  #say(body: Body): void {
    this.options.signal({ ...body, peer: this.me, to: this.#them, link: this.#link });
  }

  #trickle(candidate: RTCIceCandidateInit): void {
    if (this.#candidates.length === 0)
      setTimeout(() => this.#say({ type: 'ice', list: this.#candidates.splice(0) }), CANDIDATES_WAIT);
    this.#candidates.push(candidate);
  }
}
