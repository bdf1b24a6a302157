// Small plots of the last five minutes: one or two lines, told apart by stroke as well as by colour.

import {el, svg, text, attr} from './dom.js';

const width = 300;
const height = 80;

// plot makes a figure. series: [{name, of: sample => number or null}], show: number => text.
export function plot(title, why, series, show) {
  const lines = series.map((s, i) => svg('path', {class: `s${i + 1}`}));
  const values = series.map(() => el('b'));
  const top = el('span');
  const picture = svg('svg', {viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', role: 'img'},
    svg('line', {class: 'axis', x1: 0, y1: height, x2: width, y2: height}), svg('line', {class: 'axis', x1: 0, y1: 1, x2: width, y2: 1}), lines);
  const span = el('span', {text: '5 min ago'});
  const node = el('section', {class: 'card plot'}, el('h3', {text: title}), why && el('p', {class: 'why', text: why}),
    el('p', {class: 'legend'}, series.map((s, i) => el('span', null, series.length > 1 && svg('svg', {viewBox: '0 0 22 8', 'aria-hidden': 'true'}, svg('path', {class: `s${i + 1}`, d: 'M1 4H21'})), `${s.name} `, values[i]))),
    el('p', {class: 'ends first'}, top), picture, el('p', {class: 'ends'}, span, el('span', {text: 'now'})));

  function update(samples) {
    const minutes = Math.min(Math.max(Math.ceil(samples.length / 60), 1), 5); // a young node has less to show
    const n = 60 * minutes;
    text(span, `${minutes} min ago`);
    const points = series.map((s) => samples.map(s.of));
    const highest = Math.max(...points.flat().filter((v) => v !== null && v !== undefined), 0);
    const scale = highest || 1;
    text(top, highest ? `highest ${show(highest)}` : 'nothing yet');
    series.forEach((s, i) => {
      attr(lines[i], 'd', path(points[i], scale, n));
      const last = [...points[i]].reverse().find((v) => v !== null && v !== undefined);
      text(values[i], last === undefined ? 'none yet' : show(last));
    });
    attr(picture, 'aria-label', `${title}, at most ${show(highest)}`);
  }
  return {node, update};
}

// path goes through the points; where nothing was measured for a moment the last value goes on thin air, and the line has a gap.
function path(points, scale, n) {
  let d = '';
  let pen = false;
  points.forEach((v, i) => {
    if (v === null || v === undefined) {
      pen = false;
      return;
    }
    const x = (width * (n - points.length + i)) / (n - 1);
    const y = height - 1 - (height - 4) * (v / scale);
    d += pen ? `L${x.toFixed(1)} ${y.toFixed(1)}` : `M${x.toFixed(1)} ${y.toFixed(1)}h.01`;
    pen = true;
  });
  return d || 'M0 0';
}
