// The peers as a picture: this node, and a line to each other one that says by its stroke how it is reached.

import {el, svg, empty} from './dom.js';
import {ms, span, ago, short, hue} from './format.js';

const most = 12;

const legend = [['direct', 'direct'], ['punched', 'direct through NATs (hole punched)'], ['relayed', 'through a relay'], ['off', 'gone']];

export function mesh() {
  const picture = svg('svg', {role: 'img'});
  const none = empty('No peer yet. Start another node with --peer and one of the addresses that “minikv status” shows.');
  const keys = el('p', {class: 'keys'}, legend.map(([cls, words]) => el('span', null,
    svg('svg', {viewBox: '0 0 34 8', 'aria-hidden': 'true'}, svg('line', {class: cls, x1: 1, y1: 4, x2: 33, y2: 4})), words)));
  const rest = el('p', {class: 'dim'});
  const node = el('div', {class: 'mesh'}, none, picture, rest, keys);
  let last = null;
  new ResizeObserver(() => last && draw(last)).observe(node);

  function update(stats) {
    last = stats;
    draw(stats);
  }

  function draw(stats) {
    const peers = [...stats.peers].sort((a, b) => b.connected - a.connected || (a.id < b.id ? -1 : 1));
    none.hidden = peers.length > 0;
    for (const n of [picture, keys]) n.toggleAttribute('hidden', peers.length === 0);
    rest.textContent = peers.length > most ? `${peers.length - most} more are in the table of peers.` : '';
    rest.hidden = peers.length <= most;
    if (!peers.length) return;
    const width = Math.max(node.clientWidth, 260);
    const shown = peers.slice(0, most);
    const places = width >= 560 && shown.length <= 6 ? around(shown.length, width) : below(shown.length, width);
    picture.setAttribute('viewBox', `0 0 ${width} ${places.height}`);
    picture.setAttribute('aria-label', `${stats.peers.filter((p) => p.connected).length} of ${peers.length} peers connected`);
    const [x0, y0] = places.self;
    picture.replaceChildren(
      ...shown.map((p, i) => line(places, p, i)),
      ...shown.map((p, i) => peer(places.at[i], p)),
      svg('circle', {class: 'self', cx: x0, cy: y0, r: 30}),
      svg('text', {class: 'self-text', x: x0, y: y0 - 2, 'text-anchor': 'middle', text: 'this'}), svg('text', {class: 'self-text', x: x0, y: y0 + 13, 'text-anchor': 'middle', text: 'node'}));
  }
  return {node, update};
}

function line(places, p, i) {
  const [x, y] = places.at[i];
  return svg('line', {class: p.connected ? p.path || 'direct' : 'off', x1: places.self[0], y1: places.self[1], x2: x, y2: y});
}

function peer([x, y, anchor], p) {
  const dx = anchor === 'start' ? 14 : anchor === 'end' ? -14 : 0;
  const dy = anchor === 'middle' ? (y < 60 ? -34 : 26) : -10;
  const lines = [
    ['name', short(p.id)],
    ['sub', p.connected ? `${p.path || 'direct'}${p.rtt !== '0s' ? `, ${span(ms(p.rtt))}` : ''}` : 'gone'],
    ['sub', p.last_sync ? `verified ${ago(p.last_sync)}` : 'not verified yet'],
  ];
  if (Math.abs(ms(p.clock_skew)) >= 1000) lines.push(['sub', `clock ${ms(p.clock_skew) > 0 ? '+' : '−'}${span(Math.abs(ms(p.clock_skew)))}`]);
  return svg('g', null, svg('title', {text: p.id}), p.connected ? svg('circle', {class: 'dot', cx: x, cy: y, r: 9, fill: hue(p.id)}) : svg('circle', {class: 'gone', cx: x, cy: y, r: 8}),
    lines.map(([cls, words], i) => svg('text', {class: cls, x: x + dx, y: y + dy + i * 16, 'text-anchor': anchor, text: words})));
}

// around puts the peers to the left and the right of the node: there is room for their text.
function around(n, width) {
  const right = Math.ceil(n / 2);
  const left = n - right;
  const height = Math.max(right, left) * 84 + 30;
  const at = [];
  const side = (count, x, anchor) => {
    for (let i = 0; i < count; i++) at.push([x, ((i + 0.5) * height) / count, anchor]);
  };
  side(right, width - 190, 'start');
  side(left, 190, 'end');
  return {at, self: [width / 2, height / 2], height};
}

// below puts them in a column beside the node.
function below(n, width) {
  const height = Math.max(n * 72 + 10, 100);
  const at = Array.from({length: n}, (_, i) => [Math.min(width * 0.45, 150), 38 + i * 72, 'start']);
  return {at, self: [34, Math.min(height / 2, 200)], height};
}
