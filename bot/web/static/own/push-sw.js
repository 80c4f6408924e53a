// Shows what was pushed. It holds a number and no word of anybody; a click opens the desk.
self.addEventListener('push', (event) => {
  const body = event.data ? event.data.text().slice(0, 200) : '有一个个案需要接手';
  event.waitUntil(self.registration.showNotification('心晴值班',
    { body, tag: body, renotify: true, requireInteraction: true, lang: 'zh-CN' }));
});
self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  event.waitUntil((async () => {
    const open = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
    const desk = open.find((one) => new URL(one.url).pathname.startsWith('/desk'));
    return desk ? desk.focus() : self.clients.openWindow('/desk');
  })());
});
