/** Two soft notes when somebody starts to wait. Switched on by a click only, which browsers ask for anyway. */

const NAME = 'foyer-desk-sound';
let context: AudioContext | null = null;

export const wantsSound = (): boolean => localStorage.getItem(NAME) === 'on';

export async function switchSound(on: boolean): Promise<void> {
  localStorage.setItem(NAME, on ? 'on' : 'off');
  if (!on) return;
  context ??= new AudioContext();
  await context.resume();
  play();
}

/** After a reload the sound comes back with the first key or click. */
export function resumeSound(): void {
  if (!wantsSound()) return;
  context ??= new AudioContext();
  void context.resume();
}

export function chime(): void {
  if (wantsSound() && context?.state === 'running') play();
}

function play(): void {
  if (!context) return;
  note(context, 659.3, 0);
  note(context, 880, 0.16);
}

function note(sound: AudioContext, frequency: number, after: number): void {
  const start = sound.currentTime + after;
  const tone = new OscillatorNode(sound, { type: 'sine', frequency });
  const volume = new GainNode(sound, { gain: 0 });
  volume.gain.linearRampToValueAtTime(0.12, start + 0.02);
  volume.gain.setValueAtTime(0.12, start + 0.02);
  volume.gain.exponentialRampToValueAtTime(0.001, start + 0.5);
  tone.connect(volume).connect(sound.destination);
  tone.start(start);
  tone.stop(start + 0.55);
}
