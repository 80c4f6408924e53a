// The phone list and the drill's report: printing. No inline scripts are allowed.
(() => {
  'use strict';
  const print = document.querySelector('[data-print]');
  if (print) {
    print.hidden = false;
    print.addEventListener('click', () => window.print());
  }
})();
