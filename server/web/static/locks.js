// Held locks, with the time that they have left.

import {store, self, get, ask, now} from './store.js';
import {el, keyed, table, cell, text, attr, empty} from './dom.js';
import {ms, countdown, moment, keyText, keyLink, keyParam, who, num} from './format.js';

export const title = 'Locks';

const t = table('Held locks', [['Key', 'key'], ['Registry', ''], ['Time left', 'nowrap'], ['Held by', ''], ['Since', 'nowrap'], ['Renewed', 'right'], ['Token', 'mono'], ...(self.write ? [['', '']] : [])]);
const none = empty('Nobody holds a lock. Take one with: minikv lock REGISTRY KEY --ttl 30s');
const told = el('p', {role: 'status', class: 'note'});
told.hidden = true;

export const root = el('div', {class: 'view'},
  el('div', null, el('h1', {text: 'Locks'}), el('p', {class: 'lead', text: 'A lock is a lease: it ends by itself unless its holder renews it. While it is held only the holder can write the key. Its fencing token grows with each holder, so that a guarded resource can refuse one who comes too late. Time left is a quarter more than the holder asked for, as clocks do not run alike.'})),
  el('section', {class: 'card'}, told, t.node, none));

let locks = [];
let busy = false;

async function load() {
  if (busy || !store.stats) return;
  busy = true;
  try {
    const lists = await Promise.all(store.stats.registries.filter((r) => r.locks > 0).map(async (r) => (await get(`/v1/locks?registry=${encodeURIComponent(r.name)}`)).map((l) => ({...l, registry: r.name}))));
    const at = now();
    locks = lists.flat().map((l) => ({...l, until: at + ms(l.left)})).sort((a, b) => a.until - b.until);
    draw();
  } catch (e) {
    say(e.message);
  } finally {
    busy = false;
  }
}

function say(words) {
  told.hidden = !words;
  text(told, words);
}

function draw() {
  none.hidden = locks.length > 0;
  t.node.hidden = locks.length === 0;
  keyed(t.body, locks, (l) => `${l.registry} ${l.token.slice(16)}`, (l) => {
    const row = t.row();
    cell(row, 0, el('a', {href: keyLink(l.registry, l), text: keyText(l)}));
    cell(row, 1, l.registry);
    cell(row, 2, el('span', {class: 'lease'}, el('span', {class: 'left'}), el('meter', {min: 0, max: 1, 'aria-label': 'part of the lease that is left'})));
    cell(row, 3, who(l.owner));
    cell(row, 4, el('time', {datetime: l.since, title: 'by the clock of the holder', text: moment(l.since)}));
    cell(row, 6, el('span', {title: l.token, text: `…${l.token.slice(-8)}`}));
    if (self.write) cell(row, 7, el('button', {type: 'button', class: 'danger', text: 'Unlock', onclick: (e) => unlock(e.target, row.lock)}));
    return row;
  }, (row, l) => {
    row.lock = l;
    cell(row, 5, num(l.renewals));
    time(row);
  });
}

function time(row) {
  const l = row.lock;
  const left = l.until - now();
  const [words, bar] = row.cells[2].firstChild.children;
  text(words, countdown(left));
  attr(bar, 'value', Math.max(0, Math.min(1, left / (ms(l.ttl) * 1.25))).toFixed(2)); // a lease is observed for a quarter longer than its ttl
}

async function unlock(button, l) {
  if (button.textContent === 'Unlock') { // once more: its holder would go on without it
    text(button, 'Really unlock');
    setTimeout(() => text(button, 'Unlock'), 4000);
    return;
  }
  try {
    await ask('DELETE', `/v1/lock?registry=${encodeURIComponent(l.registry)}&key=${keyParam(l)}&token=${l.token}`);
    say(`${keyText(l)} is unlocked.`);
  } catch (e) {
    say(e.message);
  }
  load();
}

export function show() { say(''); draw(); load(); }
export function update() { load(); }
export function tick() {
  const live = locks.filter((l) => l.until > now() - 1500);
  if (live.length !== locks.length) { locks = live; draw(); }
  for (const row of t.body.rows) time(row);
}
