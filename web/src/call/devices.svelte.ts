/** Camera, microphone and speaker of this person, asked for on a tap and only then. */

export type Trouble = 'denied' | 'missing' | 'busy' | 'insecure' | null;

const PICTURE: MediaTrackConstraints = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };

export class Devices {
  stream = $state.raw<MediaStream | null>(null);
  cameras = $state.raw<MediaDeviceInfo[]>([]);
  microphones = $state.raw<MediaDeviceInfo[]>([]);
  speakers = $state.raw<MediaDeviceInfo[]>([]);
  speaker = $state('');
  trouble = $state<Trouble>(null);
  asking = $state(false);
  mic = $state(true);
  camera = $state(true);
  /** Loudness of the own voice, 0 to 1. */
  level = $state(0);
  /** A new track is here, or one has gone. */
  onchange: () => void = () => undefined;

  #wanted: { audio: MediaTrackConstraints | false; video: MediaTrackConstraints | false } = { audio: {}, video: PICTURE };
  #sound: AudioContext | null = null;
  #meter: ReturnType<typeof setInterval> | undefined;

  constructor() {
    navigator.mediaDevices?.addEventListener('devicechange', () => void this.#list());
    document.addEventListener('visibilitychange', () => void this.#again());
  }

  get audio(): MediaStreamTrack | null {
    return this.stream?.getAudioTracks()[0] ?? null;
  }

  get video(): MediaStreamTrack | null {
    return this.stream?.getVideoTracks()[0] ?? null;
  }

  /** Asks for both, then for the voice alone, where there is no camera. */
  async ask(video = true): Promise<void> {
    if (!navigator.mediaDevices) {
      this.trouble = 'insecure';
      return;
    }
    this.asking = true;
    this.#wanted = { audio: this.#wanted.audio || {}, video: video ? this.#wanted.video || PICTURE : false };
    try {
      await this.#open();
    } catch (error) {
      this.trouble = troubleOf(error);
      if (video && this.trouble !== 'denied') await this.ask(false);
    } finally {
      this.asking = false;
    }
  }

  async choose(kind: 'audio' | 'video', deviceId: string): Promise<void> {
    this.#wanted[kind] = { ...(kind === 'video' ? PICTURE : {}), deviceId: { exact: deviceId } };
    // Many phones open one camera at a time only.
    for (const track of this.stream?.getTracks() ?? []) if (track.kind === kind) track.stop();
    await this.ask(this.#wanted.video !== false);
  }

  switch(what: 'mic' | 'camera', on: boolean): void {
    this[what] = on;
    const track = what === 'mic' ? this.audio : this.video;
    if (track) track.enabled = on;
    this.onchange();
  }

  stop(): void {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    clearInterval(this.#meter);
    this.level = 0;
    this.onchange();
  }

  /** A short tone from the chosen speaker. */
  async testSpeaker(): Promise<void> {
    const sound = new AudioContext();
    const chooses = sound as AudioContext & { setSinkId?: (id: string) => Promise<void> };
    if (this.speaker) await chooses.setSinkId?.(this.speaker).catch(() => undefined);
    const [tone, volume] = [sound.createOscillator(), sound.createGain()];
    tone.frequency.value = 520;
    volume.gain.setValueAtTime(0.15, sound.currentTime);
    volume.gain.linearRampToValueAtTime(0, sound.currentTime + 0.9);
    tone.connect(volume).connect(sound.destination);
    tone.start();
    tone.stop(sound.currentTime + 1);
    tone.onended = () => void sound.close();
  }

  async #open(): Promise<void> {
    const fresh = await navigator.mediaDevices.getUserMedia(this.#wanted);
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = fresh;
    this.trouble = null;
    for (const track of fresh.getTracks()) {
      track.enabled = track.kind === 'audio' ? this.mic : this.camera;
      track.onended = () => void this.#again();
    }
    this.#measure(fresh);
    await this.#list();
    this.onchange();
  }

  /** A phone takes the camera away while its page is hidden: fetch it again when it is back. */
  async #again(): Promise<void> {
    if (document.visibilityState === 'hidden' || this.asking || !this.stream) return;
    if (this.stream.getTracks().some((track) => track.readyState === 'ended')) await this.ask(this.#wanted.video !== false);
  }

  async #list(): Promise<void> {
    const all = await navigator.mediaDevices.enumerateDevices();
    this.cameras = all.filter((one) => one.kind === 'videoinput' && one.deviceId);
    this.microphones = all.filter((one) => one.kind === 'audioinput' && one.deviceId);
    this.speakers = all.filter((one) => one.kind === 'audiooutput' && one.deviceId);
  }

  #measure(stream: MediaStream): void {
    clearInterval(this.#meter);
    if (stream.getAudioTracks().length === 0) return;
    this.#sound ??= new AudioContext();
    const ear = this.#sound.createAnalyser();
    ear.fftSize = 512;
    this.#sound.createMediaStreamSource(stream).connect(ear);
    const heard = new Float32Array(ear.fftSize);
    this.#meter = setInterval(() => {
      ear.getFloatTimeDomainData(heard);
      this.level = Math.min(1, Math.sqrt(heard.reduce((sum, one) => sum + one * one, 0) / heard.length) * 4);
    }, 100);
  }
}

function troubleOf(error: unknown): Trouble {
  const name = error instanceof DOMException ? error.name : '';
  if (name === 'NotAllowedError' || name === 'SecurityError') return 'denied';
  if (name === 'NotReadableError' || name === 'AbortError') return 'busy';
  return 'missing';
}
