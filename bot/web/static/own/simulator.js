// The simulator's phone. Words from the service are put in as text, never as HTML.
(() => {
  'use strict';
  const chat = document.getElementById('chat');
  const form = document.getElementById('say');
  const box = document.getElementById('text');
  const who = document.getElementById('parent');
  const state = document.getElementById('phone-state');
  const rest = state.textContent;
  const chats = new Map();   // one list of lines for each parent, kept while the page is open
  let stream = null;
  let waiting = 0;

  const lines = () => {
    if (!chats.has(who.value)) chats.set(who.value, []);
    return chats.get(who.value);
  };
  function draw(line) {
    const item = document.createElement('li');
    item.className = line.side === 'system' ? 'system' : 'bubble ' + line.side;
    for (const part of line.text.split(/(https?:\/\/[\x21-\x7e]+)/)) {
      if (/^https?:\/\//.test(part)) {
        const link = document.createElement('a');
        link.href = part;
        link.target = '_blank';
        link.rel = 'noopener';
        link.textContent = part;
        item.append(link);
      } else item.append(part);
    }
    chat.append(item);
    chat.scrollTop = chat.scrollHeight;
  }
  function add(parent, line) {
    if (!chats.has(parent)) chats.set(parent, []);
    chats.get(parent).push(line);
    if (parent === who.value) draw(line);
  }
  function busy(step) {
    waiting += step;
    state.textContent = waiting ? '对方正在输入…' : rest;
  }
  async function post(path, fields, shown) {
    const parent = who.value;
    add(parent, { side: 'mine', text: shown });
    busy(1);
    try {
      const body = new URLSearchParams({ csrf: form.elements.csrf.value, parent, ...fields });
      const response = await fetch(path, { method: 'POST', body });
      if (!response.ok) throw new Error(String(response.status));
      const reply = (await response.json()).reply;
      add(parent, reply ? { side: 'theirs', text: reply }
        : { side: 'system', text: '已送达。没有当场的自动回复：老师接管时由老师回复。' });
    } catch (error) {
      const stale = error.message === '403' ? '这一页放得太久了，请刷新后再试。' : '该服务号暂时无法提供服务，请稍后再试。';
      add(parent, { side: 'system', text: stale });
    } finally {
      busy(-1);
    }
  }
  function say(text) {
    if (text.trim()) post('/simulator/say', { text }, text);
  }
  function choose() {
    const option = who.selectedOptions[0];
    document.getElementById('about').textContent = option.dataset.about;
    chat.replaceChildren();
    if (!lines().length) lines().push({ side: 'system', text: '你现在是「' + option.dataset.name + '」。写一句，或点一句例句。' });
    lines().forEach(draw);
    if (stream) stream.close();
    const parent = who.value;
    stream = new EventSource('/simulator/events?parent=' + encodeURIComponent(parent));
    stream.addEventListener('words', (e) => add(parent, { side: 'theirs', text: e.data }));
  }

  form.addEventListener('submit', (e) => {
    e.preventDefault();
    say(box.value);
    box.value = '';
    box.focus();
  });
  box.addEventListener('keydown', (e) => {
    if (e.key !== 'Enter' || e.shiftKey || e.isComposing) return;
    e.preventDefault();
    form.requestSubmit();
  });
  document.addEventListener('click', (e) => {
    const button = e.target.closest('button');
    if (!button) return;
    if (button.dataset.text) say(button.dataset.text);
    if (button.dataset.act === 'follow') post('/simulator/follow', {}, '[关注服务号]');
    if (button.dataset.act === 'send') post('/simulator/send', { kind: button.dataset.kind }, '[' + button.textContent + ']');
  });
  who.addEventListener('change', choose);
  choose();
})();
