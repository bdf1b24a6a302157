// The other nodes: how they are reached, what they said last, and whether they hold the same.

import {store} from './store.js';
import {el, keyed, table, cell, state, text, empty} from './dom.js';
import {ms, span, ago, bytes, num, who, moment} from './format.js';
import {mesh} from './mesh.js';

export const title = 'Peers';

const picture = mesh();
const list = table('Peers', [['Peer', ''], ['State', ''], ['Path', ''], ['Round trip', 'right nowrap'], ['Clock', 'right nowrap'], ['Verified', 'nowrap'], ['In / out', 'right nowrap'], ['Refused', 'right'], ['Address', 'mono']]);
const none = empty('No peer yet.');
const equal = table('Convergence', [['Registry', 'key'], ['Peer', ''], ['Known', ''], ['Here', 'mono nowrap'], ['There', 'mono nowrap'], ['Told', 'nowrap'], ['Verified', 'nowrap'], ['Keys there', 'right']]);
const nothing = empty('No peer has told what it holds yet.');

export const root = el('div', {class: 'view'},
  el('div', null, el('h1', {text: 'Peers'}), el('p', {class: 'lead', text: 'Nodes that are connected, and those that shared a registry with this one since it was opened. Changes travel by gossip at once; from time to time two nodes compare everything in an exchange, and repair what differs.'})),
  el('section', {class: 'card'}, picture.node),
  el('section', {class: 'card'}, el('header', null, el('h2', {text: 'Each peer'}), el('p', {class: 'why', text: 'Clock: how far its clock is ahead (+) or behind (−) of this one’s; a node more than a minute ahead is refused. Verified: the last exchange that found both equal. In and out: bytes since the start.'})), list.node, none),
  el('section', {class: 'card'}, el('header', null, el('h2', {text: 'Convergence'}), el('p', {class: 'why', text: 'A fingerprint of all that a node holds and has seen: equal fingerprints, equal copies. A peer tells its own at the beginning of each exchange, so after a write here the two differ until the next one, although gossip has carried the change already.'})), equal.node, nothing));

const path = {direct: 'direct', relayed: 'through a relay', punched: 'direct through NATs'};

function skew(p) {
  const d = ms(p.clock_skew);
  if (Math.abs(d) < 1) return '0 ms';
  return `${d > 0 ? '+' : '−'}${span(Math.abs(d))}`;
}

function peerState(node, p) {
  if (p.banned_until && Date.parse(p.banned_until) > Date.parse(store.stats.time)) state(node, 'bad', `turned away until ${moment(p.banned_until)}`);
  else if (p.connected) state(node, 'good', 'connected');
  else state(node, '', 'gone');
}

export function show() { if (store.stats) update(store.stats); }

export function update(stats) {
  picture.update(stats);
  none.hidden = stats.peers.length > 0;
  list.node.hidden = stats.peers.length === 0;
  keyed(list.body, stats.peers, (p) => p.id, (p) => {
    const row = list.row();
    cell(row, 0, who(p.id));
    cell(row, 1, el('span', {class: 'badge'}));
    return row;
  }, (row, p) => {
    peerState(row.cells[1].firstChild, p);
    cell(row, 2, p.connected ? `${path[p.path] || 'direct'}${p.limited ? ', with limits' : ''}, ${p.inbound ? 'it called' : 'called from here'}` : '–');
    cell(row, 3, p.rtt === '0s' ? '–' : span(ms(p.rtt)));
    cell(row, 4, skew(p));
    cell(row, 5, ago(p.last_sync));
    cell(row, 6, `${bytes(p.bytes_in)} / ${bytes(p.bytes_out)}`);
    cell(row, 7, refused(p));
    cell(row, 8, p.addrs[0] || '–');
  });
  const rows = stats.registries.flatMap((r) => r.standings.map((s) => ({...s, registry: r, id: `${r.name} ${s.peer}`})));
  const connected = new Set(stats.peers.filter((p) => p.connected).map((p) => p.id));
  nothing.hidden = rows.length > 0;
  equal.node.hidden = rows.length === 0;
  keyed(equal.body, rows, (s) => s.id, (s) => {
    const row = equal.row();
    cell(row, 0, s.registry.name);
    cell(row, 1, who(s.peer));
    cell(row, 2, el('span', {class: 'badge'}));
    cell(row, 3, el('span'));
    cell(row, 4, el('span'));
    return row;
  }, (row, s) => {
    standing(row.cells[2].firstChild, s, connected.has(s.peer));
    digest(row.cells[3].firstChild, s.registry.state);
    digest(row.cells[4].firstChild, s.heard ? s.state : '');
    cell(row, 5, ago(s.heard));
    cell(row, 6, ago(s.synced));
    cell(row, 7, s.heard ? num(s.keys) : '–');
  });
}

function refused(p) {
  const kinds = Object.entries(p.refusals || {}).filter(([, n]) => n > 0).map(([k, n]) => `${num(n)} ${k}`);
  return kinds.length ? kinds.join(', ') : num(p.refused);
}

function digest(node, d) {
  text(node, d ? d.slice(0, 8) : '–');
  node.title = d;
}

function standing(node, s, connected) {
  if (s.equal) state(node, 'good', 'equal');
  else if (!connected) state(node, 'warn', 'gone; what it missed waits for it');
  else if (s.synced) state(node, '', 'changed since, carried by gossip');
  else state(node, 'warn', 'not verified yet');
}
