const byId = (id) => document.getElementById(id);
const model = JSON.parse(byId('model').textContent);
const query = new URLSearchParams(location.search);
const base = new URL('.', location.href).href;

// --- Small helpers

function element(tag, options = {}, ...children) {
  const { className, text, ...attributes } = options;
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}
const units = ['B', 'KiB', 'MiB', 'GiB'];
function size(bytes) {
  let unit = 0;
  while (bytes >= 1024 && unit < units.length - 1) { bytes /= 1024; ++unit; }
  return `${bytes >= 100 || unit === 0 ? bytes.toFixed(0) : bytes.toPrecision(3)} ${units[unit]}`;
}
const duration = (ms) => (ms < 1000 ? `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(ms < 10000 ? 2 : 1)} s`);
const count = (number) => (number < 1e6 ? `${Math.round(number / 1e3)} thousand` : `${(number / 1e6).toLocaleString('en', { maximumSignificantDigits: 3 })} million`);
const percent = (score) => `${(100 * score).toFixed(1)} %`;

function scoreRow({ label, score }, best, shown = percent) {
  const bar = element('i');
  bar.style.width = `${Math.max(0, Math.min(1, score)) * 100}%`;
  return element('div', { className: best ? 'score best' : 'score' }, element('span', { className: 'name', text: label }),
                 element('div', { className: 'bar' }, bar), element('span', { className: 'value', text: shown(score) }));
}

// --- What each task asks for and shows

const field = (name, label, value, rows) => {
  const input = rows ? element('textarea', { name, rows: String(rows), spellcheck: 'false' }) : element('input', { name, spellcheck: 'false', autocomplete: 'off' });
  input.value = value;
  return element('label', {}, label, input);
};
function marked(text, spans) {
  const node = element('div', { className: 'text' });
  let at = 0;
  for (const { start, end, label } of spans) {
    node.append(text.slice(at, start), element('mark', {}, text.slice(start, end), ...(label ? [element('small', { text: label })] : [])));
    at = end;
  }
  node.append(text.slice(at));
  return node;
}
// Words of entities are found again in the text, one after the other: transformers.js gives no offsets.
function places(text, entities) {
  let from = 0;
  const spans = [];
  for (const entity of entities) {
    const word = String(entity.word ?? '').replace(/^##|^▁|^Ġ/, '');
    const start = word ? text.toLowerCase().indexOf(word.toLowerCase(), from) : -1;
    if (start < 0) continue;
    from = start + word.length;
    const label = String(entity.entity_group ?? entity.entity).replace(/^[BI]-/, '');
    const last = spans.at(-1);
    if (last?.label === label && start - last.end <= 1) last.end = from;  // pieces of a word, words of a name
    else spans.push({ start, end: from, label });
  }
  return spans;
}
const tasks = {
  'text-classification': {
    title: 'Text classification',
    fields: () => [field('text', 'Text', 'A warm, funny and quietly moving film.', 3)],
    show: ({ scores }) => [scores].flat(2).map((entry, i) => scoreRow(entry, i === 0)),
  },
  'token-classification': {
    title: 'Token classification',
    fields: () => [field('text', 'Text', 'Ada Lovelace met Charles Babbage in London.', 3)],
    show: ({ entities, text }) => [entities.length === 0 ? element('p', { className: 'muted', text: 'No entity was found.' }) : marked(text, places(text, entities))],
  },
  'fill-mask': {
    title: 'Fill in the blank',
    fields: ({ maskToken }) => [field('text', `Text with ${maskToken ?? 'a mask'}`, `The capital of France is ${maskToken ?? '[MASK]'}.`, 2)],
    show: ({ fillings }) => fillings.map((entry, i) => scoreRow({ label: entry.token_str?.trim() || `token ${entry.token}`, score: entry.score }, i === 0)),
  },
  'question-answering': {
    title: 'Question answering',
    fields: () => [field('question', 'Question', 'Where was Ada Lovelace born?'),
                   field('text', 'Text', 'Ada Lovelace was born in London in 1815. She wrote the first program.', 4)],
    show: ({ answer, text }) => {
      const start = text.indexOf(answer.answer);
      return [element('p', {}, element('strong', { text: answer.answer || 'No answer' }), element('span', { className: 'muted', text: `  ${percent(answer.score)}` })),
              marked(text, start < 0 || !answer.answer ? [] : [{ start, end: start + answer.answer.length }])];
    },
  },
  'feature-extraction': {
    title: 'Sentence similarity',
    fields: () => [field('text', 'Sentence', 'How do I reset my password?'),
                   field('lines', 'Compared with, one to a line', 'I forgot my login details\nThe weather is nice today\nChanging account credentials', 4)],
    show: ({ similarities, width }) => [
      ...[...similarities].sort((a, b) => b.score - a.score).map((entry, i) => scoreRow(entry, i === 0, (score) => score.toFixed(3))),
      element('p', { className: 'muted', text: `Cosine of the angle between vectors of ${width} numbers.` })],
  },
  'text-generation': {
    title: 'Text generation',
    fields: ({ chat }) => [field('text', chat ? 'Message' : 'Beginning', chat ? 'Write two lines about the sea.' : 'Once upon a time', 3)],
    streams: true,
    show: () => [],
  },
};
const task = tasks[model.task] ?? {
  title: model.task,
  fields: () => [field('text', 'Input', 'Hello', 3)],
  show: ({ raw }) => [element('pre', { text: JSON.stringify(raw, null, 2) })],
};

// --- State and parts of the page

const state = { worker: null, files: new Map(), runs: [], ready: null, loaded: 0 };
const variantOf = (dtype) => model.variants.find((variant) => variant.dtype === dtype);
const chosen = () => ({ device: byId('device').value, dtype: byId('dtype').value });

function stat(name, value, note) {
  let box = byId(`stat-${name}`);
  if (!box) {
    box = element('div', { id: `stat-${name}` }, element('b'), element('span'));
    byId('stats').append(box);
  }
  box.querySelector('b').textContent = value;
  box.querySelector('span').textContent = note;
}

function problem(title, paragraphs, details = '') {
  byId('problem-title').textContent = title;
  byId('problem-text').replaceChildren(...paragraphs.map((text) => (typeof text === 'string' ? element('p', { text }) : text)));
  byId('problem-stack').textContent = details;
  byId('problem-details').hidden = !details;
  byId('problem').hidden = false;
  byId('loading').hidden = true;
  byId('load').disabled = false;
  document.body.dataset.state = 'problem';
}

function showFiles() {
  const files = [...state.files.values()];
  const loaded = files.reduce((sum, file) => sum + file.loaded, 0);
  const total = Math.max(loaded, files.reduce((sum, file) => sum + file.total, 0), 1);
  state.loaded = loaded;
  byId('loading-bytes').textContent = size(loaded);
  byId('loading-bar').style.width = `${(100 * loaded) / total}%`;
  byId('files').replaceChildren(...files.map((file) => element('li', { className: file.done ? 'done' : '' },
    element('code', { text: file.name }), element('span', { text: file.done ? size(file.loaded) : `${size(file.loaded)} of ${size(file.total)}` }))));
}

function showForm(ready) {
  const form = byId('form');
  const run = element('button', { type: 'submit', className: 'primary', id: 'run', text: task.streams ? 'Generate' : 'Run' });
  const actions = element('div', { className: 'actions' }, run);
  if (task.streams) {
    const stop = element('button', { type: 'button', id: 'stop', text: 'Stop' });
    stop.disabled = true;
    stop.addEventListener('click', () => state.worker.postMessage({ type: 'stop' }));
    const tokens = element('input', { name: 'tokens', type: 'number', min: '1', max: '2048', value: '60' });
    actions.append(stop, element('label', {}, 'Tokens', tokens));
  }
  form.replaceChildren(...task.fields(ready), actions);
  byId('try').hidden = false;
}

// --- Talking to the worker

function startWorker() {
  state.worker?.terminate();
  const blob = new Blob([byId('worker').textContent], { type: 'text/javascript' });
  state.worker = new Worker(URL.createObjectURL(blob), { type: 'module' });
  state.worker.onmessage = ({ data }) => handlers[data.type](data);
  state.worker.onerror = (event) => problem('The worker failed', [event.message ?? 'It could not be started.']);
}

function load() {
  const { device, dtype } = chosen();
  byId('problem').hidden = true;
  byId('try').hidden = true;
  byId('stats').replaceChildren();
  byId('load').disabled = true;
  state.files.clear();
  state.runs = [];
  byId('files').replaceChildren();
  byId('loading-title').textContent = 'Loading';
  byId('loading').hidden = false;
  document.body.dataset.state = 'loading';
  startWorker();
  state.worker.postMessage({ type: 'load', libUrl: new URL(byId('lib').value, location.href).href, ortUrl: new URL(byId('ort').value, location.href).href,
                             baseUrl: base, task: model.task, device, dtype: dtype === 'auto' ? undefined : dtype });
}

function run(event) {
  event?.preventDefault();
  const input = Object.fromEntries(new FormData(byId('form')));
  if (input.tokens) input.tokens = Number(input.tokens);
  byId('run').disabled = true;
  if (byId('stop')) byId('stop').disabled = false;
  byId('problem').hidden = true;
  document.body.dataset.state = 'running';
  if (task.streams) {
    const begin = state.ready.chat ? [] : [element('span', { className: 'prompt', text: input.text })];
    byId('output').replaceChildren(element('div', { className: 'text waiting', id: 'stream' }, ...begin));
  }
  state.worker.postMessage({ type: 'run', task: model.task, input, chat: state.ready.chat });
}

function idle() {
  if (byId('run')) byId('run').disabled = false;
  if (byId('stop')) byId('stop').disabled = true;
  byId('stream')?.classList.remove('waiting');
}

async function showMemory() {
  if (!crossOriginIsolated || !performance.measureUserAgentSpecificMemory) return;
  const { bytes } = await performance.measureUserAgentSpecificMemory();
  stat('memory', size(bytes), 'memory of page and worker');
}

const handlers = {
  progress({ event }) {
    if (!event.file) return;
    const file = state.files.get(event.file) ?? { name: event.file, loaded: 0, total: 0, done: false };
    if (event.status === 'progress') Object.assign(file, { loaded: event.loaded, total: event.total });
    if (event.status === 'done') file.done = true;
    state.files.set(event.file, file);
    showFiles();
    if ([...state.files.values()].every((entry) => entry.done)) byId('loading-title').textContent = 'Preparing the model';
  },
  ready(data) {
    state.ready = data;
    byId('load').disabled = false;
    byId('load').textContent = 'Load again';
    byId('loading').hidden = true;
    const { device, dtype } = chosen();
    const name = dtype === 'auto' ? model.defaults[device] : dtype;
    stat('size', size(state.loaded), `${name} with tokenizer`);
    stat('load', duration(data.ms), 'to load');
    byId('footer').textContent = [`transformers.js ${data.library}`, device === 'wasm' ? `${data.threads || 1} thread${(data.threads || 1) === 1 ? '' : 's'}` : 'WebGPU',
                                  crossOriginIsolated ? '' : 'not cross-origin isolated: one thread', `bundle by bantam ${model.version}`].filter(Boolean).join(' · ');
    showForm(data);
    run();
  },
  piece({ piece }) {
    byId('stream').append(piece);
  },
  result({ result, ms }) {
    idle();
    document.body.dataset.state = 'done';
    if (task.streams) {
      stat('first', duration(result.firstMs), 'to the first token');
      stat('speed', `${result.perSecond.toFixed(1)}/s`, `tokens (${result.tokens} made)`);
    } else {
      byId('output').replaceChildren(...task.show(result));
      state.runs.push(ms);
      const later = state.runs.slice(1).sort((a, b) => a - b);
      stat('first', duration(state.runs[0]), 'the first run');
      if (later.length > 0) stat('run', duration(later[Math.floor((later.length - 1) / 2)]), `a run (median of ${later.length})`);
      if (state.runs.length < 4) return run();  // the first one warms up
    }
    showMemory().catch(() => {});
  },
  missing({ file, status }) {
    problem(`${file} is missing`, [`The server answered ${status} where the file was expected. Without it the model cannot load, and transformers.js would wait forever.`,
                                   'bantam verify on the folder names everything that is missing.']);
    state.worker?.terminate();
  },
  'no-library'({ url, message }) {
    const command = 'npm install --ignore-scripts @huggingface/transformers\nmkdir -p lib\n'
                  + 'cp node_modules/@huggingface/transformers/dist/transformers.min.js lib/\n'
                  + 'cp node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify.* lib/\n'
                  + 'bantam serve BUNDLE --mount /lib=lib';
    problem('transformers.js is not here', [
      `This page fetches nothing from the network by itself. It looks for the library at ${url}, where it is not. To put it there:`,
      element('pre', { text: command }),
      'Or copy the three files into lib/ beside this page, or give another address at its foot, such as that of a CDN.',
    ], message);
  },
  error({ during, message, stack }) {
    idle();
    problem(during === 'load' ? 'The model did not load' : 'The model did not answer', [message], stack);
  },
};

// --- Choosing

function describe() {
  const { device, dtype } = chosen();
  const variant = variantOf(dtype === 'auto' ? model.defaults[device] : dtype);
  const notes = [];
  if (variant?.integer && device === 'webgpu') notes.push('Integer products have no GPU kernels: this variant computes them on the CPU.');
  if (variant?.half && device === 'webgpu' && state.half === false) notes.push('This GPU has no shader-f16, which float16 variants need.');
  if (device === 'webgpu' && state.gpu === false) notes.push('This browser offers no WebGPU adapter.');
  byId('hint').textContent = notes.join(' ');
  byId('load').textContent = `Load ${variant ? size(variant.bytes) : ''}`.trim();
}

async function probeGpu() {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  state.gpu = Boolean(adapter);
  state.half = Boolean(adapter?.features.has('shader-f16'));
}

async function main() {
  byId('name').textContent = model.name;
  byId('task').textContent = task.title;
  byId('lead').textContent = `${count(model.parameters)} parameters, running in this browser. Nothing that you type leaves it.`;
  for (const device of ['wasm', 'webgpu']) byId('device').append(element('option', { value: device, text: device === 'wasm' ? 'CPU (wasm)' : 'GPU (WebGPU)' }));
  byId('dtype').append(element('option', { value: 'auto', text: 'default' }));
  for (const variant of model.variants) byId('dtype').append(element('option', { value: variant.dtype, text: `${variant.dtype} (${size(variant.bytes)})` }));
  if (query.get('device')) byId('device').value = query.get('device');
  if (query.get('dtype')) byId('dtype').value = query.get('dtype');
  byId('lib').value = query.get('lib') ?? './lib/transformers.min.js';
  byId('ort').value = query.get('ort') ?? './lib/';
  byId('footer').textContent = `Bundle by bantam ${model.version}`;
  byId('device').addEventListener('change', describe);
  byId('dtype').addEventListener('change', describe);
  byId('load').addEventListener('click', load);
  byId('form').addEventListener('submit', run);
  byId('sources').addEventListener('submit', (event) => {
    event.preventDefault();
    query.set('lib', byId('lib').value);
    query.set('ort', byId('ort').value);
    location.search = query;
  });
  await probeGpu();
  describe();
  const { device, dtype } = chosen();
  const variant = variantOf(dtype === 'auto' ? model.defaults[device] : dtype);
  if (variant && variant.bytes <= 100 * 1024 * 1024) load();  // larger ones wait for a click
}
main();
