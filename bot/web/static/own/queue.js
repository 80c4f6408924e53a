// The queue and the bar with offers: sound, the number in the title, keys, groups that open.
(() => {
  'use strict';
  const title = document.title;
  const soundButton = document.getElementById('sound');
  const soundHint = document.getElementById('sound-hint');
  let newest = -1;
  let offered = -1;

  let audio = null;
  const soundOn = () => localStorage.getItem('xinqing-sound') === 'on';
  function beep(pitch) {
    if (!audio || !soundOn()) return;
    for (const at of [0, 0.25, 0.5]) {
      const tone = audio.createOscillator();
      const gain = audio.createGain();
      tone.frequency.value = pitch;
      gain.gain.value = 0.15;
      tone.connect(gain).connect(audio.destination);
      tone.start(audio.currentTime + at);
      tone.stop(audio.currentTime + at + 0.15);
    }
  }
  function wake() {
    audio = audio || new AudioContext();
    if (soundHint) soundHint.hidden = true;
  }
  function showSound() {
    soundButton.textContent = soundOn() ? '提示音：开' : '提示音：关';
    soundButton.setAttribute('aria-pressed', String(soundOn()));
    if (soundHint) soundHint.hidden = Boolean(audio) || !soundOn();
  }
  if (soundButton) {
    soundButton.hidden = false;
    soundButton.addEventListener('click', () => {
      localStorage.setItem('xinqing-sound', soundOn() ? 'off' : 'on');
      wake();
      showSound();
      beep(880);
    });
    showSound();
  }
  // Browsers allow sound only after a touch of the page.
  for (const kind of ['pointerdown', 'keydown']) document.addEventListener(kind, wake, { once: true });

  function look() {
    const state = document.getElementById('queue-state');
    const bar = document.querySelector('.presence');
    const offer = bar ? Number(bar.dataset.offer) : 0;
    const open = state ? Number(state.dataset.open) : 0;
    document.title = (offer ? '请接手！' : '') + (open ? '(' + open + ') ' : '') + title;
    if (state) {
      const latest = Number(state.dataset.newest);
      if (newest >= 0 && latest > newest) {
        beep(880);
        document.getElementById('case-' + latest)?.classList.add('fresh');
      }
      newest = Math.max(newest, latest);
    }
    if (bar) {
      if (offered >= 0 && offer && offer !== offered) beep(1200);
      offered = offer;
    }
  }
  document.addEventListener('htmx:after:swap', look);
  look();

  // A group's rows are fetched when it is opened, and stay open over every refresh.
  const opened = document.getElementById('opened');
  const queue = document.getElementById('queue');
  document.addEventListener('toggle', (e) => {
    if (!opened || !e.target.classList || !e.target.classList.contains('group-rows')) return;
    const keys = [...document.querySelectorAll('.group-rows[open]')].map((one) => one.dataset.keys);
    const value = keys.join(',');
    if (value === opened.value) return;
    opened.value = value;
    queue.dispatchEvent(new Event('look'));
  }, true);
  document.addEventListener('click', (e) => {
    const more = e.target.closest && e.target.closest('.more');
    if (!more || !queue) return;
    e.preventDefault();
    document.getElementById('shown').value = more.dataset.shown;
    queue.dispatchEvent(new Event('look'));
  });

  function move(step) {
    const rows = [...document.querySelectorAll('#queue .case')];
    if (!rows.length) return;
    const now = rows.indexOf(document.activeElement.closest('.case'));
    const next = now < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, now + step));
    rows[next].focus();
    rows[next].scrollIntoView({ block: 'nearest' });
  }
  document.addEventListener('keydown', (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.isComposing) return;
    if (e.target.closest('input, textarea, select, [contenteditable]')) return;
    const legend = document.querySelector('.keys');
    if (!legend) return;
    if (e.key === 'j') move(1);
    else if (e.key === 'k') move(-1);
    else if (e.key === 'n') document.querySelector('#next button:not(:disabled)')?.click();
    else if (e.key === '?') legend.open = !legend.open;
    else if (e.key === 'Enter' && e.target.classList.contains('case')) {
      const details = e.target.querySelector('.group-rows');
      if (details) details.open = !details.open;
      else e.target.querySelector('.case-foot a')?.click();
    } else return;
    e.preventDefault();
  });
})();
