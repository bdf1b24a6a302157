// What the page knows of the node, and the one connection that it learns it by.

const meta = (name) => document.querySelector(`meta[name="minikv-${name}"]`).content;

export const self = {node: meta('node'), name: meta('name'), write: meta('write') === 'true', csrf: meta('csrf')};

export const store = {
  stats: null, // the latest
  samples: [], // of the last five minutes
  changes: [], // the newest first
  link: 'connecting',
};

const maxSamples = 300;
const maxChanges = 300;

const listeners = new Set();
export const subscribe = (f) => listeners.add(f);
const tell = (what, data) => listeners.forEach((f) => f(what, data));

// The node's clock, of which this machine's may differ.
let ahead = 0;
export const now = () => performance.timeOrigin + performance.now() + ahead;

let source = null;
let retry = 0;
let pause = 0;

export async function begin() {
  await look();
  connect();
  document.addEventListener('visibilitychange', () => {
    clearTimeout(pause);
    if (document.hidden) pause = setTimeout(disconnect, 30000); // browsers have few connections for all the tabs of a node
    else if (!source) look().then(connect);
  });
}

// look fetches what has happened before.
async function look() {
  try {
    const [samples, changes] = await Promise.all([get('/v1/samples'), get(`/v1/changes?limit=${maxChanges}`)]);
    Object.assign(store, {samples, changes});
    tell('past');
  } catch (e) {
    setLink('lost');
  }
}

function connect() {
  disconnect();
  source = new EventSource('/v1/live');
  source.onopen = () => setLink('live');
  source.onmessage = (m) => take(JSON.parse(m.data));
  source.onerror = () => {
    setLink('lost');
    if (source && source.readyState === EventSource.CLOSED) { // refused: it does not try again by itself
      source = null;
      clearTimeout(retry);
      retry = setTimeout(async () => {
        const r = await fetch('/v1/status').catch(() => null);
        if (r && r.status === 401) location.reload();
        else look().then(connect);
      }, 3000);
    }
  };
}

function disconnect() {
  clearTimeout(retry);
  if (source) source.close();
  source = null;
}

function setLink(s) {
  store.link = s;
  tell('link', s);
}

function take(ev) {
  if (ev.stats) {
    ahead = Date.parse(ev.stats.time) - performance.timeOrigin - performance.now();
    store.stats = ev.stats;
    const last = store.samples[store.samples.length - 1];
    if (ev.stats.sample.puts !== undefined && Date.parse(ev.stats.sample.time) > 0 && (!last || last.time !== ev.stats.sample.time)) {
      store.samples.push(ev.stats.sample);
      store.samples.splice(0, store.samples.length - maxSamples);
    }
    tell('stats', ev.stats);
  }
  if (ev.change && !store.changes.some((c) => c.seq === ev.change.seq)) {
    store.changes.unshift(ev.change);
    store.changes.length = Math.min(store.changes.length, maxChanges);
    tell('change', ev.change);
  }
}

// get asks the node; an error has its words.
export async function get(path) { return ask('GET', path); }

// ask makes any call. Those that write carry the page's proof.
export async function ask(method, path, body) {
  const headers = method === 'GET' ? {} : {'Minikv-CSRF': self.csrf};
  const res = await fetch(path, {method, headers, body});
  const answer = await res.json().catch(() => ({}));
  if (!res.ok) throw new Error(answer.message || `the node answered ${res.status}`);
  return answer;
}
