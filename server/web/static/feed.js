// A list of changes, the newest first.

import {store} from './store.js';
import {el, keyed, table, cell, text, empty} from './dom.js';
import {moment, ago, keyText, keyLink, valueLine, who} from './format.js';

// words says what happened, and how it looks.
export const words = {
  put: ['written', 'good'], delete: ['deleted', 'bad'], expire: ['expired', 'warn'],
  'lock held': ['locked', ''], 'lock released': ['unlocked', ''], 'lock expired': ['lock ran out', 'warn'], 'lock overlap': ['locked twice', 'bad'],
};

// feed makes a list of at most n changes that pass a filter.
export function feed(n, passes = () => true) {
  const t = table('Changes', [['When', 'nowrap'], ['What', ''], ['Registry', ''], ['Key', 'key'], ['Value', 'value'], ['By', '']], 'feed');
  const none = empty('Nothing has changed since the node began to look.');
  let born = Infinity; // seq of the newest change at the first look: what comes later is fresh

  function update() {
    const list = store.changes.filter(passes).slice(0, n);
    if (born === Infinity && store.stats) born = list.length ? list[0].seq : 0;
    none.hidden = list.length > 0;
    t.node.hidden = list.length === 0;
    keyed(t.body, list, (c) => c.seq, (c) => {
      const row = t.row();
      const [word, kind] = words[c.kind] || [c.kind, ''];
      if (c.seq > born) row.className = 'fresh';
      cell(row, 0, el('time', {datetime: c.seen, title: moment(c.seen)}));
      cell(row, 1, el('span', {class: `badge ${kind}`, text: word}));
      cell(row, 2, c.registry);
      cell(row, 3, el('a', {href: keyLink(c.registry, c), text: keyText(c)}));
      cell(row, 4, c.kind.startsWith('lock') ? `token …${(c.under || '').slice(-6)}` : valueLine(c) + (c.under ? ' · under a lease' : ''));
      cell(row, 5, c.kind === 'expire' ? el('span', {class: 'dim', text: 'its time'}) : who(c.node));
      return row;
    }, (row, c) => text(row.cells[0].firstChild, ago(c.seen)));
  }
  function tick() {
    for (const row of t.body.rows) text(row.cells[0].firstChild, ago(row.cells[0].firstChild.dateTime));
  }
  return {node: el('div', null, t.node, none), update, tick};
}
