// The desk and a case's page: what htmx does not do by itself. No inline scripts are allowed.
(() => {
  'use strict';
  const offline = document.getElementById('offline');
  const queue = document.getElementById('queue');
  const soundButton = document.getElementById('sound');
  const title = document.title;
  let skew = queue ? Number(queue.dataset.now) - Date.now() : 0;
  let seen = -1;

  // A page that has silently stopped is worse than none: say so, loudly.
  const problems = { page: '', stream: '' };
  let signIn = false;
  function tell() {
    if (!offline) return;
    const text = problems.page || problems.stream;
    offline.hidden = !text;
    offline.textContent = text;
    if (text && signIn) {
      const a = document.createElement('a');
      a.href = '/login?next=' + encodeURIComponent(location.pathname);
      a.textContent = ' 重新登录';
      offline.append(a);
    }
  }
  function trouble(text) {
    problems.page = text;
    tell();
  }
  function status(code) {
    signIn = code === 401;
    if (code === 401) trouble('登录已过期，这一页不再更新！');
    else if (code === 403 || code === 404) trouble('这个个案已不在你的权限范围内，这一页不再更新。');
    else if (code >= 400) trouble('服务器出错，这一页没有更新，正在重试。紧急情况请直接打电话。');
    else trouble('');
  }
  document.addEventListener('htmx:after:request', (e) => {
    const response = e.detail.ctx && e.detail.ctx.response;
    if (response) status(response.status);
  });
  document.addEventListener('htmx:error', () =>
    trouble('连不上服务器，这一页没有更新，正在重试。请检查网络。'));

  let streaming = false;
  function stream(on) {
    streaming = on;
    problems.stream = on ? '' : '实时连接断开，正在重连；这一页每20秒刷新一次。';
    tell();
  }
  document.addEventListener('htmx:sse:after:connection', () => stream(true));
  document.addEventListener('htmx:sse:error', () => stream(false));
  document.addEventListener('htmx:sse:close', () => stream(false));
  if (offline) setTimeout(() => { if (!streaming) stream(false); }, 8000);

  function lasting(ms) {
    const s = Math.max(0, Math.floor(ms / 1000));
    const pad = (n) => String(n).padStart(2, '0');
    if (s < 60) return s + '秒';
    if (s < 3600) return Math.floor(s / 60) + '分' + pad(s % 60) + '秒';
    if (s < 86400) return Math.floor(s / 3600) + '小时' + pad(Math.floor(s % 3600 / 60)) + '分';
    return Math.floor(s / 86400) + '天' + Math.floor(s % 86400 / 3600) + '小时';
  }
  function tick() {
    for (const time of document.querySelectorAll('.since')) {
      time.textContent = lasting(Date.now() + skew - Number(time.dataset.since));
    }
  }

  let audio = null;
  const soundOn = () => localStorage.getItem('xinqing-sound') === 'on';
  function beep() {
    if (!audio || !soundOn()) return;
    for (const at of [0, 0.25, 0.5]) {
      const tone = audio.createOscillator();
      const gain = audio.createGain();
      tone.frequency.value = 880;
      gain.gain.value = 0.15;
      tone.connect(gain).connect(audio.destination);
      tone.start(audio.currentTime + at);
      tone.stop(audio.currentTime + at + 0.15);
    }
  }
  function showSound() {
    soundButton.textContent = soundOn() ? '提示音：开' : '提示音：关';
    soundButton.setAttribute('aria-pressed', String(soundOn()));
  }
  if (soundButton) {
    soundButton.hidden = false;
    showSound();
    soundButton.addEventListener('click', () => {
      localStorage.setItem('xinqing-sound', soundOn() ? 'off' : 'on');
      showSound();
      audio = audio || new AudioContext();
      beep();
    });
    // Browsers allow sound only after a touch of the page.
    document.addEventListener('pointerdown', () => { audio = audio || new AudioContext(); }, { once: true });
  }

  function look() {
    const state = document.getElementById('queue-state');
    if (state) {
      const open = Number(state.dataset.open);
      const newest = Number(state.dataset.newest);
      document.title = (open ? '(' + open + ') ' : '') + title;
      if (seen >= 0 && newest > seen) {
        beep();
        document.getElementById('case-' + newest)?.classList.add('fresh');
      }
      seen = Math.max(seen, newest);
    }
    tick();
  }
  function toEnd(force) {
    const lines = document.querySelector('.lines');
    if (lines && (force || lines.dataset.end !== 'no')) lines.scrollTop = lines.scrollHeight;
  }
  document.addEventListener('scroll', (e) => {
    const lines = e.target;
    if (!lines.classList || !lines.classList.contains('lines')) return;
    const below = lines.scrollHeight - lines.scrollTop - lines.clientHeight;
    lines.dataset.end = below < 40 ? 'yes' : 'no';
  }, true);
  document.addEventListener('htmx:after:swap', () => { look(); toEnd(false); });

  // A second click on a form that is on its way does nothing.
  document.addEventListener('submit', (e) => {
    if (!e.target.classList.contains('once')) return;
    if (e.target.dataset.sent) { e.preventDefault(); return; }
    e.target.dataset.sent = 'yes';
    for (const button of e.target.querySelectorAll('button')) button.setAttribute('aria-disabled', 'true');
  });
  window.addEventListener('pageshow', () => {
    for (const form of document.querySelectorAll('form.once')) {
      delete form.dataset.sent;
      for (const button of form.querySelectorAll('button')) button.removeAttribute('aria-disabled');
    }
  });

  const text = document.querySelector('textarea[data-max-bytes]');
  if (text) {
    const count = document.getElementById('text-count');
    const limit = Number(text.dataset.maxBytes);
    const measure = () => {
      const used = new TextEncoder().encode(text.value).length;
      const left = Math.floor((limit - used) / 3);
      count.textContent = left >= 0 ? '还能写约' + left + '个汉字 · Ctrl+Enter 发送' : '太长了，请删去约' + -left + '个汉字';
      count.classList.toggle('text-danger', left < 0);
    };
    text.addEventListener('input', measure);
    text.addEventListener('keydown', (e) => {
      const send = text.form.querySelector('button');
      if (e.key === 'Enter' && (e.ctrlKey || e.metaKey) && !send.disabled) text.form.requestSubmit();
    });
    measure();
  }

  look();
  toEnd(true);
  setInterval(tick, 1000);
})();
