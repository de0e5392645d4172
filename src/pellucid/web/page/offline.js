// The service worker: the page opens when the service has stopped, too. Pictures and answers never go through it.

const FILES = [
  "/", "/page/api.js", "/page/app.js", "/page/brush.js", "/page/changes.js", "/page/clips.js", "/page/folders.js", "/page/form.js",
  "/page/glance.js", "/page/history.js", "/page/icon-192.png", "/page/icon-512.png", "/page/icon.svg", "/page/keeping.js", "/page/list.js",
  "/page/looking.js", "/page/manifest.webmanifest", "/page/marks.js", "/page/page.js", "/page/painting.js", "/page/parts.js",
  "/page/proposals.js", "/page/queue.js", "/page/requests.js", "/page/service.js", "/page/steps.js", "/page/store.js", "/page/style.css",
  "/page/taking.js", "/page/viewer.js", "/page/zip.js",
];
const NAME = "pellucid-page";
const OURS = "X-Pellucid"; // a header of every file of the page: another program may have this address tomorrow

const ours = (response) => response.ok && response.headers.has(OURS);

addEventListener("install", (event) => event.waitUntil((async () => {
  const cache = await caches.open(NAME);
  await Promise.all(FILES.map(async (path) => {
    const response = await fetch(path, { cache: "no-cache" });
    if (!ours(response)) throw new Error(path);
    await cache.put(path, response);
  }));
  await skipWaiting();
})()));

addEventListener("activate", (event) => event.waitUntil(clients.claim()));

// The service's own file where it answers, so that a new version is there at once; the kept one where it does not.
async function answer(request, path) {
  try {
    const response = await fetch(request);
    if (ours(response)) await (await caches.open(NAME)).put(path, response.clone());
    return response;
  } catch (error) {
    const kept = await caches.match(path, { cacheName: NAME });
    if (kept) return kept;
    throw error;
  }
}

addEventListener("fetch", (event) => {
  const { pathname, origin } = new URL(event.request.url);
  if (event.request.method === "GET" && origin === location.origin && FILES.includes(pathname)) event.respondWith(answer(event.request, pathname));
});
