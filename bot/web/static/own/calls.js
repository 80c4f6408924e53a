// The form of a phone call: how long it lasts, and its end at one tap.
(() => {
  'use strict';
  const started = document.getElementById('started');
  const ended = document.getElementById('ended');
  const timer = document.getElementById('call-timer');
  const known = document.getElementById('case');
  const fresh = document.getElementById('new-case');
  if (!started || !ended || !timer) return;
  const problem = document.getElementById('problem');
  if (problem) problem.focus();

  const opened = Date.now();
  const before = started.value;
  // The field holds whole minutes: while it is as the server filled it, the page's own age counts.
  let begun = problem ? 0 : opened;

  // What the fields hold is the time in China, wherever this computer is.
  function china(moment) {
    return new Date(moment + 8 * 3600e3).toISOString().slice(0, 16);
  }
  function moment(text) {
    return Date.parse(text + ':00+08:00');
  }
  function show() {
    const from = begun && started.value === before ? begun : moment(started.value);
    const to = ended.value ? moment(ended.value) : Date.now();
    const s = Math.floor((to - from) / 1000);
    const pad = (n) => String(n).padStart(2, '0');
    timer.textContent = s >= 0 ? pad(Math.floor(s / 60)) + ':' + pad(s % 60) : '时间不对';
  }
  document.getElementById('call-restart').addEventListener('click', () => {
    started.value = china(Date.now());
    ended.value = '';
    begun = 0;
    show();
  });
  document.getElementById('call-over').addEventListener('click', () => {
    ended.value = china(Date.now());
    show();
  });
  // Of a case that exists, all of this is known.
  function fold() {
    fresh.hidden = known.value.trim() !== '';
  }
  known.addEventListener('input', fold);
  started.addEventListener('input', show);
  ended.addEventListener('input', show);
  setInterval(show, 1000);
  fold();
  show();
})();
