// Every change, as it comes.

import {store} from './store.js';
import {el, attr, text} from './dom.js';
import {feed} from './feed.js';

export const title = 'Changes';

let registry = '';
let held = false;

const list = feed(200, (c) => !registry || c.registry === registry);
const choice = el('select', {id: 'changes-registry', onchange: (e) => { registry = e.target.value; list.update(); }});
const hold = el('button', {type: 'button', 'aria-pressed': 'false', text: 'Hold', onclick: () => {
  held = !held;
  attr(hold, 'aria-pressed', String(held));
  text(hold, held ? 'Go on' : 'Hold');
  if (!held) list.update();
}});

export const root = el('div', {class: 'view'},
  el('div', null, el('h1', {text: 'Changes'}), el('p', {class: 'lead', text: 'Writes, deletes, expiries and locks in the order in which this node learnt of them, the newest first. The last 500 of each registry are remembered; where changes come faster than a page can show, only the last state of a key is told.'})),
  el('section', {class: 'card'},
    el('div', {class: 'tools'}, el('div', null, el('label', {for: 'changes-registry', text: 'Registry'}), choice), hold),
    list.node));

// options keeps a choice of registries in step with those that are open.
export function options(select, stats, all, chosen) {
  const names = stats.registries.map((r) => r.name);
  const want = JSON.stringify([all, names]);
  if (select.dataset.names !== want) {
    select.dataset.names = want;
    select.replaceChildren(...(all ? [el('option', {value: '', text: all})] : []), ...names.map((n) => el('option', {value: n, text: n})));
  }
  if (select.value !== chosen && (chosen === '' || names.includes(chosen))) select.value = chosen;
}

export function show() {
  list.update();
  if (store.stats) update(store.stats);
}
export function past() { list.update(); }
export function change() { if (!held) list.update(); }
export function tick() { list.tick(); }
export function update(stats) { options(choice, stats, 'all of them', registry); }
