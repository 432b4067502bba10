'use strict';

// The members of a cell, in the order in which the recording has them.
const PLANES = ['present', 'written', 'found', 'unprotected', 'huge'];
const LEAST_CELL = 8;  // pixels, with the gap between two cells
const MOST_COLUMNS = 64;
const WHOLE_REPLAY_MS = 25000;
const LEAST_STEPS_PER_SECOND = 5;

const element = id => document.getElementById(id);
const recording = JSON.parse(element('recording').textContent);
const runs = recording.runs.filter(one => one.steps.number.length > 0);
const pageKiB = recording.about.page_bytes / 1024;

const whole = new Intl.NumberFormat('en', {maximumFractionDigits: 0});
const rounded = new Intl.NumberFormat('en', {maximumSignificantDigits: 3});
const inMs = ns => `${rounded.format(ns / 1e6)} ms`;
const inSize = kib => kib < 1024 ? `${rounded.format(kib)} KiB` : `${rounded.format(kib / 1024)} MiB`;
const colour = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// What is shown: a run, its map, the step in it, and the cell that was asked about.
let run = null;
let map = null;
let at = 0;
let asked = -1;
let playing = 0;  // the number of the animation frame to come, 0 when nothing moves

async function unpack(base64) {
  const packed = Uint8Array.from(atob(base64), c => c.charCodeAt(0));
  const bytes = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint16Array(await new Response(bytes).arrayBuffer());
}

// ---- one collection in words and numbers ----

const stepCount = () => run.steps.number.length;
const value = name => run.steps[name][at];

function cellNow(index) {
  const cell = {};
  PLANES.forEach((name, plane) => { cell[name] = map[(at * PLANES.length + plane) * run.cells + index]; });
  return cell;
}

function nameOfStep() {
  const last = value('number');
  const several = value('collections');
  const which = several > 1 ? `Collections ${last - several + 1} to ${last}` : `Collection ${last}`;
  const kind = several > 1 ? (value('full') ? 'with a full one' : 'minor') : (value('full') ? 'full' : 'minor');
  return `${which} of ${run.steps.number.at(-1)}, ${kind}, at ${rounded.format(value('at_ns') / 1e9)} s`;
}

function showFigures() {
  const inVain = value('written') - value('found');
  const rows = [
    ['', value('collections') > 1 ? 'longest pause' : 'pause', inMs(value('pause_ns'))],
    ['', 'pages in memory', whole.format(value('present'))],
    ['', 'pages searched', whole.format(value('written'))],
    ['found', 'with pointers to young objects', whole.format(value('found'))],
    ['vain', 'searched in vain', whole.format(inVain)],
    ['clean', 'clean', whole.format(value('present') - value('written'))],
    ['unprotected', 'left unprotected', run.kernel_tells ? whole.format(value('unprotected')) : 'not known'],
    ['huge', 'in huge pages', run.kernel_tells ? whole.format(value('huge')) : 'not known'],
    ['', 'pointers to young objects', whole.format(value('slots'))],
  ];
  element('figures').tBodies[0].innerHTML = rows.map(([kind, name, text]) =>
    `<tr${kind === 'found' || kind === 'vain' ? ' class="part"' : ''}><th scope="row">` +
    `${kind ? `<i style="background:var(--${kind})"></i>` : ''}${name}</th><td>${text}</td></tr>`).join('');
}

function showCell() {
  if (asked < 0 || asked >= run.cells) {
    element('cell').textContent = 'Point at a cell to see what is in it.';
    return;
  }
  const cell = cellNow(asked);
  const first = asked * run.pages_per_cell;
  const place = run.pages_per_cell === 1 ? `Page ${first}` : `Pages ${first} to ${first + run.pages_per_cell - 1}`;
  const parts = [`${cell.present} in memory`, `${cell.found} with pointers to young objects`,
    `${cell.written - cell.found} searched in vain`];
  if (run.kernel_tells) parts.push(`${cell.unprotected} left unprotected`, `${cell.huge} in huge pages`);
  element('cell').textContent = `${place}: ${parts.join(', ')}.`;
}

// ---- the map ----

function mapLayout() {
  const width = element('map').clientWidth;
  // About twice as wide as high, with cells as large as that allows.
  const wanted = Math.min(MOST_COLUMNS, Math.max(16, Math.ceil(Math.sqrt(2 * run.cells))));
  const size = Math.max(LEAST_CELL, Math.floor(width / wanted));
  const columns = Math.floor(width / size);
  return {width, size, columns, rows: Math.max(1, Math.ceil(run.cells / columns))};
}

function drawMap() {
  const canvas = element('map');
  const {width, size, columns, rows} = mapLayout();
  const scale = window.devicePixelRatio || 1;
  canvas.style.height = `${rows * size}px`;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(rows * size * scale);
  const pen = canvas.getContext('2d');
  pen.scale(scale, scale);
  const ink = Object.fromEntries(['unused', 'clean', 'found', 'vain', 'unprotected', 'huge', 'ink'].map(n => [n, colour(n)]));
  const side = size - 1;
  // A part that is there at all is seen.
  const length = (count, all) => count === 0 ? 0 : Math.max(1, Math.round(side * count / all));
  for (let i = 0; i < run.cells; ++i) {
    const cell = cellNow(i);
    const x = i % columns * size;
    const y = Math.floor(i / columns) * size;
    const fill = (name, dx, dy, w, h) => { pen.fillStyle = ink[name]; pen.fillRect(x + dx, y + dy, w, h); };
    if (cell.present === 0) {
      fill('unused', 0, 0, side, side);
      continue;
    }
    fill('clean', 0, 0, side, side);
    const found = length(cell.found, cell.present);
    const searched = Math.min(side, found + length(cell.written - cell.found, cell.present));
    fill('vain', 0, side - searched, side, searched);
    fill('found', 0, side - found, side, found);
    const open = length(cell.unprotected, cell.present);
    fill('unprotected', 0, side - open, 2, open);
    fill('huge', 0, 0, length(cell.huge, cell.present), 2);
  }
  if (asked >= 0 && asked < run.cells) {
    pen.strokeStyle = ink.ink;
    pen.strokeRect(asked % columns * size - .5, Math.floor(asked / columns) * size - .5, size, size);
  }
  canvas.setAttribute('aria-label', `Map of the old space: of ${value('present')} pages in memory, ` +
    `${value('found')} hold pointers to young objects and ${value('written') - value('found')} were searched in vain`);
}

function ask(index) {
  asked = Math.min(Math.max(index, 0), run.cells - 1);
  drawMap();
  showCell();
}

// ---- pictures over time ----

const SVG = 'http://www.w3.org/2000/svg';
const MARGIN = {left: 68, right: 12, top: 24, bottom: 36};
const HEIGHT = 168;
const NARROW = 420;

function put(parent, name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  Object.entries(attributes).forEach(([key, of]) => made.setAttribute(key, of));
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

// Round numbers from 0 up to the first that is not below `most`.
function ticks(most, count) {
  const rough = Math.max(most, 1e-9) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find(factor => factor * power >= rough * .999);
  return Array.from({length: Math.ceil(most / step - 1e-9) + 1}, (_, i) => i * step);
}

const seconds = () => run.steps.at_ns.map(ns => ns / 1e9);

// `series`: {name, ink, values, mark(x, y(value), y(0), i)} in the order in which they are drawn; mark returns path data.
function drawPicture(id, title, unit, series) {
  const svg = element(id);
  svg.replaceChildren();
  const width = svg.clientWidth;
  const lower = width < NARROW ? 16 : 0;  // the legend, below the title
  const height = HEIGHT + lower;
  svg.setAttribute('height', height);
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
  const times = seconds();
  const top = MARGIN.top + lower;
  const bottom = height - MARGIN.bottom;
  const right = width - MARGIN.right;
  const xTicks = ticks(times.at(-1) ?? 1, width < 500 ? 4 : 8);
  const yTicks = ticks(Math.max(...series.flatMap(s => s.values), 1e-3), 4);
  const x = t => MARGIN.left + (right - MARGIN.left) * t / (times.at(-1) || 1);
  const y = v => bottom - (bottom - top) * v / yTicks.at(-1);
  put(svg, 'title', {}, `${title} of ${run.barrier}, over time`);
  for (const v of yTicks) {
    put(svg, 'path', {d: `M${MARGIN.left} ${y(v)}H${right}`, stroke: 'var(--line)', 'stroke-width': v === 0 ? 1.5 : .75});
    put(svg, 'text', {x: MARGIN.left - 6, y: y(v) + 4, 'text-anchor': 'end'}, rounded.format(v));
  }
  for (const t of xTicks.filter(t => t <= times.at(-1) * 1.0001)) {
    put(svg, 'text', {x: x(t), y: bottom + 15, 'text-anchor': 'middle'}, rounded.format(t));
  }
  put(svg, 'text', {class: 'axis', x: (MARGIN.left + right) / 2, y: height - 4, 'text-anchor': 'middle'}, 'time, s');
  put(svg, 'text', {class: 'axis', x: 10, y: (top + bottom) / 2, 'text-anchor': 'middle',
    transform: `rotate(-90 10 ${(top + bottom) / 2})`}, unit);
  put(svg, 'text', {class: 'title', x: MARGIN.left, y: 12}, title);
  for (const s of series) {
    const path = s.values.map((v, i) => v === null ? '' : s.mark(x(times[i]), y(v), y(0), i ? x(times[i - 1]) : x(0))).join('');
    put(svg, 'path', {d: path || 'M0 0', fill: s.line ? 'none' : `var(--${s.ink})`, stroke: `var(--${s.ink})`,
      'stroke-width': s.line ?? .5});
  }
  let edge = right;
  for (const s of series.filter(s => s.name).reverse()) {
    const text = put(svg, 'text', {class: 'legend', x: edge, y: 12 + lower, 'text-anchor': 'end'}, s.name);
    edge -= text.getComputedTextLength() + 16;
    put(svg, 'rect', {x: edge + 1, y: 3 + lower, width: 10, height: 10, fill: `var(--${s.ink})`});
    edge -= 10;
  }
  put(svg, 'path', {class: 'now', stroke: 'var(--ink)', 'stroke-width': 1});
  svg.onpointerdown = event => {
    stop();
    const t = (event.clientX - svg.getBoundingClientRect().left - MARGIN.left) / (right - MARGIN.left) * times.at(-1);
    const after = times.findIndex(time => time >= t);
    go(after < 0 ? times.length - 1 : after);
  };
  svg.showNow = () => svg.querySelector('.now').setAttribute('d', `M${x(times[at])} ${top}V${bottom}`);
}

const needle = (x, y, base) => `M${x} ${base}V${y}`;
const column = (x, y, base, before) => `M${before} ${base}V${y}H${x}V${base}Z`;

function drawPictures() {
  const {full, pause_ns: pauses, found, written, unprotected, slots} = run.steps;
  const ms = wanted => pauses.map((ns, i) => full[i] === wanted ? ns / 1e6 : null);
  drawPicture('pauses', 'Pauses', 'pause, ms', [
    {name: 'minor', ink: 'minor', values: ms(0), mark: needle, line: 1.5},
    {name: 'full', ink: 'full', values: ms(1), mark: needle, line: 2.5}]);
  const open = run.kernel_tells && unprotected.some(n => n > 0);
  drawPicture('pages', 'Remembered set', 'pages', [
    {name: 'in vain', ink: 'vain', values: written, mark: column},
    {name: 'found', ink: 'found', values: found, mark: column},
    ...open ? [{name: 'unprotected', ink: 'unprotected', values: unprotected, mark: (x, y, base, before) => `M${before} ${y}H${x}`,
      line: 2}] : []]);
  drawPicture('slots', 'Pointers to young objects in it', 'slots', [
    {name: '', ink: 'found', values: slots, mark: column}]);
}

// ---- moving through it ----

function show() {
  element('step').value = at;
  element('step').setAttribute('aria-valuetext', nameOfStep());
  element('where').value = nameOfStep();
  showFigures();
  drawMap();
  showCell();
  for (const id of ['pauses', 'pages', 'slots']) element(id).showNow();
}

function go(step) {
  at = Math.min(Math.max(step, 0), stepCount() - 1);
  show();
}

function stop() {
  cancelAnimationFrame(playing);
  playing = 0;
  element('play').textContent = 'Play';
}

function play() {
  if (at === stepCount() - 1) go(0);
  const stepMs = Math.min(1000 / LEAST_STEPS_PER_SECOND, WHOLE_REPLAY_MS / stepCount());
  const from = at;
  let begun = null;
  const frame = now => {
    begun ??= now;
    const step = from + Math.floor((now - begun) / stepMs);
    if (step !== at) go(step);
    if (at === stepCount() - 1) return stop();
    playing = requestAnimationFrame(frame);
  };
  element('play').textContent = 'Stop';
  playing = requestAnimationFrame(frame);
}

const toggle = () => playing ? stop() : play();

async function choose(index) {
  stop();
  const chosen = runs[index];
  const unpacked = await unpack(chosen.map);
  if (element('barrier').value !== String(index)) return;  // another was chosen meanwhile
  run = chosen;
  map = unpacked;
  at = 0;
  asked = -1;
  element('step').max = stepCount() - 1;
  const pages = run.pages_per_cell;
  element('scale').textContent = pages === 1 ? `a cell is a page of ${pageKiB} KiB` :
    `a cell is ${pages} pages, ${inSize(pages * pageKiB)}`;
  const longest = Math.max(...run.steps.collections);
  element('order').textContent = 'Pages are in the order of their addresses, 32 MiB by 32 MiB as the old space came to need them.' +
    (longest > 1 ? ` The run had many collections: a step stands for up to ${longest}, shows the last and the longest pause of them.` : '');
  drawPictures();
  show();
  document.documentElement.dataset.shown = run.barrier;
}

function listen() {
  element('barrier').onchange = event => choose(Number(event.target.value)).catch(fail);
  element('play').onclick = toggle;
  element('step').oninput = event => { stop(); go(Number(event.target.value)); };
  element('map').onpointermove = element('map').onpointerdown = event => {
    const {size, columns} = mapLayout();
    const column = Math.floor(event.offsetX / size);
    const index = Math.floor(event.offsetY / size) * columns + column;
    if (column < columns && index >= 0 && index < run.cells) ask(index);
  };
  document.addEventListener('keydown', event => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target === element('barrier')) return;
    const rows = mapLayout().columns;
    const onCells = {ArrowLeft: () => ask(asked - 1), ArrowRight: () => ask(asked + 1),
      ArrowUp: () => ask(asked - rows), ArrowDown: () => ask(asked + rows)};
    const inTime = {ArrowLeft: () => go(at - 1), ArrowRight: () => go(at + 1), Home: () => go(0), End: () => go(stepCount() - 1)};
    if (event.key === ' ' && event.target !== element('play')) {
      toggle();
    } else if ((event.shiftKey ? onCells : inTime)[event.key]) {
      stop();
      (event.shiftKey ? onCells : inTime)[event.key]();
    } else {
      return;
    }
    event.preventDefault();
  });
  const redraw = () => {
    if (!run) return;
    drawPictures();
    show();
  };
  window.addEventListener('resize', redraw);
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
}

function fail(problem) {
  element('problem').textContent = `The recording could not be shown: ${problem.message}`;
  element('problem').hidden = false;
}

async function start() {
  const {program, kernel, missing} = recording.about;
  element('about').textContent = `${program}. ${kernel}, pages of ${pageKiB} KiB.`;
  runs.forEach((one, i) => element('barrier').add(new Option(one.barrier, i)));
  if (missing.length > 0) {
    element('missing').textContent = `Not available where this was recorded: ${missing.map(m => `${m.barrier} (${m.why})`).join('; ')}.`;
    element('missing').hidden = false;
  }
  if (typeof DecompressionStream === 'undefined') throw new Error('this browser is too old to unpack it (it has no DecompressionStream)');
  if (runs.length === 0) throw new Error('no collection happened in it; more text makes some');
  listen();
  await choose(0);
}

start().catch(fail);
