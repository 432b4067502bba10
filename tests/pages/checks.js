// What is wrong with the page as it stands: a list of sentences. Run by checks.py inside of the page.
const LEAST_TEXT = 9;        // pixels as rendered
const LEAST_CONTRAST = 4.5;  // WCAG 2.1, 1.4.3
const UNITS = /\b(ns|µs|us|ms|s|seconds|[KMG]iB|bytes|pages?|slots?|stores?|cycles?|collections?|instructions?|threads?|ratio|times?)\b|%/;

const problems = new Set();
const report = (...words) => problems.add(words.join(' '));
const short = text => `"${text.replace(/\s+/g, ' ').trim().slice(0, 40)}"`;
const shown = node => { const box = node.getBoundingClientRect(); return box.width > 1 && box.height > 1; };
const plain = text => text.replace(/\s+/g, ' ').trim();

// ---- nothing from elsewhere ----

for (const node of document.querySelectorAll('*')) {
  for (const {name, value} of node.attributes) {
    if (/^(href|xlink:href|src|srcset|data|poster|action)$/.test(name) && /^\s*([a-z]+:)?\/\//i.test(value)) {
      report('external address', value);
    }
    if (name === 'style' && /url\(\s*['"]?([a-z]+:)?\/\//i.test(value)) report('external address', value);
  }
}
for (const style of document.querySelectorAll('style')) {
  if (/(@import|url\()\s*['"]?([a-z]+:)?\/\//i.test(style.textContent)) report('external address in a style sheet');
}

// ---- the page fits ----

if (document.scrollingElement.scrollWidth > innerWidth) {
  report(`the page is ${document.scrollingElement.scrollWidth} px wide on a screen of ${innerWidth} px`);
}

// ---- pictures ----

for (const image of document.images) {
  if (!image.complete || image.naturalWidth === 0) report('broken picture', image.getAttribute('src'));
  if (!image.alt) report('picture without a description', image.getAttribute('src'));
}
for (const canvas of document.querySelectorAll('canvas')) {
  const name = canvas.getAttribute('aria-label');
  if (!name) report('canvas without a label');
  if (!shown(canvas) || canvas.width === 0 || canvas.height === 0) {
    report('broken picture', short(name ?? 'canvas'));
  } else if (new Set(new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size < 2) {
    report('broken picture: nothing is drawn in', short(name ?? 'canvas'));
  }
}

const numeric = text => /^[−-]?[\d.,]+(e[−+-]?\d+)?$/.test(plain(text));

// The axes that have a scale: their labels, and the marks on them. As replay.js and as matplotlib write them.
function axesOf(svg) {
  const drawn = [...svg.querySelectorAll('g[id*="matplotlib.axis_"]')].map(axis => ({
    label: [...axis.children].filter(child => /(^|-)text_\d+$/.test(child.id)).map(child => plain(child.textContent)).join(' '),
    marks: [...axis.querySelectorAll('g[id*="tick_"] text')].map(text => text.textContent),
  })).filter(axis => axis.marks.length > 0);
  const own = [...svg.querySelectorAll('text.axis')].map(text => ({label: plain(text.textContent), marks: ['0']}));
  return [...drawn, ...own];
}

for (const svg of document.querySelectorAll('svg')) {
  const name = plain(svg.getAttribute('aria-label') ?? svg.querySelector('title')?.textContent ?? '');
  const called = short(name || svg.id || 'a picture');
  if (!shown(svg) || !svg.querySelector('path, rect, use, line, circle, image')) report('broken picture', called);
  if ([...svg.querySelectorAll('[d]')].some(path => /NaN|undefined|Infinity/.test(path.getAttribute('d')))) {
    report('broken picture: a path with no number in', called);
  }
  const texts = [...svg.querySelectorAll('text')].map(text => plain(text.textContent)).filter(text => text);
  if (!name) report('picture without a title for screen readers:', called);
  if (!texts.some(text => text.length > 3 && name.startsWith(text))) report('picture without a visible title:', called);
  const boxes = [...svg.querySelectorAll('text')].filter(shown).map(text => [text, text.getBoundingClientRect()]);
  boxes.forEach(([one, a], i) => boxes.slice(i + 1).forEach(([other, b]) => {
    const [wide, high] = [Math.min(a.right, b.right) - Math.max(a.left, b.left), Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top)];
    // Lines of one text are as high as their font's lines, which leaves room between them.
    if (wide > 2 && high > LEAST_TEXT / 2) report('texts overlap in', `${called}:`, short(one.textContent), short(other.textContent));
  }));
  const axes = axesOf(svg);
  if (axes.length < 2) report('picture without two axes:', called);
  for (const axis of axes.filter(axis => axis.marks.every(numeric))) {
    if (!axis.label) report('axis without a label in', called);
    else if (!UNITS.test(axis.label)) report('axis without a unit in', called, short(axis.label));
  }
  // Colours that mean something: not the ink of the page, of lines or of what is only marked.
  const inks = new Set(['none', 'transparent', 'rgba(0, 0, 0, 0)', getComputedStyle(svg).color]);
  const colours = new Set();
  for (const mark of svg.querySelectorAll('path:not(.now), rect')) {
    if (mark.closest('defs, clipPath') || !shown(mark)) continue;
    const {fill, stroke} = getComputedStyle(mark);
    for (const colour of [fill, stroke]) {
      const channels = (colour.match(/[\d.]+/g) ?? []).slice(0, 3).map(Number);
      if (!inks.has(colour) && Math.max(...channels) - Math.min(...channels) > 40) colours.add(colour);
    }
  }
  if (colours.size > 1 && !svg.querySelector('text.legend, [id*="legend_"]')) report('picture without a legend:', called);
}

// ---- text ----

const channel = c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const parse = colour => { const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number); return {rgb: [r, g, b], a}; };
const over = (top, bottom) => ({rgb: top.rgb.map((c, i) => c * top.a + bottom.rgb[i] * (1 - top.a)), a: 1});
const luminance = ({rgb}) => rgb.map(c => channel(c / 255)).reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
function contrast(a, b) {
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + .05) / (low + .05);
}

// What lies under a point, below `node`.
function ground(node, x, y) {
  const layers = [];
  for (const below of document.elementsFromPoint(x, y)) {
    if (below === node || node.contains(below) || below instanceof SVGTextContentElement) continue;
    const style = getComputedStyle(below);
    const isShape = below instanceof SVGGeometryElement;
    const colour = isShape ? style.fill : style.backgroundColor;
    if (!/^rgb/.test(colour)) continue;
    const layer = parse(colour);
    if (isShape) layer.a *= Number(style.fillOpacity) * Number(style.opacity);
    if (layer.a === 0) continue;
    layers.push(layer);
    if (layer.a === 1) break;
  }
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  return layers.reduceRight((bottom, top) => over(top, bottom), {rgb: dark ? [18, 18, 18] : [255, 255, 255], a: 1});
}

const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const checked = new Set();
while (walk.nextNode()) {
  const node = walk.currentNode.parentElement;
  if (!walk.currentNode.data.trim() || checked.has(node) || node.closest('script, style, noscript, title, desc, metadata, option, .spoken')) continue;
  checked.add(node);
  const range = document.createRange();
  range.selectNodeContents(walk.currentNode);
  if (!shown(range) && !shown(node)) continue;
  node.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'});
  const style = getComputedStyle(node);
  const inSvg = node instanceof SVGTextContentElement;
  let scale = 1;
  if (inSvg) { const m = node.getScreenCTM(); scale = Math.sqrt(Math.abs(m.a * m.d - m.b * m.c)); }
  const size = parseFloat(style.fontSize) * scale;
  if (size < LEAST_TEXT - 0.05) report(`text of ${size.toFixed(1)} px:`, short(node.textContent));
  const box = inSvg ? node.getBoundingClientRect() : range.getClientRects()[0];
  const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
  const under = ground(inSvg ? node : document.createElement('i'), x, y);
  const colour = parse(inSvg ? style.fill : style.color);
  colour.a *= Number(style.opacity);
  const ratio = contrast(over(colour, under), under);
  if (ratio < LEAST_CONTRAST) report(`contrast of ${ratio.toFixed(1)}:`, short(node.textContent));
}
scrollTo(0, 0);
return [...problems];
