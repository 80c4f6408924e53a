// The simulator's phones. Words from the service are put in as text, never as HTML.
(() => {
  'use strict';
  const chat = document.getElementById('chat');
  const form = document.getElementById('say');
  const box = document.getElementById('text');
  const who = document.getElementById('thread');
  const author = document.getElementById('author');
  const state = document.getElementById('phone-state');
  const elsewhere = document.getElementById('elsewhere');
  const LABELS = { 'dingtalk-work': '工作通知', 'dingtalk-ding': 'DING', 'dingtalk-card': '互动卡片', template: '模板消息', subscribe: '订阅消息' };
  const PATIENCE = 8000;     // ms; for so long a DingTalk answer counts as being on its way
  const chats = new Map();   // the lines of each thread, kept while the page is open
  const heard = new Map();   // how often something came for each thread
  const waiting = new Map(); // how many answers each thread waits for
  const unread = [];         // threads with words that nobody has looked at, the newest last

  const option = (thread) => Array.from(who.options).find((one) => one.value === thread);
  const here = () => who.selectedOptions[0].dataset;
  const count = (map, thread) => map.get(thread) || 0;
  const lines = (thread) => {
    if (!chats.has(thread)) chats.set(thread, []);
    return chats.get(thread);
  };
  function draw(line) {
    const item = document.createElement('li');
    item.className = line.side === 'system' ? 'system' : 'bubble ' + line.side;
    if (line.name) {
      const name = document.createElement('span');
      name.className = 'name';
      name.textContent = line.name;
      item.append(name);
    }
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
    show();
  }
  // Scroll to the end, but never past the beginning of what has just arrived.
  function show() {
    const newest = chat.lastElementChild;
    if (!newest) return;
    const start = newest.offsetTop - chat.offsetTop - 12;
    chat.scrollTop = Math.min(start, chat.scrollHeight - chat.clientHeight);
  }
  function add(thread, line) {
    lines(thread).push(line);
    if (thread === who.value) draw(line);
    else if (line.side === 'theirs') mark(thread, true);
  }
  // Say that words have come on another phone, which is where a danger in a group is answered.
  function mark(thread, isNew) {
    const found = unread.indexOf(thread);
    if (found >= 0) unread.splice(found, 1);
    if (isNew) unread.push(thread);
    const newest = unread.length ? option(unread[unread.length - 1]) : null;
    elsewhere.hidden = !newest;
    if (newest) elsewhere.textContent = '「' + newest.dataset.name + '」那边有新消息，点开看';
  }
  function busy(thread, step) {
    waiting.set(thread, count(waiting, thread) + step);
    header();
  }
  function header() {
    const { group, platform } = here();
    const quiet = group ? group + '人 · 心晴机器人在群里' : (platform === 'wechat' ? '服务号' : '机器人') + ' · AI自动回复';
    state.textContent = count(waiting, who.value) ? '对方正在输入…' : quiet;
  }
  async function post(act, fields) {
    const body = new URLSearchParams({ csrf: form.elements.csrf.value, thread: who.value, ...fields });
    if (here().group) body.set('author', author.value);
    const response = await fetch('/simulator/' + act, { method: 'POST', body });
    if (!response.ok) throw new Error(String(response.status));
    return response.json();
  }
  function complain(thread, platform, error) {
    const broken = platform === 'wechat' ? '该服务号暂时无法提供服务，请稍后再试。' : '机器人暂时没有回应，请稍后再试。';
    const known = { 403: '这一页放得太久了，请刷新后再试。', 404: '这个人还没有写过话，没有可以再推的。' };
    add(thread, { side: 'system', text: known[error.message] || broken });
  }
  // Let the person who is chosen write `shown`; wait for the answer, or for its arrival.
  async function write(act, fields, shown) {
    const thread = who.value;
    const { platform, group } = here();
    const before = count(heard, thread);
    const name = group ? author.selectedOptions[0].textContent : '';
    add(thread, { side: 'mine', text: shown, name });
    busy(thread, 1);
    try {
      const answer = await post(act, fields);
      if (answer.reply) add(thread, { side: 'theirs', text: answer.reply });
      else if (platform === 'wechat' || !await arrives(thread, before, answer.held)) {
        add(thread, { side: 'system', text: '已送达。没有当场的自动回复：老师接管时由老师回复。' });
      }
    } catch (error) {
      complain(thread, platform, error);
    } finally {
      busy(thread, -1);
    }
  }
  async function arrives(thread, before, held) {
    if (held) add(thread, { side: 'system', text: 'Stream 未连接，正在重连。这句话先留在（模拟的）钉钉那边，连上后再推来。' });
    const until = Date.now() + PATIENCE * (held ? 3 : 1);
    while (count(heard, thread) === before && Date.now() < until) {
      await new Promise((done) => setTimeout(done, 50));
    }
    return count(heard, thread) > before;
  }
  async function trouble(act, text) {
    const thread = who.value;
    try {
      await post(act, {});
      add(thread, { side: 'system', text });
    } catch (error) {
      complain(thread, here().platform, error);
    }
  }
  function say(text) {
    if (text.trim()) write('say', { text }, here().group ? '@心晴 ' + text : text);
  }
  const acts = {
    follow: () => write('follow', {}, '[关注服务号]'),
    send: (button) => write('send', { kind: button.dataset.kind }, '[' + button.textContent + ']'),
    exhaust: () => write('exhaust', {}, '[写了一句，但额度用完：钉钉没有把字送来]'),
    again: () => trouble('again', '上一条又推来一次，编号相同。应该没有第二个回答。'),
    disconnect: () => trouble('disconnect', '平台断开了 Stream，并拒绝随后的两次重连，几秒后恢复。这时写一句试试。'),
  };
  function choose() {
    const { group, platform, name, about } = here();
    const kind = group ? 'group' : platform;
    document.getElementById('about').textContent = about;
    document.getElementById('phone-name').textContent = group ? name : platform === 'wechat' ? '心晴家庭教育' : '心晴';
    document.getElementById('author-line').hidden = !group;
    for (const one of document.querySelectorAll('[data-for]')) {
      one.hidden = !one.dataset.for.split(' ').includes(kind);
    }
    const start = group ? '这是「' + name + '」。选一位家长，对机器人说一句。' : '你现在是「' + name + '」。写一句，或点一句例句。';
    if (!lines(who.value).length) lines(who.value).push({ side: 'system', text: start });
    chat.replaceChildren();
    lines(who.value).forEach(draw);
    mark(who.value, false);
    header();
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
    if (button.dataset.act) acts[button.dataset.act](button);
  });
  elsewhere.addEventListener('click', () => {
    who.value = unread[unread.length - 1];
    choose();
  });
  who.addEventListener('change', choose);
  new ResizeObserver(show).observe(chat);
  const events = new EventSource('/simulator/events');
  events.addEventListener('words', (e) => {
    const { thread, kind, text } = JSON.parse(e.data);
    if (!option(thread)) return;
    heard.set(thread, count(heard, thread) + 1);
    const name = LABELS[kind] || (option(thread).dataset.group ? '心晴（机器人）' : '');
    add(thread, { side: 'theirs', text: text || '（没有文字）', name });
  });
  choose();
})();
