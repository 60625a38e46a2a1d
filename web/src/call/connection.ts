/**
 * Checks the way through the relay before the call: two connections inside this page that must meet at the
 * TURN server. Without one the check asks the server whether it can hear and answer us (echo).
 */
import { api } from '../lib/api';

export type Verdict = 'good' | 'weak' | 'refused' | 'none' | 'unknown';

const MEETS_WITHIN = 10_000;
const SAMPLE = 2500;

export async function check(path: string, relay: boolean, stream: MediaStream | null): Promise<Verdict> {
  try {
    if (!relay) return await echo(path, stream);
    const met = await throughRelay(path, stream);
    return met === 'none' ? ((await echo(path, stream)) === 'good' ? 'weak' : 'none') : met;
  } catch {
    return 'unknown';
  }
}

async function throughRelay(path: string, stream: MediaStream | null): Promise<Verdict> {
  const { iceServers } = await api<{ iceServers: RTCIceServer[] }>(`${path}/ice`, { method: 'POST' });
  const make = (): RTCPeerConnection => new RTCPeerConnection({ iceServers, iceTransportPolicy: 'relay' });
  const [near, far] = [make(), make()];
  let refused = false;
  near.onicecandidateerror = ({ errorCode }) => (refused ||= errorCode === 401);
  near.onicecandidate = ({ candidate }) => void far.addIceCandidate(candidate ?? undefined).catch(() => undefined);
  far.onicecandidate = ({ candidate }) => void near.addIceCandidate(candidate ?? undefined).catch(() => undefined);
  try {
    near.createDataChannel('check');
    for (const track of stream?.getTracks() ?? []) near.addTrack(track, stream!);
    await near.setLocalDescription();
    await far.setRemoteDescription(near.localDescription!);
    await far.setLocalDescription();
    await near.setRemoteDescription(far.localDescription!);
    if (!(await meets(near))) return refused ? 'refused' : 'none';
    await new Promise((done) => setTimeout(done, SAMPLE));
    return (await delay(near)) > 0.8 ? 'weak' : 'good';
  } finally {
    near.close();
    far.close();
  }
}

/** The server sends our sound back to us (the only place where it ends on the server). */
async function echo(path: string, stream: MediaStream | null): Promise<Verdict> {
  const pc = new RTCPeerConnection();
  try {
    pc.createDataChannel('check');
    const voice = stream?.getAudioTracks()[0];
    if (voice) pc.addTrack(voice, stream!);
    await pc.setLocalDescription();
    await gathered(pc);
    const { sdp } = await api<{ sdp: string }>(`${path}/echo`, { method: 'POST', body: { sdp: pc.localDescription?.sdp } });
    await pc.setRemoteDescription({ type: 'answer', sdp });
    return (await meets(pc)) ? 'good' : 'none';
  } finally {
    pc.close();
  }
}

function meets(pc: RTCPeerConnection): Promise<boolean> {
  return new Promise((done) => {
    const late = setTimeout(() => done(false), MEETS_WITHIN);
    const look = (): void => {
      if (pc.connectionState !== 'connected' && pc.connectionState !== 'failed') return;
      clearTimeout(late);
      done(pc.connectionState === 'connected');
    };
    pc.addEventListener('connectionstatechange', look);
    look();
  });
}

function gathered(pc: RTCPeerConnection): Promise<void> {
  return new Promise((done) => {
    const look = (): void => {
      if (pc.iceGatheringState === 'complete') done();
    };
    pc.addEventListener('icegatheringstatechange', look);
    setTimeout(done, 3000);
    look();
  });
}

async function delay(pc: RTCPeerConnection): Promise<number> {
  for (const one of (await pc.getStats()).values() as Iterable<Record<string, unknown>>)
    if (one['type'] === 'candidate-pair' && one['nominated']) return Number(one['currentRoundTripTime'] ?? 0);
  return 0;
}
