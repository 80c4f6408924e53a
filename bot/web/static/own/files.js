// A case's form: what was typed is not lost by a wrong click.
(() => {
  'use strict';
  const form = document.querySelector('.file-form');
  const problem = document.getElementById('problem');
  if (problem) problem.focus();
  if (!form) return;
  let changed = problem !== null;
  form.addEventListener('input', () => { changed = true; });
  document.addEventListener('submit', () => { changed = false; });
  window.addEventListener('beforeunload', (e) => { if (changed) e.preventDefault(); });
})();
