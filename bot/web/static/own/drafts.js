// What is typed into a box with data-draft is kept on the server every few seconds, and put back
// when the page is opened again. Nothing is ever kept in this browser. When the login has ended the
// words stay on the page until somebody has signed in again in another window.
(() => {
  'use strict';
  const boxes = () => [...document.querySelectorAll('[data-draft]')];
  if (!boxes().length) return;
  const SAVE_AFTER = 2000;
  const caseId = location.pathname.split('/')[3];
  const me = document.getElementById('drafts') && document.getElementById('drafts').dataset.staff;
  const bar = document.getElementById('drafts');
  // A page without a case says where its own drafts are.
  const source = (bar && bar.dataset.from) || '/desk/cases/' + caseId + '/drafts';
  const timers = new Map();
  const saved = new Map();
  let running = Promise.resolve();
  let broken = '';

  const token = () => document.querySelector('input[name="csrf"]').value;
  function say(text, link) {
    broken = link ? text : '';
    if (!bar) return;
    bar.hidden = !text;
    bar.textContent = text;
    if (link) {
      const a = document.createElement('a');
      a.href = '/login';
      a.target = '_blank';
      a.rel = 'noopener';
      a.textContent = ' 在新标签页登录';
      bar.append(a);
    }
  }
  function mark(box, text) {
    let hint = box.nextElementSibling;
    if (!hint || !hint.classList.contains('draft-state')) {
      hint = document.createElement('div');
      hint.className = 'hint draft-state';
      box.after(hint);
    }
    hint.textContent = text;
    return hint;
  }

  // Someone may have signed in again in another window: go on with that login's token, if it is
  // still the same person.
  async function refresh() {
    const response = await fetch(source,
      { headers: { Accept: 'application/json' }, cache: 'no-store' });
    const json = (response.headers.get('Content-Type') || '').startsWith('application/json');
    if (!response.ok || !json) return null;
    const found = await response.json();
    if (me && String(found.staff) !== me) {
      say('现在登录的是另一个账号。请把没保存的字复制出来，再刷新这一页。', true);
      return null;
    }
    for (const input of document.querySelectorAll('input[name="csrf"]')) input.value = found.csrf;
    return found;
  }
  const send = (field, text) => fetch('/desk/drafts', {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ csrf: token(), field, text }),
  });

  // Return whether the words are safe.
  async function save(box) {
    const field = box.dataset.draft, text = box.value;
    if (saved.get(field) === text) return true;
    try {
      let response = await send(field, text);
      if (response.status === 401 || response.status === 403) {
        if (await refresh()) response = await send(field, text);
        else if (response.status === 401 || !broken) {
          say('登录已过期。写的字还在这一页，请不要关掉：先在新标签页登录，再回来保存。', true);
          return false;
        }
      }
      if (response.status === 413 || response.status === 422) {
        mark(box, '太长了，没有自动保存。');
        return true;
      }
      if (!response.ok) throw new Error(String(response.status));
      saved.set(field, text);
      say('');
      mark(box, text.trim() ? '草稿已保存' : '');
      return true;
    } catch {
      say('连不上服务器，草稿没有保存。写的字还在这一页，请不要关掉；网络好了再按一次。', false);
      broken = 'offline';
      return false;
    }
  }
  function later(box) {
    if (timers.has(box)) return;
    timers.set(box, setTimeout(() => {
      timers.delete(box);
      running = running.then(() => save(box));
    }, SAVE_AFTER));
  }
  function stop(box) {
    clearTimeout(timers.get(box));
    timers.delete(box);
  }
  document.addEventListener('input', (e) => {
    if (e.target.matches && e.target.matches('[data-draft]')) later(e.target);
  });

  // Before a form goes, its words are kept; a login that has ended is found here and not by an
  // error page that has lost them.
  const cleared = new WeakSet();
  document.addEventListener('submit', (e) => {
    const form = e.target;
    const own = [...form.querySelectorAll('[data-draft]')];
    if (form.getAttribute('action') === '/logout' && timers.size) {
      e.preventDefault();
      const typed = [...timers.keys()];
      typed.forEach(stop);
      running = running.then(async () => {
        for (const box of typed) if (!(await save(box))) return;
        form.requestSubmit();
      });
      return;
    }
    if (!own.length || cleared.has(form)) { cleared.delete(form); return; }
    e.preventDefault();
    e.stopImmediatePropagation();
    const button = e.submitter;
    own.forEach(stop);
    running = running.then(async () => {
      for (const box of own) if (box.value.trim() && !(await save(box))) return;
      // What has no draft of its own would be lost with an ended login: ask before it goes.
      if (!(await refresh().catch(() => null))) {
        if (!broken) say('登录已过期或连不上服务器，请先在新标签页登录，再按一次。', true);
        return;
      }
      say('');
      let names = form.querySelector('input[name="drafts"]');
      if (!names) {
        names = document.createElement('input');
        names.type = 'hidden';
        names.name = 'drafts';
        form.append(names);
      }
      names.value = own.map((box) => box.dataset.draft).join(',');
      // Words that were safe already need no answer, and a form that is being sent takes no other.
      await new Promise((go) => setTimeout(go));
      cleared.add(form);
      form.requestSubmit(button || undefined);
    });
  }, true);

  window.addEventListener('beforeunload', (e) => {
    const unsaved = boxes().some((box) => box.value.trim() && broken);
    if (unsaved) e.preventDefault();
  });

  // A tab that is put aside is saved at once.
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState !== 'hidden') return;
    for (const box of boxes()) if (timers.has(box)) { stop(box); save(box); }
  });

  // The box holds something already (a saved form): the words that never reached it are shown.
  function offer(box, text) {
    const hint = mark(box, '这里还有你没存进去的字：');
    const words = document.createElement('p');
    words.className = 'bubble';
    words.textContent = text;
    const swap = document.createElement('button');
    swap.type = 'button';
    swap.className = 'btn btn-sm';
    swap.textContent = '换成这些字';
    swap.addEventListener('click', () => {
      box.value = text;
      box.dispatchEvent(new Event('input', { bubbles: true }));
      mark(box, '换好了，别忘了保存。');
    });
    hint.append(words, swap);
  }

  refresh().then((found) => {
    if (!found) return;
    for (const box of boxes()) {
      const text = found.drafts[box.dataset.draft];
      if (!text) continue;
      saved.set(box.dataset.draft, text);
      if (box.value.trim()) {
        if (box.value !== text) offer(box, text);
        continue;
      }
      box.value = text;
      box.dispatchEvent(new Event('input', { bubbles: true }));
      stop(box);
      const fold = box.closest('details');
      if (fold) fold.open = true;
      const hint = mark(box, '这是你上次没写完的，已放回。');
      const drop = document.createElement('button');
      drop.type = 'button';
      drop.className = 'btn btn-sm';
      drop.textContent = '不要了';
      drop.addEventListener('click', () => { box.value = ''; box.focus(); running = running.then(() => save(box)); });
      hint.append(' ', drop);
    }
  }).catch(() => {});
})();
