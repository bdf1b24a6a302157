// One key: its facts, its value, its history and, where the page may write, what can be done with it.

import {self, get, ask, now} from './store.js';
import {el, text, attr} from './dom.js';
import {ms, bytes, ago, since, moment, countdown, keyText, keyParam, valueLine, who} from './format.js';
import {words} from './feed.js';

const whole = 1 << 20; // up to here a value is shown as a whole

export function detail(changed) {
  let at = {registry: '', key: ''};
  let entry = null;
  let shape = 'text';
  let chosen = false; // somebody has said how to show values
  let soon = 0;

  const heading = el('h2', {class: 'mono', tabindex: '-1'});
  const close = el('a', {class: 'button', text: 'Close'});
  const facts = el('dl', {class: 'facts'});
  const note = el('p', {class: 'note', role: 'status'});
  const value = el('pre', {tabindex: '0', 'aria-label': 'value'});
  const shapes = ['text', 'json', 'hex'].map((s) => el('button', {type: 'button', text: {text: 'Text', json: 'JSON', hex: 'Hex'}[s], onclick: () => { shape = s; chosen = true; drawValue(); }}));
  const history = el('ul', {class: 'history'});
  const valuePart = el('section', null, el('h3', {text: 'Value'}), el('div', {class: 'tabs', role: 'group', 'aria-label': 'Show the value as'}, shapes), value);
  const actions = self.write ? writing(() => at, () => entry, say, () => { load(); changed(); }) : null;
  const node = el('section', {class: 'card', 'aria-label': 'One key'},
    el('header', {class: 'row'}, heading, close), note, facts, valuePart, actions && actions.node,
    el('section', null, el('h3', {text: 'History'}), el('p', {class: 'why', text: 'Changes of this key that this node has seen since it began to look. A node keeps the last state alone; the earlier ones are told from memory.'}), history));
  node.hidden = true;
  note.hidden = true;

  function say(s, kind = '') {
    note.hidden = !s;
    note.className = `note ${kind}`;
    text(note, s);
  }

  function show(registry, key, back) {
    close.href = back;
    if (at.registry === registry && at.key === key) return;
    at = {registry, key};
    entry = null;
    node.hidden = !key;
    say('');
    if (!key) return;
    facts.replaceChildren();
    history.replaceChildren();
    valuePart.hidden = true;
    load().then(() => {
      if (at.key === key) heading.focus({preventScroll: true});
      if (matchMedia('(max-width: 70rem)').matches) node.scrollIntoView({block: 'start'});
    });
  }

  async function load() {
    const asked = at;
    if (!at.key) return;
    const path = `registry=${at.registry}&key=${at.key}`;
    const [e, changes] = await Promise.all([get(`/v1/entry?${path}`).catch((err) => ({error: err.message})), get(`/v1/changes?${path}&limit=50`).catch(() => [])]);
    if (asked !== at) return;
    entry = e.error ? null : e;
    if (entry) entry.until = entry.expires ? Date.parse(entry.expires) : 0;
    const name = entry || changes[0] || {key: safeDecode(at.key)};
    text(heading, keyText(name));
    drawFacts(e.error);
    drawValue();
    drawHistory(changes);
    if (actions) actions.update();
  }

  function drawFacts(error) {
    const rows = [['Registry', decodeURIComponent(at.registry)]];
    if (!entry) {
      rows.push(['State', el('span', {class: 'badge', text: 'not there'})], ['', error]);
    } else {
      rows.push(['Written by', who(entry.node)], ['Written', el('span', null, since(entry.time), ` · ${moment(entry.time)}`)],
        ['Expires', entry.until ? el('span', {class: 'until'}) : 'never'],
        ['Lock', entry.lock ? el('span', null, 'held by ', who(entry.lock.owner), ', ', el('span', {class: 'lock-left'}), ' left unless renewed') : 'not locked'],
        ['Written under', entry.under ? el('span', null, 'the lease with the token ', el('span', {class: 'mono', text: entry.under})) : 'no lease'],
        ['Revision', el('span', {class: 'mono', text: entry.revision})]);
    }
    facts.replaceChildren(...rows.flatMap(([k, v]) => [el('dt', {text: k}), el('dd', null, v)]));
    tick();
  }

  function drawValue() {
    valuePart.hidden = !entry;
    if (!entry) return;
    const data = entry.value !== undefined ? new TextEncoder().encode(entry.value) : Uint8Array.from(atob(entry.value_base64), (c) => c.charCodeAt(0));
    const json = entry.value !== undefined && parse(entry.value);
    const can = {text: entry.value !== undefined, json: json !== null && json !== false, hex: true};
    let as = can[shape] ? shape : can.text ? 'text' : 'hex';
    if (shape === 'text' && can.json && !chosen && typeof json === 'object') as = 'json';
    shapes.forEach((b, i) => {
      const s = ['text', 'json', 'hex'][i];
      attr(b, 'aria-pressed', String(s === as));
      b.disabled = !can[s];
      attr(b, 'title', can[s] ? null : s === 'json' ? 'the value is not JSON' : 'the value is not text');
    });
    value.className = as === 'hex' ? 'hex' : '';
    const cut = data.length > whole;
    text(value, data.length === 0 ? '(empty)' : as === 'json' ? JSON.stringify(json, null, 2) : as === 'text' ? entry.value.slice(0, whole) : hex(data.subarray(0, 4096)));
    text(valuePart.firstChild, `Value, ${bytes(data.length)}${cut ? ' (its beginning)' : as === 'hex' && data.length > 4096 ? ' (the first 4 kB)' : ''}`);
  }

  function drawHistory(changes) {
    if (!changes.length) {
      history.replaceChildren(el('li', null, el('span', {class: 'dim', text: 'none seen'}), el('span', {class: 'dim', text: 'It was written before this node began to look.'})));
      return;
    }
    history.replaceChildren(...changes.map((c) => {
      const [word, kind] = words[c.kind] || [c.kind, ''];
      return el('li', null, el('span', {class: 'dim'}, since(c.seen)),
        el('span', null, el('span', {class: `badge ${kind}`, text: word}), ' by ', who(c.node),
          c.kind === 'put' ? el('span', {class: 'mono'}, ` ${valueLine(c, 160)}`) : '', c.under ? el('span', {class: 'dim', text: ` · token …${c.under.slice(-8)}`}) : ''));
    }));
  }

  function tick() {
    if (!entry) return;
    const until = facts.querySelector('.until');
    if (until) text(until, `in ${countdown(entry.until - now())}, ${moment(entry.expires)}`);
    const left = facts.querySelector('.lock-left');
    if (left) text(left, countdown(Date.parse(entry.lock.until) - now()));
    for (const t of node.querySelectorAll('time')) text(t, ago(t.dateTime));
  }

  function change(c) {
    if (!at.key || keyParam(c) !== at.key) return;
    if (!soon) soon = setTimeout(() => { soon = 0; load(); }, 100);
  }
  return {node, show, tick, change, maker: self.write ? maker(() => at.registry, changed) : null};
}

function safeDecode(s) {
  try { return decodeURIComponent(s); } catch { return s; }
}

function parse(s) {
  try { return JSON.parse(s); } catch { return null; }
}

// hex is the usual dump: place, sixteen bytes, and the characters among them.
function hex(data) {
  const lines = [];
  for (let i = 0; i < data.length; i += 16) {
    const part = [...data.subarray(i, i + 16)];
    const codes = part.map((b) => b.toString(16).padStart(2, '0')).join(' ');
    lines.push(`${i.toString(16).padStart(6, '0')}  ${codes.padEnd(47)}  ${part.map((b) => (b > 31 && b < 127 ? String.fromCharCode(b) : '.')).join('')}`);
  }
  return lines.join('\n');
}

// writing is what can be done with a key that is shown.
function writing(at, entry, say, done) {
  const value = el('textarea', {id: 'edit-value', spellcheck: 'false'});
  const ttl = el('input', {id: 'edit-ttl', placeholder: 'as now', autocomplete: 'off'});
  const path = () => `registry=${at().registry}&key=${at().key}`;
  const act = async (what, f) => {
    try {
      await f();
      say(what, 'good');
    } catch (e) {
      say(e.message, 'bad');
    }
    done();
  };
  const save = el('form', {onsubmit: (e) => {
    e.preventDefault();
    const q = ttl.value.trim() === '' ? '&keep_ttl=true' : ttl.value.trim() === 'never' ? '&persist=true' : `&ttl=${encodeURIComponent(ttl.value.trim())}`;
    act('Written.', () => ask('PUT', `/v1/entry?${path()}${q}`, value.value));
  }}, el('div', {class: 'fields'}, el('div', null, el('label', {for: 'edit-value', text: 'New value'}), value),
    el('div', null, el('label', {for: 'edit-ttl', text: 'Expires after (30s, 2h, never)'}), ttl)), el('div', {class: 'row'}, el('button', {class: 'main', text: 'Write'})));
  const expire = el('button', {type: 'button', text: 'Set expiry alone', onclick: () => {
    const d = ttl.value.trim();
    if (!d) { say('Say when: 30s, 2h, or never.', 'bad'); ttl.focus(); return; }
    act(d === 'never' ? 'It does not expire any more.' : `It expires in ${d}.`, () => (d === 'never' ? ask('DELETE', `/v1/ttl?${path()}`) : ask('PUT', `/v1/ttl?${path()}&ttl=${encodeURIComponent(d)}`)));
  }});
  const remove = el('button', {type: 'button', class: 'danger', text: 'Delete', onclick: () => {
    if (remove.textContent === 'Delete') {
      text(remove, 'Really delete, on all nodes');
      setTimeout(() => text(remove, 'Delete'), 4000);
      return;
    }
    text(remove, 'Delete');
    act('Deleted.', () => ask('DELETE', `/v1/entry?${path()}`));
  }});
  save.lastChild.append(expire, remove);
  const node = el('section', null, el('h3', {text: 'Change it'}), save);
  let shown = '';
  return {node, update() {
    const e = entry();
    expire.disabled = remove.disabled = !e;
    const now_ = `${at().registry} ${at().key}`;
    if (shown === now_) return; // do not overwrite what somebody types
    shown = now_;
    value.value = e && e.value !== undefined ? e.value : '';
    ttl.value = '';
  }};
}

// maker makes a new key.
function maker(registry, done) {
  const key = el('input', {id: 'new-key', required: true, autocomplete: 'off', spellcheck: 'false'});
  const value = el('input', {id: 'new-value', autocomplete: 'off', spellcheck: 'false'});
  const ttl = el('input', {id: 'new-ttl', placeholder: 'never', autocomplete: 'off'});
  const told = el('span', {role: 'status', class: 'dim'});
  return el('details', {class: 'card'}, el('summary', {text: 'Write a new key'}), el('form', {onsubmit: async (e) => {
    e.preventDefault();
    try {
      await ask('PUT', `/v1/entry?registry=${registry()}&key=${encodeURIComponent(key.value)}${ttl.value.trim() ? `&ttl=${encodeURIComponent(ttl.value.trim())}` : ''}`, value.value);
      text(told, `Wrote ${key.value}.`);
      key.value = value.value = '';
      done();
    } catch (err) {
      text(told, err.message);
    }
  }}, el('div', {class: 'fields'}, el('div', null, el('label', {for: 'new-key', text: 'Key'}), key), el('div', null, el('label', {for: 'new-value', text: 'Value'}), value),
    el('div', null, el('label', {for: 'new-ttl', text: 'Expires after (30s, 2h)'}), ttl)), el('div', {class: 'row'}, el('button', {class: 'main', text: 'Write'}), told)));
}
