// Making and changing elements. Text is always set as text, never as markup.

const SVG = 'http://www.w3.org/2000/svg';

function fill(node, attrs, children) {
  for (const [name, value] of Object.entries(attrs || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'text') node.textContent = value;
    else node.setAttribute(name, value === true ? '' : value);
  }
  for (const c of children.flat()) if (c !== null && c !== undefined && c !== false) node.append(c);
  return node;
}

export const el = (tag, attrs, ...children) => fill(document.createElement(tag), attrs, children);
export const svg = (tag, attrs, ...children) => fill(document.createElementNS(SVG, tag), attrs, children);

// text sets the text of a node only where it differs, so that a screen reader or a selection is left in peace.
export function text(node, s) {
  if (node.textContent !== s) node.textContent = s;
}

// attr sets an attribute only where it differs; null takes it off.
export function attr(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

// state shows a word with a colour: good, warn, bad or none.
export function state(node, kind, words) {
  attr(node, 'class', `${node.classList.contains('state') ? 'state' : 'badge'} ${kind}`);
  text(node, words);
}

// keyed makes the children of a node those of a list, keeping for each key the element that it had: focus and selection stay.
export function keyed(parent, items, key, make, update) {
  const had = parent.keyed || new Map();
  const now = new Map();
  let at = parent.firstElementChild;
  for (const item of items) {
    const k = key(item);
    if (now.has(k)) continue;
    const node = had.get(k) || make(item);
    update(node, item);
    now.set(k, node);
    if (node !== at) parent.insertBefore(node, at);
    else at = at.nextElementSibling;
  }
  for (const [k, node] of had) if (!now.has(k)) node.remove();
  parent.keyed = now;
}

// table makes a table whose rows become cards on a phone. Columns: [title, class].
export function table(caption, columns, look = '') {
  const body = el('tbody');
  const node = el('table', {class: `cards ${look}`.trim()}, el('caption', {class: 'vh', text: caption}),
    el('thead', null, el('tr', null, columns.map(([title, cls]) => el('th', {scope: 'col', class: (cls.match(/right|wide-only/g) || []).join(' ') || null, text: title})))), body);
  const row = () => el('tr', null, columns.map(([title, cls]) => el('td', {class: cls, 'data-label': title})));
  return {node: el('div', {class: 'scroll'}, node), body, row};
}

// cell puts nodes or text into the i-th cell of a row, where that differs.
export function cell(row, i, ...content) {
  const td = row.cells[i];
  if (content.length === 1 && !(content[0] instanceof Node)) text(td, String(content[0] ?? ''));
  else td.replaceChildren(...content.filter((c) => c !== null && c !== undefined));
}

export function card(title, why, ...children) {
  return el('section', {class: 'card'}, el('header', null, el('h2', {text: title}), why && el('p', {class: 'why', text: why})), children);
}

export const empty = (words) => el('p', {class: 'empty', text: words});
