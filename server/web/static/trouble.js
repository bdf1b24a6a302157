// What was refused, dropped, late or held twice: all zero on a healthy mesh.

import {store, get} from './store.js';
import {el, keyed, table, cell, text, state, card, empty} from './dom.js';
import {num, ago, keyText, valueLine, who, plural} from './format.js';

export const title = 'Refusals';

const kinds = {
  skew: ['Clock too far ahead', 'Entries stamped more than a minute ahead of this node’s clock. Set the clock of the peer, or of this node, right; they are taken when their time has come.'],
  bounds: ['Over the limits', 'Keys over 1 KiB or values over 16 MiB. No minikv node writes such.'],
  forged: ['Under another’s name', 'Entries that claim to be written by somebody else. The peer is faulty, or lies.'],
  malformed: ['Malformed entries', 'Entries that no node writes. The peer is faulty, or lies.'],
  message: ['Unreadable messages', 'Messages that are damaged, or of another version of minikv.'],
  late: ['Late writes', 'Kept although they may be older than a delete that has been forgotten. If a key came back that you had deleted, delete it again.'],
  overlaps: ['Locks held twice', 'Two holders of one lock during a partition. One of them was told that it lost; fencing tokens kept guarded resources safe.'],
  failed: ['Failed exchanges', 'They are tried again. Many of them at one peer: look at its log.'],
  lost: ['Gossip lost here', 'Messages for which a queue was full. Exchanges make up for them.'],
};

const figures = (r) => ({...r.refusals, late: r.late_writes, overlaps: r.overlaps, failed: r.syncs_failed, lost: r.gossip_lost});

// count is how much there is to look at.
export function count(stats) {
  return stats.registries.reduce((n, r) => n + Object.values(r.refusals).reduce((a, b) => a + b, 0) + r.late_writes + r.overlaps, 0);
}

const verdict = el('p', {class: 'note', role: 'status'});
const list = table('Counts since the start', [['What', 'label'], ['Count', 'right'], ['Where', ''], ['What it means, and what to do', 'words']]);
const deletes = table('Deletes', [['Registry', 'label'], ['Tombstones', 'right'], ['Expired', 'right'], ['Removed on a peer’s word', 'right'], ['Kept aside of these', 'right']]);
const kept = table('Quarantine', [['Key', 'key'], ['Registry', ''], ['Value', 'value'], ['Written by', ''], ['Removed', 'nowrap'], ['On the word of', '']]);
const nothing = empty('Nothing is kept aside.');

export const root = el('div', {class: 'view'},
  el('div', null, el('h1', {text: 'Refusals and repairs'}), el('p', {class: 'lead', text: 'What this node did not take from its peers, what came late, and what exchanges have removed. On a healthy mesh nearly all of it is zero.'})),
  verdict,
  card('Counts since the start', null, list.node),
  card('Deletes', 'A tombstone is the memory of one delete; it is forgotten after a week, and the delete holds all the same. Expired: entries whose time to live was over.', deletes.node),
  card('Quarantine', 'Entries that an exchange has removed because a peer had seen their delete. They are kept aside for a day, in case the peer was wrong; write one again to bring it back.', kept.node, nothing));

export function show() {
  if (store.stats) update(store.stats);
  quarantine();
}

export function update(stats) {
  const n = count(stats);
  verdict.className = n ? 'note bad' : 'note good';
  text(verdict, n ? `${plural(n, 'thing')} to look at: see the counts that are not zero.` : 'Nothing was refused, nothing came late, and no lock was held twice.');
  const rows = Object.keys(kinds).map((k) => {
    const where = stats.registries.filter((r) => figures(r)[k] > 0);
    return {k, n: where.reduce((s, r) => s + figures(r)[k], 0), where: where.map((r) => r.name).join(', ')};
  });
  keyed(list.body, rows, (r) => r.k, (r) => {
    const row = list.row();
    cell(row, 0, kinds[r.k][0]);
    cell(row, 1, el('span', {class: 'badge'}));
    cell(row, 3, kinds[r.k][1]);
    return row;
  }, (row, r) => {
    state(row.cells[1].firstChild, r.n ? (r.k === 'failed' || r.k === 'lost' ? 'warn' : 'bad') : '', num(r.n));
    cell(row, 2, r.where);
  });
  keyed(deletes.body, stats.registries, (r) => r.name, () => deletes.row(), (row, r) => {
    [r.name, num(r.tombstones), num(r.expired), num(r.dropped), num(r.quarantined)].forEach((v, i) => cell(row, i, v));
  });
  if (stats.registries.reduce((s, r) => s + r.quarantined, 0) !== held) quarantine();
}

let held = 0;

async function quarantine() {
  if (!store.stats) return;
  held = store.stats.registries.reduce((s, r) => s + r.quarantined, 0);
  const lists = await Promise.all(store.stats.registries.filter((r) => r.quarantined > 0).map(async (r) => (await get(`/v1/quarantine?registry=${encodeURIComponent(r.name)}`)).map((q) => ({...q, registry: r.name}))));
  const all = lists.flat();
  nothing.hidden = all.length > 0;
  kept.node.hidden = all.length === 0;
  keyed(kept.body, all, (q) => `${q.registry} ${keyText(q)} ${q.revision}`, (q) => {
    const row = kept.row();
    cell(row, 0, keyText(q));
    cell(row, 1, q.registry);
    cell(row, 2, valueLine(q));
    cell(row, 3, who(q.node));
    cell(row, 5, who(q.peer));
    return row;
  }, (row, q) => cell(row, 4, ago(q.removed)));
}
