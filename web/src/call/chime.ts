/** Two soft tones; nothing is played where the page may not sound yet. */
export function chime(): void {
  try {
    const sound = new AudioContext();
    if (sound.state === 'suspended') return void sound.close();
    for (const [at, pitch] of [[0, 660], [0.22, 880]] as const) {
      const [tone, volume] = [sound.createOscillator(), sound.createGain()];
      tone.frequency.value = pitch;
      volume.gain.setValueAtTime(0.12, sound.currentTime + at);
      volume.gain.linearRampToValueAtTime(0, sound.currentTime + at + 0.4);
      tone.connect(volume).connect(sound.destination);
      tone.start(sound.currentTime + at);
      tone.stop(sound.currentTime + at + 0.45);
    }
    navigator.vibrate?.(200);
    setTimeout(() => void sound.close(), 1500);
  } catch {
    // No sound here; the title and the page say it too.
  }
}
