// What a pipeline answers against what PyTorch gave (scripts/make_goldens.py), task by task.
import assert from 'node:assert/strict';

const largest = (values) => values.reduce((best, value, i) => (value > values[best] ? i : best), 0);

function near(got, want, tolerance, what) {
  assert.ok(Math.abs(got - want) <= tolerance, `${what}: ${got} where ${want} ± ${tolerance} was expected`);
}

function softmax(logits) {
  const peak = Math.max(...logits);
  const powers = logits.map((x) => Math.exp(x - peak));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((x) => x / sum);
}

function sameIds(pipe, text, options, want) {
  const ids = Array.from(pipe.tokenizer(text, options).input_ids.data, Number);
  assert.deepEqual(ids, want, `token ids of "${text}"`);
}

async function textClassification(pipe, { text, scores }, tolerance) {
  const labels = Object.keys(scores);
  const [answer] = await pipe([text], { top_k: labels.length });
  assert.deepEqual(answer.map(({ label }) => label).sort(), labels.toSorted());
  for (const { label, score } of answer) near(score, scores[label], tolerance, `${label} of "${text.slice(0, 60)}"`);
  const best = labels[largest(Object.values(scores))];
  const margin = Math.abs(2 * scores[best] - 1);
  if (labels.length !== 2 || margin > 2 * tolerance) assert.equal(answer[0].label, best, `label of "${text}"`);
}

async function tokenClassification(pipe, { text, labels, input_ids, scores }, tolerance) {
  sameIds(pipe, text, {}, input_ids);
  const answer = await pipe(text, { ignore_labels: [] });
  assert.equal(answer.length, input_ids.length - 2, 'one entity for each token between [CLS] and [SEP]');
  for (const { entity, score, index } of answer) {
    const want = scores[index];
    near(score, want[labels.indexOf(entity)], tolerance, `${entity} at token ${index} of "${text}"`);
    near(score, Math.max(...want), tolerance, `best label at token ${index} of "${text}"`);
  }
}

async function fillMask(pipe, { text, input_ids, scores }, tolerance) {
  sameIds(pipe, text, {}, input_ids);
  const answer = await pipe(text, { top_k: scores.length });
  assert.equal(answer.length, scores.length);
  for (const { token, score } of answer) near(score, scores[token], tolerance, `token ${token} in "${text}"`);
  near(answer[0].score, Math.max(...scores), tolerance, `best token in "${text}"`);
}

// The pipeline's own definition: starts and ends are tokens of the context; the score of a span is the product of
// its start's and its end's softmax, which [CLS] takes part in though it is never answered.
function spans({ input_ids, start_logits, end_logits }, separator) {
  const context = input_ids.indexOf(separator) + 1;
  const kept = input_ids.map((id, i) => i === 0 || (i >= context && id !== separator));
  const [start, end] = [start_logits, end_logits].map((logits) => {
    const scores = softmax(logits.map((x, i) => (kept[i] ? x : -Infinity)));
    scores[0] = 0;
    return scores;
  });
  const all = start.flatMap((a, i) => end.map((b, j) => ({ first: i, last: j, score: a * b })));
  return all.filter(({ first, last }) => first <= last).sort((a, b) => b.score - a.score);
}

async function questionAnswering(pipe, example, tolerance) {
  const { question, context, input_ids } = example;
  sameIds(pipe, question, { text_pair: context }, input_ids);
  const want = spans(example, input_ids.at(-1));
  const got = await pipe(question, context, { top_k: want.length });
  assert.equal(got.length, want.length);
  // The n-th best score moves no further than any score does.
  got.forEach(({ score }, i) => near(score, want[i].score, tolerance, `answer ${i + 1} to "${question}"`));
  if (want[0].score - want[1].score > 2 * tolerance) {
    const ids = input_ids.slice(want[0].first, want[0].last + 1);
    assert.equal(got[0].answer, pipe.tokenizer.decode(ids, { skip_special_tokens: true }));
  }
}

async function featureExtraction(pipe, { text, input_ids, embedding }, tolerance) {
  sameIds(pipe, text, {}, input_ids);
  const got = await pipe(text, { pooling: 'mean', normalize: true });
  assert.deepEqual(got.dims, [1, embedding.length]);
  const cosine = embedding.reduce((sum, x, i) => sum + x * got.data[i], 0);
  near(cosine, 1, tolerance, `cosine of "${text}"`);
  // |a - b|² = 2 - 2 cos for vectors of length 1, and no element differs by more than the length.
  got.data.forEach((x, i) => near(x, embedding[i], Math.sqrt(2 * tolerance), `element ${i} of "${text}"`));
}

const CHECKS = {
  'text-classification': textClassification,
  'token-classification': tokenClassification,
  'fill-mask': fillMask,
  'question-answering': questionAnswering,
  'feature-extraction': featureExtraction,
};

// One text at a time: dynamic INT8 takes one range over a batch, so that neighbours change the result.
export async function checkTask(pipe, task, cases, tolerance) {
  assert.ok(cases.length > 0);
  for (const example of cases) await CHECKS[task](pipe, example, tolerance);
}
