// The teacher's pages of notices: counting signs, keeping what was typed, printing, staleness.
(() => {
  'use strict';
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

  for (const box of document.querySelectorAll('[data-most]')) {
    const shown = document.querySelector('[data-count-of="' + box.id + '"]');
    const most = Number(box.dataset.most);
    const measure = () => {
      const text = box.value.trim();
      const used = box.dataset.bytes ? Math.ceil(new TextEncoder().encode(text).length / 3) : Array.from(text).length;
      shown.textContent = used <= most ? used + ' / ' + most + ' 字' : '太长了，请删去' + (used - most) + '个字';
      shown.classList.toggle('text-danger', used > most);
    };
    box.addEventListener('input', measure);
    measure();
  }

  // What was typed outlives an expired login or a closed cover, in this tab only.
  const form = document.querySelector('form[data-kept]');
  if (form) {
    const fields = ['place', 'title', 'body'];
    const name = 'xinqing-' + form.dataset.kept;
    if (!form.dataset.typed) {
      const kept = JSON.parse(sessionStorage.getItem(name) || '{}');
      for (const field of fields) {
        const box = form.elements[field];
        if (kept[field] && !box.value) { box.value = kept[field]; box.dispatchEvent(new Event('input')); }
      }
    }
    form.addEventListener('input', () => sessionStorage.setItem(name, JSON.stringify(
      Object.fromEntries(fields.map((field) => [field, form.elements[field].value])))));
  } else if (document.querySelector('#words')) {
    sessionStorage.removeItem('xinqing-notice');
  }

  const print = document.querySelector('[data-print]');
  if (print) {
    print.hidden = false;
    print.addEventListener('click', () => window.print());
  }

  const stale = document.getElementById('stale');
  function tell(text) {
    if (!stale) return;
    stale.hidden = !text;
    stale.textContent = text;
  }
  document.addEventListener('htmx:after:request', (e) => {
    const response = e.detail.ctx && e.detail.ctx.response;
    if (!response) return;
    if (response.status === 401) tell('登录已过期，这一页不再更新，请重新登录。');
    else if (response.status === 403 || response.status === 404) tell('这条通知已不在您的权限范围内，这一页不再更新。');
    else tell(response.status >= 400 ? '服务器出错，这一页没有更新，正在重试。' : '');
  });
  document.addEventListener('htmx:error', () => tell('连不上服务器，这一页没有更新，正在重试。请检查网络。'));
})();
