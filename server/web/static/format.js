// Figures and times for people.

import {self, now} from './store.js';
import {el, svg} from './dom.js';

const grouped = new Intl.NumberFormat('en', {maximumFractionDigits: 0});

export const num = (n) => grouped.format(n);
export const plural = (n, noun) => `${num(n)} ${noun}${n === 1 ? '' : 's'}`;

// rate is a figure per second.
export function rate(n) {
  if (n === 0) return '0';
  return n < 10 ? n.toFixed(1) : num(n);
}

export function bytes(n) {
  if (n < 1000) return `${Math.round(n)} B`;
  for (const unit of ['kB', 'MB', 'GB']) {
    n /= 1000;
    if (n < 1000) return `${n < 10 ? n.toFixed(1) : Math.round(n)} ${unit}`;
  }
  return `${(n / 1000).toFixed(1)} TB`;
}

// ms reads the node's durations: text with units, as in 1m2.5s.
export function ms(duration) {
  if (!duration) return 0;
  const units = {ns: 1e-6, 'µs': 1e-3, us: 1e-3, ms: 1, s: 1e3, m: 6e4, h: 36e5};
  let sum = 0;
  for (const [, n, unit] of duration.matchAll(/([0-9.]+)(ns|µs|us|ms|s|m|h)/g)) sum += Number(n) * units[unit];
  return duration.startsWith('-') ? -sum : sum;
}

// span is a length of time in milliseconds, with two figures that count.
export function span(t) {
  const a = Math.abs(t);
  if (a === 0) return '0';
  if (a < 1) return `${Math.round(t * 1000)} µs`;
  if (a < 10) return `${t.toFixed(1)} ms`;
  if (a < 1000) return `${Math.round(t)} ms`;
  if (a < 6e4) return `${(t / 1000).toFixed(a < 1e4 ? 1 : 0)} s`;
  if (a < 36e5) return `${Math.floor(a / 6e4)} min ${Math.floor(a % 6e4 / 1000)} s`;
  if (a < 48 * 36e5) return `${Math.floor(a / 36e5)} h ${Math.floor(a % 36e5 / 6e4)} min`;
  return `${Math.floor(a / 864e5)} days`;
}

// countdown is time left, which changes once a second.
export function countdown(t) {
  if (t <= 0) return 'over';
  const s = Math.ceil(t / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, '0')} s`;
  if (s < 172800) return `${Math.floor(s / 3600)} h ${String(Math.floor(s % 3600 / 60)).padStart(2, '0')} min`;
  return `${Math.floor(s / 86400)} days`;
}

// ago is how long ago a moment was, by the node's clock.
export function ago(when) {
  if (!when) return 'never';
  const s = Math.round((now() - Date.parse(when)) / 1000);
  if (s < 1) return 'just now';
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 172800) return `${Math.floor(s / 3600)} h ago`;
  return `${Math.floor(s / 86400)} days ago`;
}

export const clock = (when) => new Date(when).toLocaleTimeString('en-GB', {hour12: false});
export const moment = (when) => new Date(when).toLocaleString('en-GB', {dateStyle: 'medium', timeStyle: 'medium'});

// since is a time that is told as an age, with the moment itself for those who point at it.
export const since = (when) => el('time', {datetime: when, title: moment(when), class: 'nowrap', text: ago(when)});

// short is the end of a peer id: ids begin alike.
export const short = (id) => (id ? `…${id.slice(-6)}` : 'unknown');

// hue is a colour that goes with an id, to tell writers apart at a glance; the text says the same.
export function hue(id) {
  let h = 2166136261;
  for (const c of id || '') h = Math.imul(h ^ c.charCodeAt(0), 16777619) >>> 0;
  return `hsl(${(h % 360 * 137) % 360} ${50 + (h >>> 9) % 25}% ${52 + (h >>> 17) % 10}%)`;
}

// who shows a peer.
export function who(id) {
  if (!id) return el('span', {class: 'dim', title: 'The writer is not known here yet', text: 'unknown'});
  return el('span', {class: 'peer', title: id}, svg('svg', {width: 10, height: 10, viewBox: '0 0 10 10', 'aria-hidden': 'true'}, svg('circle', {cx: 5, cy: 5, r: 5, fill: hue(id)})),
    id === self.node ? 'this node' : el('span', {class: 'mono', text: short(id)}));
}

// keyText shows a key; bytes that are no text as base64, and said to be.
export const keyText = (e) => (e.key !== undefined ? e.key : `base64:${e.key_base64}`);

// keyParam is the key as it stands in a query.
export function keyParam(e) {
  if (e.key !== undefined) return encodeURIComponent(e.key);
  return [...atob(e.key_base64)].map((c) => `%${c.charCodeAt(0).toString(16).padStart(2, '0')}`).join('');
}

export const keyLink = (registry, e) => `#/keys?registry=${encodeURIComponent(registry)}&key=${keyParam(e)}`;

// valueLine is a value in one line, clipped.
export function valueLine(e, limit = 90) {
  if (e.value_base64 !== undefined) return `${plural(e.size ?? atob(e.value_base64).length, 'byte')}, not text`;
  if (e.value === undefined) return '';
  if (e.value === '') return '(empty)';
  const line = e.value.replace(/\s+/g, ' ');
  return line.length > limit || (e.size && e.size > new TextEncoder().encode(e.value).length) ? `${line.slice(0, limit)}…` : line;
}
