// Requests to the service: with the token, with progress, and able to be given up.

const KEY = "pellucid-token";
const PATIENCE = 3; // requests for which a service that is short of something is asked
let token = "";

// The address may have the token behind its #, which browsers never send.
const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) {
  token = given;
  history.replaceState(null, "", location.pathname);
  try { sessionStorage.setItem(KEY, token); } catch { /* a private window may have none */ }
} else {
  try { token = sessionStorage.getItem(KEY) || ""; } catch { /* as above */ }
}

export class Problem extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

export class Cancelled extends Error {}

function headers() {
  return token ? { Authorization: `Bearer ${token}` } : {};
}

// Asks the user for the token, and remembers it for this tab. `used` is the one that the service did not take.
function askToken(used) {
  if (used !== token) return Promise.resolve(); // another request has asked meanwhile
  document.getElementById("token-wrong").hidden = !used;
  const dialog = document.getElementById("token");
  const field = document.getElementById("token-text");
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      token = field.value.trim();
      try { sessionStorage.setItem(KEY, token); } catch { /* as above */ }
      resolve();
    }, { once: true });
    if (!dialog.open) dialog.showModal();
  });
}

async function problem(status, text) {
  try {
    return new Problem(JSON.parse(text).error, status);
  } catch {
    return new Problem(status ? `the service answered ${status}` : "the service cannot be reached", status);
  }
}

export async function catalogue() {
  for (;;) {
    const used = token;
    let response;
    try {
      response = await fetch("/v1/models", { headers: headers() });
    } catch {
      throw await problem(0, "");
    }
    if (response.status === 401) {
      await askToken(used);
      continue;
    }
    if (!response.ok) throw await problem(response.status, await response.text());
    return response.json();
  }
}

const pause = (seconds, signal) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, seconds * 1000);
  signal.addEventListener("abort", () => { clearTimeout(timer); reject(new Cancelled()); }, { once: true });
});

// One attempt: resolves to { status, blob, type, retry, header(name) }.
function attempt(path, form, accept, signal, report) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.responseType = "blob";
    request.setRequestHeader("Accept", accept);
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => report({ state: "receiving", done: event.lengthComputable ? event.loaded / event.total : 0 });
    const stop = () => request.abort();
    signal.addEventListener("abort", stop, { once: true });
    request.onload = () => {
      signal.removeEventListener("abort", stop);
      resolve({
        status: request.status,
        blob: request.response,
        type: request.getResponseHeader("Content-Type") || "",
        retry: Number(request.getResponseHeader("Retry-After")) || (request.status === 429 ? 2 : 0),
        header: (name) => request.getResponseHeader(name),
      });
    };
    request.onerror = () => reject(new Problem("the service cannot be reached", 0));
    request.onabort = () => reject(new Cancelled());
    request.send(form);
  });
}

function ticketName() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Posts a picture. `query` holds names and values (null ones are left out, of a list each is sent); `files` are other pictures by the
// names of their settings. `report` is called with { state, done, ahead }.
export async function post(path, file, query, accept, { signal, report: tell, files = {} }) {
  // A request that was given up says nothing more.
  const report = (state) => { if (!signal.aborted) tell(state); };
  for (let tries = 1; ; tries++) {
    if (signal.aborted) throw new Cancelled();
    const ticket = ticketName();
    const pairs = Object.entries({ ...query, ticket }).flatMap(([name, value]) => [value].flat().map((each) => [name, each]))
      .filter(([, value]) => value !== null && value !== undefined && value !== "");
    const form = new FormData();
    // Without a media type: the service looks at the content, and names may be wrong. The ending helps with RAW files.
    const add = (name, content) => form.append(name, new Blob([content], { type: "application/octet-stream" }), content.name || "picture");
    add("image", file);
    for (const [name, content] of Object.entries(files)) add(name, content);
    let over = false;
    let watching = false;
    const watch = async () => {
      watching = true;
      while (!over) {
        await new Promise((resolve) => setTimeout(resolve, 300));
        if (over) return;
        try {
          const response = await fetch(`/v1/progress/${ticket}`, { headers: headers(), signal });
          if (response.ok && !over) {
            const state = await response.json();
            if (state.state !== "receiving" && state.state !== "unknown") report(state);
          }
        } catch { /* the request itself reports what is wrong */ }
      }
    };
    const used = token;
    let answer;
    try {
      answer = await attempt(`${path}?${new URLSearchParams(pairs)}`, form, accept, signal, (state) => {
        report(state);
        if (state.done >= 1 && !over && !watching) watch();
      });
    } finally {
      over = true;
    }
    if (answer.status === 401) {
      await askToken(used);
      continue;
    }
    // It is busy, or short of something for a while, or about to end.
    if (answer.status === 429 || (answer.status === 503 && answer.retry && tries < PATIENCE)) {
      report({ state: "busy", done: 0 });
      await pause(answer.retry, signal);
      continue;
    }
    if (answer.status !== 200) throw await problem(answer.status, await answer.blob.text());
    return answer;
  }
}

// The parts of an answer that is a form.
export async function parts(answer) {
  const form = await new Response(answer.blob, { headers: { "Content-Type": answer.type } }).formData();
  const named = Object.fromEntries(form.entries());
  return { ...named, details: JSON.parse(await named.details.text()) };
}
