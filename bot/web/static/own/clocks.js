// Clocks of a case run on while its page is open; without this script they stand as they were read.
(function () {
  const list = document.querySelector('.clocks');
  if (!list) return;
  const skew = Number(list.dataset.now) - Date.now();
  const words = (ms) => {
    const s = Math.max(0, Math.floor(ms / 1000));
    const m = Math.floor(s / 60), h = Math.floor(m / 60), d = Math.floor(h / 24);
    const two = (n) => String(n).padStart(2, '0');
    if (d) return d + '天' + (h % 24) + '小时';
    if (h) return h + '小时' + two(m % 60) + '分';
    return m ? m + '分' + two(s % 60) + '秒' : s + '秒';
  };
  const tick = () => {
    const now = Date.now() + skew;
    for (const one of list.querySelectorAll('[data-left]')) {
      const left = Number(one.dataset.left) - now;
      if (left < 0) {
        one.closest('li').className = 'clock-overdue';
        one.parentElement.firstChild.textContent = '已超时 ';
        one.dataset.over = one.dataset.left;
        delete one.dataset.left;
      } else one.textContent = words(left);
    }
    for (const one of list.querySelectorAll('[data-over]')) one.textContent = words(now - Number(one.dataset.over));
  };
  setInterval(tick, 1000);
  tick();
})();
