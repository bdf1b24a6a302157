// The keys of a registry, page by page, and one key in full.

import {store, self, get, now} from './store.js';
import {el, keyed, table, cell, text, empty} from './dom.js';
import {ms, num, bytes, ago, since, countdown, keyText, keyParam, valueLine, who} from './format.js';
import {options} from './changes.js';
import {detail} from './key.js';

export const title = 'Keys';

const limit = 50;
let at = {registry: '', prefix: '', after: '', key: ''}; // as they stand in the address
let page = {entries: [], more: false};
let timer = 0;
const fresh = new Set();

const choice = el('select', {id: 'keys-registry', onchange: (e) => go({registry: encodeURIComponent(e.target.value), after: '', key: ''})});
const search = el('input', {id: 'keys-prefix', type: 'search', autocomplete: 'off', spellcheck: 'false', placeholder: 'all keys', oninput: () => {
  clearTimeout(timer);
  timer = setTimeout(() => go({prefix: encodeURIComponent(search.value), after: '', key: ''}, true), 200);
}});
const t = table('Keys', [['Key', 'key'], ['Value', 'value wide-only'], ['Size', 'right nowrap wide-only'], ['Written by', ''], ['When', 'nowrap'], ['Expires in', 'nowrap'], ['Lease', '']], 'feed');
const none = empty('');
const note = el('span', {role: 'status'});
const firstPage = el('a', {class: 'button', text: 'First page'});
const nextPage = el('a', {class: 'button', text: 'Next page'});
const one = detail(() => load());
const split = el('div', {class: 'split'},
  el('section', {class: 'card'},
    el('div', {class: 'tools'},
      el('div', null, el('label', {for: 'keys-registry', text: 'Registry'}), choice),
      el('div', null, el('label', {for: 'keys-prefix', text: 'Keys that begin with'}), search)),
    t.node, none,
    el('p', {class: 'pager'}, note, firstPage, nextPage)),
  one.node);

export const root = el('div', {class: 'view'},
  el('div', null, el('h1', {text: 'Keys'}), el('p', {class: 'lead', text: 'What a registry holds, in the order of its keys, with who wrote each one last. Follow a key to its value and its history. Changes show as they come.'})),
  self.write ? one.maker : null, split);

const href = (change) => {
  const p = {...at, ...change};
  return `#/keys?${Object.entries(p).filter(([, v]) => v).map(([k, v]) => `${k}=${v}`).join('&')}`;
};

// go moves to another place; while somebody types, without a step in the browser's history for each letter.
function go(change, quiet) {
  const to = href(change);
  if (to === location.hash) return;
  if (quiet) location.replace(to);
  else location.hash = to;
}

export function show(params) {
  const was = at;
  at = {registry: params.get('registry') || '', prefix: params.get('prefix') || '', after: params.get('after') || '', key: params.get('key') || ''};
  if (!at.registry && store.stats && store.stats.registries.length) at.registry = encodeURIComponent(store.stats.registries[0].name);
  if (document.activeElement !== search) search.value = decodeURIComponent(at.prefix);
  if (store.stats) options(choice, store.stats, '', decodeURIComponent(at.registry));
  if (was.registry !== at.registry || was.prefix !== at.prefix || was.after !== at.after || !page.entries.length) {
    if (was.registry !== at.registry) page = {entries: [], more: false};
    load();
  }
  split.classList.toggle('open', !!at.key);
  one.show(at.registry, at.key, href({key: ''}));
  draw();
}

async function load() {
  if (!at.registry) return;
  const asked = at;
  try {
    const p = await get(`/v1/page?registry=${at.registry}&prefix=${at.prefix}&after=${at.after}&limit=${limit}&preview=200`);
    if (asked.registry !== at.registry || asked.prefix !== at.prefix || asked.after !== at.after) return; // meanwhile somebody went on
    const moment = now();
    for (const e of p.entries) e.until = e.left ? moment + ms(e.left) : 0;
    page = p;
    draw();
  } catch (e) {
    page = {entries: [], more: false};
    draw();
    none.hidden = false;
    text(none, e.message);
  }
}

function draw() {
  const stats = store.stats && store.stats.registries.find((r) => encodeURIComponent(r.name) === at.registry);
  none.hidden = page.entries.length > 0;
  t.node.hidden = page.entries.length === 0;
  if (!at.registry) text(none, store.stats ? 'No registry is open on this node. Open one with: minikv reg add NAME --public' : 'Asking the node…');
  else text(none, at.prefix ? `No key begins with “${decodeURIComponent(at.prefix)}”.` : 'This registry holds no keys yet.');
  text(note, page.entries.length === 0 ? '' : at.prefix || at.after || page.more ? `${num(page.entries.length)} shown${stats ? ` of ${num(stats.keys)} keys in the registry` : ''}` : `${num(page.entries.length)} in all`);
  firstPage.hidden = !at.after;
  firstPage.href = href({after: '', key: ''});
  nextPage.hidden = !page.more;
  if (page.more) nextPage.href = href({after: keyParam(page.entries[page.entries.length - 1]), key: ''});
  keyed(t.body, page.entries, keyText, (e) => {
    const row = t.row();
    cell(row, 0, el('a', {text: keyText(e)}));
    return row;
  }, (row, e) => {
    row.entry = e;
    row.cells[0].firstChild.href = href({key: keyParam(e)});
    cell(row, 1, valueLine(e));
    cell(row, 2, bytes(e.size));
    if (row.revision !== e.revision) cell(row, 3, who(e.node));
    if (row.revision !== e.revision) cell(row, 4, since(e.time));
    cell(row, 6, e.lock ? el('span', {class: 'badge warn', title: `token ${e.lock.token}`, text: 'locked' }) : e.under ? el('span', {class: 'badge', title: `written under the lease ${e.under}`, text: 'under a lease'}) : '');
    row.className = [keyParam(e) === at.key ? 'chosen' : '', fresh.has(keyText(e)) ? 'fresh' : ''].join(' ').trim();
    if (keyParam(e) === at.key) row.setAttribute('aria-current', 'true');
    else row.removeAttribute('aria-current');
    row.revision = e.revision;
  });
  tick();
}

export function tick() {
  for (const row of t.body.rows) {
    const e = row.entry;
    text(row.cells[4].firstChild, ago(e.time));
    cell(row, 5, e.until ? countdown(e.until - now()) : 'never');
  }
  one.tick();
}

export function update(stats) {
  options(choice, stats, '', decodeURIComponent(at.registry));
  if (!at.registry && stats.registries.length) show(new Map());
}

let soon = 0;

export function change(c) {
  if (encodeURIComponent(c.registry) !== at.registry) return;
  one.change(c);
  if (c.key !== undefined && !c.key.startsWith(decodeURIComponent(at.prefix))) return;
  if (c.kind === 'put') {
    fresh.add(keyText(c));
    setTimeout(() => fresh.delete(keyText(c)), 2500);
  }
  if (!soon) soon = setTimeout(() => { soon = 0; load(); }, 150); // what comes in the meantime comes with it
}
