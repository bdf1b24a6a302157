// The frame of the page: which view is shown, and the states at the top.

import {store, subscribe, begin, now} from './store.js';
import {state, text, attr} from './dom.js';
import {short} from './format.js';
import * as overview from './overview.js';
import * as keys from './keys.js';
import * as changes from './changes.js';
import * as locks from './locks.js';
import * as peers from './peers.js';
import * as trouble from './trouble.js';

const views = {overview, keys, changes, locks, peers, trouble};
const main = document.getElementById('main');
let shown = null;

function route(first) {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  const name = Object.hasOwn(views, path) ? path : 'overview';
  const view = views[name];
  const changed = view !== shown;
  if (changed) {
    shown = view;
    main.replaceChildren(view.root);
    document.querySelectorAll('nav a').forEach((a) => attr(a, 'aria-current', a.dataset.view === name ? 'page' : null));
    window.scrollTo(0, 0);
  }
  // The query is kept as it stands: a key may hold bytes that are no text.
  const params = new Map((query || '').split('&').filter(Boolean).map((p) => {
    const i = p.indexOf('=');
    return [p.slice(0, i), p.slice(i + 1)];
  }));
  document.title = `${view.title} – minikv inspector`;
  view.show(params);
  if (changed && !first) main.focus({preventScroll: true});
}

function top(stats) {
  const ready = document.getElementById('ready');
  if (stats.ready) state(ready, 'good', 'ready');
  else state(ready, 'bad', `not ready: ${stats.why}`);
  const count = (id, n) => text(document.getElementById(id), n > 0 ? String(n) : '');
  count('count-locks', stats.registries.reduce((n, r) => n + r.locks, 0));
  count('count-peers', stats.peers.filter((p) => p.connected).length);
  const bad = trouble.count(stats);
  count('count-trouble', bad);
  attr(document.getElementById('count-trouble'), 'class', bad ? 'count bad' : 'count');
}

function link() {
  const node = document.getElementById('link');
  const silent = store.stats ? now() - Date.parse(store.stats.time) : 0;
  if (store.link === 'live' && silent < 4000) state(node, 'good', 'live');
  else if (store.link === 'live') state(node, 'warn', `no news for ${Math.round(silent / 1000)} s`);
  else if (store.link === 'lost') state(node, 'bad', 'connection lost, trying again');
  else state(node, '', 'connecting');
}

text(document.getElementById('node-id'), short(document.getElementById('node-id').title));
addEventListener('hashchange', () => route(false));
document.querySelector('.skip').addEventListener('click', (e) => { // the address is the view's
  e.preventDefault();
  main.focus();
});
subscribe((what, data) => {
  if (what === 'stats') top(data);
  if (what === 'link' || what === 'stats') link();
  if (what === 'stats' && shown.update) shown.update(data);
  if (what === 'past' && shown.past) shown.past();
  if (what === 'change' && shown.change) shown.change(data);
});
setInterval(() => { // what counts down
  link();
  if (shown.tick) shown.tick();
}, 250);
route(true);
begin();
