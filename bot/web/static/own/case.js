// A case's page: ready words go into the box, where a person changes and sends them.
(() => {
  'use strict';
  const box = document.getElementById('text');
  const fold = document.getElementById('canned');
  if (!box || !fold) return;
  const search = document.getElementById('canned-search');
  const none = document.getElementById('canned-none');
  const all = [...fold.querySelectorAll('.canned')];
  const shown = () => all.filter((one) => !one.hidden);

  // Where the cursor is; what stands there already stays.
  function put(words) {
    const at = box.selectionStart, before = box.value.slice(0, at), after = box.value.slice(box.selectionEnd);
    const gap = before && !/\s$/.test(before) ? '\n' : '';
    box.value = before + gap + words + after;
    const end = before.length + gap.length + words.length;
    box.focus();
    box.setSelectionRange(end, end);
    box.dispatchEvent(new Event('input', { bubbles: true }));
    box.scrollIntoView({ block: 'center' });
  }
  function filter() {
    const wanted = search.value.trim().split(/\s+/).filter(Boolean);
    for (const group of fold.querySelectorAll('.canned-group')) {
      const title = group.querySelector('h3').textContent;
      let any = false;
      for (const one of group.querySelectorAll('.canned')) {
        one.hidden = !wanted.every((word) => (title + one.dataset.words).includes(word));
        any = any || !one.hidden;
      }
      group.hidden = !any;
    }
    none.hidden = shown().length > 0;
  }
  search.addEventListener('input', filter);
  fold.addEventListener('click', (e) => {
    const one = e.target.closest('.canned');
    if (one) put(one.dataset.words);
  });
  fold.addEventListener('keydown', (e) => {
    const list = shown(), at = list.indexOf(document.activeElement);
    if (e.key === 'ArrowDown' || e.key === 'ArrowUp') {
      e.preventDefault();
      const next = e.key === 'ArrowDown' ? at + 1 : at - 1;
      if (next < 0) search.focus();
      else if (list[next]) list[next].focus();
    } else if (e.key === 'Enter' && e.target === search) {
      e.preventDefault();
      if (list[0]) put(list[0].dataset.words);
    } else if (e.key === 'Escape') {
      box.focus();
    }
  });
  document.addEventListener('keydown', (e) => {
    if (e.altKey && e.code === 'KeyQ') {
      e.preventDefault();
      fold.open = true;
      search.focus();
    }
  });
})();
