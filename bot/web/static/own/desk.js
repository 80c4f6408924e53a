// The desk and a case's page: what htmx does not do by itself. No inline scripts are allowed.
(() => {
  'use strict';
  const offline = document.getElementById('offline');
  const queue = document.getElementById('queue');
  let skew = queue ? Number(queue.dataset.now) - Date.now() : 0;

  // A page that has silently stopped is worse than none: say so, loudly.
  // Each part of the page has its own trouble: a part that works must not hide one that does not.
  const problems = new Map();
  let signIn = false;
  function tell() {
    if (!offline) return;
    const text = [...problems.values()].find(Boolean) || '';
    offline.hidden = !text;
    offline.textContent = text;
    if (text && signIn) {
      const a = document.createElement('a');
      a.href = '/login?next=' + encodeURIComponent(location.pathname);
      a.textContent = ' 重新登录';
      offline.append(a);
    }
  }
  function trouble(part, text) {
    problems.set(part, text);
    tell();
  }
  function status(part, code) {
    signIn = code === 401 || (signIn && code >= 400);
    if (code === 401) trouble(part, '登录已过期，这一页不再更新！');
    else if (code === 403 || code === 404) trouble(part, '这个个案已不在你的权限范围内，这一页不再更新。');
    else if (code >= 400) trouble(part, '服务器出错，这一页没有更新，正在重试。紧急情况请直接打电话。');
    else trouble(part, '');
  }
  const partOf = (e) => (e.detail.ctx && e.detail.ctx.sourceElement && e.detail.ctx.sourceElement.id) || 'page';
  document.addEventListener('htmx:after:request', (e) => {
    const response = e.detail.ctx && e.detail.ctx.response;
    if (response) status(partOf(e), response.status);
  });
  document.addEventListener('htmx:error', (e) =>
    trouble(partOf(e), '连不上服务器，这一页没有更新，正在重试。请检查网络。'));

  let streaming = false;
  function stream(on) {
    streaming = on;
    // Said after the others: they are worse.
    problems.delete('stream');
    trouble('stream', on ? '' : '实时连接断开，正在重连；这一页每20秒刷新一次。');
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
  // The server's clock counts, not the one of this computer.
  function measureSkew() {
    const state = document.getElementById('queue-state');
    if (state) skew = Number(state.dataset.now) - Date.now();
  }
  function tick() {
    const now = Date.now() + skew;
    for (const time of document.querySelectorAll('.since')) {
      time.textContent = lasting(now - Number(time.dataset.since));
    }
    for (const time of document.querySelectorAll('.until')) {
      time.textContent = lasting(Number(time.dataset.until) - now);
    }
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
  document.addEventListener('htmx:after:swap', () => { measureSkew(); tick(); toEnd(false); });

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

  tick();
  toEnd(true);
  setInterval(tick, 1000);
})();
