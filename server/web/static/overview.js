// What the node is, does and holds, on one screen.

import {store, self, get, now} from './store.js';
import {el, text, keyed, table, cell, card, empty, state} from './dom.js';
import {num, rate, bytes, ms, span, ago, plural, moment} from './format.js';
import {plot} from './plot.js';
import {mesh} from './mesh.js';
import {feed} from './feed.js';

export const title = 'Overview';

function tile(name, sub) {
  const value = el('dd', {text: '–'});
  const below = el('dd', {class: 'sub', text: sub});
  return {node: el('div', {class: 'tile'}, el('dt', {text: name}), value, below), value, below};
}

const tiles = {
  keys: tile('Keys', 'held by this node'), writes: tile('Writes here', 'puts and deletes a second'), merged: tile('From peers', 'entries taken in a second'),
  peers: tile('Peers', 'connected now'), equal: tile('Agreement', 'with the peers'), size: tile('Data', 'keys and values'),
};

const plots = [
  plot('Throughput', 'Entries a second', [
    {name: 'written here', of: (s) => s.puts + s.deletes}, {name: 'from peers', of: (s) => s.merged}], (n) => `${rate(n)}/s`),
  plot('Time of a write here', 'From the call to its return, the disk included', [
    {name: 'half within', of: (s) => s.write_p50 && ms(s.write_p50)}, {name: '99 % within', of: (s) => s.write_p99 && ms(s.write_p99)}], span),
  plot('Delay of gossip', 'From a write on a peer to its arrival here', [
    {name: 'half within', of: (s) => s.lag_p50 && ms(s.lag_p50)}, {name: '99 % within', of: (s) => s.lag_p99 && ms(s.lag_p99)}], span),
  plot('Traffic', 'Bytes a second, all peers', [
    {name: 'in', of: (s) => s.bytes_in}, {name: 'out', of: (s) => s.bytes_out}], (n) => `${bytes(n)}/s`),
];

const registries = table('Registries', [['Registry', 'key'], ['Access', ''], ['Keys', 'right'], ['Size', 'right nowrap'], ['Locks', 'right'], ['Changed', 'nowrap'], ['Agreement', '']]);
const none = empty('No registry is open. Open one with: minikv reg add NAME --public');
const node = el('dl', {class: 'facts'});
const picture = mesh();
const latest = feed(8);

export const root = el('div', {class: 'view'},
  el('div', null, el('h1', {text: self.name ? `Node ${self.name}` : 'This node'}),
    el('p', {class: 'lead', text: 'A minikv node holds named maps, called registries. Every node that opens a registry holds all of it, and any node may write to it, connected or not; they make each other equal by themselves.'})),
  el('dl', {class: 'tiles'}, Object.values(tiles).map((t) => t.node)),
  el('div', {class: 'grid'},
    card('Registries', 'Named maps. Follow one to its keys. Agreement, with the peers that share it: gossip carries changes at once; from time to time an exchange verifies that both hold exactly the same.', registries.node, none,
      el('section', null, el('h3', {text: 'This node'}), node)),
    card('Peers', 'This node in the middle, and how it reaches the others.', picture.node)),
  el('div', {class: 'plots'}, plots.map((p) => p.node)),
  el('section', {class: 'card'}, el('header', null, el('h2', {text: 'Latest changes'}), el('p', {class: 'why', text: 'As this node sees them: its own writes, and those of others as they arrive.'})),
    latest.node, el('p', null, el('a', {href: '#/changes', text: 'All changes'}))));

const lately = 5 * 60e3; // between two exchanges with one peer there may be minutes, as there are more peers

// agreement counts the connected peers that share a registry, those that hold what this node holds now, and those that did lately: a
// change since then is on its way by gossip.
function agreement(r, stats) {
  const connected = new Set(stats.peers.filter((p) => p.connected).map((p) => p.id));
  const shared = r.standings.filter((s) => connected.has(s.peer));
  const at = Date.parse(stats.time);
  const verified = shared.filter((s) => s.equal || (s.synced && at - Date.parse(s.synced) < lately));
  return {all: shared.length, equal: shared.filter((s) => s.equal).length, verified: verified.length,
    oldest: shared.map((s) => s.synced).filter(Boolean).sort()[0]};
}

function agreementBadge(node, r, stats) {
  const {all, equal, verified, oldest} = agreement(r, stats);
  if (all === 0) state(node, '', 'no peer shares it');
  else if (equal === all) state(node, 'good', all === 1 ? 'equal with the peer' : `equal with all ${all}`);
  else if (verified === all) state(node, 'good', `verified ${ago(oldest)}`);
  else state(node, 'warn', `${verified} of ${all} verified lately`);
}

// access says who may share a registry, and what this node may do with it.
function access(r) {
  if (r.kind !== 'private') return r.rights === 'read' ? 'public, read only' : 'public';
  return `private, ${{read: 'may read', write: 'may write', owner: 'owner'}[r.rights] || r.rights}`;
}

// joining says how another node comes to share what is here.
function joining(s) {
  if (!s.addrs.length) return [['Join it', 'nobody can: it does not listen']];
  const mono = (words) => el('span', {class: 'mono', text: words});
  const name = (kind) => (s.registries.find((r) => r.kind === kind && /^[\w.-]+$/.test(r.name)) || {name: 'NAME'}).name;
  const rows = [];
  if (s.registries.some((r) => r.kind === 'private')) rows.push(['Share a private registry', el('span', null, 'here ', mono(`minikv ticket ${name('private')} --write`), ', and paste what it prints there: ', mono('minikv join -'))]);
  if (s.registries.some((r) => r.kind !== 'private')) rows.push(['Share a public one', el('span', null, 'there ', mono(`minikv serve --public ${name('public')} --peer ${s.addrs[0]}`))]);
  return rows;
}

// describe tells what hardly ever changes.
async function describe() {
  const s = await get('/v1/status').catch(() => null);
  if (!s) return;
  const rows = [['Id', el('span', {class: 'mono', text: s.node})], ['Data', s.storage === 'memory' ? 'in memory: gone when the node ends' : el('span', null, 'in ', el('span', {class: 'mono', text: s.storage}))],
    ['Up since', `${moment(s.started)} (${span(now() - Date.parse(s.started))})`],
    ['Finds peers', s.discovery === 'none' ? 'that it is told of, and those that call' : `by itself (${s.discovery})`],
    ...joining(s)];
  node.replaceChildren(...rows.flatMap(([k, v]) => [el('dt', {text: k}), el('dd', null, v)]));
}

export function show() {
  describe();
  past();
  if (store.stats) update(store.stats);
}

export function past() {
  for (const p of plots) p.update(store.samples);
  latest.update();
}

export function change() { latest.update(); }

export function tick() { latest.tick(); }

export function update(stats) {
  const m = stats.metrics;
  const connected = stats.peers.filter((p) => p.connected).length;
  text(tiles.keys.value, num(stats.registries.reduce((n, r) => n + r.keys, 0)));
  text(tiles.keys.below, `in ${num(stats.registries.length)} ${stats.registries.length === 1 ? 'registry' : 'registries'}`);
  text(tiles.writes.value, `${rate(stats.sample.puts + stats.sample.deletes)}/s`);
  text(tiles.writes.below, `${plural(m.puts + m.deletes, 'write')} since the start`);
  text(tiles.merged.value, `${rate(stats.sample.merged)}/s`);
  text(tiles.merged.below, `${num(m.merged)} since the start`);
  text(tiles.peers.value, num(connected));
  text(tiles.peers.below, stats.peers.length > connected ? `${plural(stats.peers.length - connected, 'other')} gone` : 'connected now');
  const sum = stats.registries.map((r) => agreement(r, stats)).reduce((a, b) => ({all: a.all + b.all, verified: a.verified + b.verified}), {all: 0, verified: 0});
  text(tiles.equal.value, sum.all === 0 ? 'alone' : `${sum.verified} of ${sum.all}`);
  text(tiles.equal.below, sum.all === 0 ? 'nobody to agree with' : 'copies at peers found equal lately');
  text(tiles.size.value, bytes(m.bytes));
  text(tiles.size.below, m.disk_bytes ? `${bytes(m.disk_bytes)} on disk` : 'in memory alone');

  none.hidden = stats.registries.length > 0;
  registries.node.hidden = stats.registries.length === 0;
  keyed(registries.body, stats.registries, (r) => r.name, (r) => {
    const row = registries.row();
    cell(row, 0, el('a', {href: `#/keys?registry=${encodeURIComponent(r.name)}`, text: r.name}));
    cell(row, 6, el('span', {class: 'badge'}));
    return row;
  }, (row, r) => {
    cell(row, 1, access(r));
    cell(row, 2, num(r.keys));
    cell(row, 3, bytes(r.bytes));
    cell(row, 4, num(r.locks));
    cell(row, 5, r.changed ? ago(r.changed) : 'not seen');
    agreementBadge(row.cells[6].firstChild, r, stats);
  });
  for (const p of plots) p.update(store.samples);
  picture.update(stats);
}
