// Signs this browser up for Web Push. The form is sent as any other, with what the browser made.
(() => {
  'use strict';
  const form = document.getElementById('push-form');
  const button = document.getElementById('push-on');
  const said = document.getElementById('push-said');
  if (!form) return;

  function bytes(text) {
    const padded = text + '='.repeat((4 - (text.length % 4)) % 4);
    return Uint8Array.from(atob(padded.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
  }
  function text(buffer) {
    const raw = String.fromCharCode(...new Uint8Array(buffer));
    return btoa(raw).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
  }
  if (!('serviceWorker' in navigator) || !('PushManager' in window)) {
    said.textContent = '这个浏览器不支持提醒。苹果手机要先把本站“添加到主屏幕”，再从那里打开。';
    return;
  }
  button.disabled = false;
  said.textContent = '点按钮以后，浏览器会问是否允许通知，请选“允许”。';

  async function signUp() {
    if (await Notification.requestPermission() !== 'granted') {
      throw new Error('没有允许通知。请在浏览器地址栏左边的网站设置里打开“通知”，再点一次。');
    }
    said.textContent = '正在登记……';
    await navigator.serviceWorker.register(form.dataset.worker);
    const worker = await active();
    const made = await worker.pushManager.subscribe(
      { userVisibleOnly: true, applicationServerKey: bytes(form.dataset.key) });
    form.elements.address.value = made.endpoint;
    form.elements.p256dh.value = text(made.getKey('p256dh'));
    form.elements.auth.value = text(made.getKey('auth'));
    form.requestSubmit();
  }
  // `ready` waits for a worker of this page's own path; ours stands elsewhere.
  async function active() {
    for (let i = 0; i < 50; i++) {
      const found = await navigator.serviceWorker.getRegistration(form.dataset.worker);
      if (found && found.active) return found;
      await new Promise((go) => setTimeout(go, 100));
    }
    throw new Error('登记没有成功，请刷新这一页再试。');
  }
  button.addEventListener('click', async () => {
    button.disabled = true;
    try {
      await signUp();
    } catch (error) {
      const known = error.name === 'Error' ? error.message
          : '连不上浏览器厂商的推送服务，这个浏览器收不到提醒。请换一个浏览器，或用钉钉提醒。';
      said.textContent = known;
      button.disabled = false;
    }
  });
})();
