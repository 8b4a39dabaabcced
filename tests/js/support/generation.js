// Greedy generation through pipeline('text-generation') against what transformers gave in Python
// (scripts/make_generation_goldens.py).
import assert from 'node:assert/strict';
import path from 'node:path';

import { convert, readJson, shared, testdata } from './bundles.js';

export const decoders = readJson(testdata, 'generation-golden.json').models.map((golden) => ({
  ...golden,
  name: path.basename(golden.source),
  folder: golden.source.startsWith('shared/')
    ? path.join(shared, golden.source.slice('shared/'.length)) : path.join(testdata, golden.source),
}));
export const tiny = decoders.find(({ source }) => source === 'tiny-llama');
assert.ok(tiny);

// tiny-llama knows its texts by heart, with wide margins: every dtype says the same. Others may turn off somewhere.
export const saysTheSame = (model, dtype) => model === tiny || dtype === 'fp32';

export const convertDecoder = (model, options = {}) =>
  convert(options.name ?? model.name, model.folder, { shardSize: model === tiny ? '64KiB' : '512KiB', ...options });

// Of models that take their time, quantized variants continue two prompts a little.
const shortened = (model, dtype) =>
  (saysTheSame(model, dtype) ? model : { ...model, new_tokens: 64, cases: model.cases.slice(0, 2) });

const options = (model) => ({
  max_new_tokens: model.new_tokens, do_sample: false, return_full_text: false,
  ...(model.source === tiny.source ? {} : { min_new_tokens: model.new_tokens }),
});

export async function generated(pipe, model, prompts) {
  const answers = await pipe(prompts, options(model));
  return Array.isArray(prompts) ? answers.map(([{ generated_text }]) => generated_text) : answers[0].generated_text;
}

// How many characters two texts begin with in common.
export function inCommon(a, b) {
  let count = 0;
  while (count < a.length && a[count] === b[count]) ++count;
  return count;
}

// Every prompt alone. A dtype that need not say the same must begin as PyTorch does, on the average for `least` characters.
export async function checkAlone(pipe, whole, dtype, { least = 6 } = {}) {
  const model = shortened(whole, dtype);
  const same = saysTheSame(whole, dtype);
  const common = [];
  for (const { prompt, input_ids, text } of model.cases) {
    assert.deepEqual(Array.from(pipe.tokenizer(prompt).input_ids.data, Number), input_ids, `token ids of "${prompt}"`);
    const got = await generated(pipe, model, prompt);
    // Some decoders strip the space that a text begins with; only of the whole text can they tell that this one does not.
    if (same) assert.equal(got.trimStart(), text.trimStart(), `after "${prompt}"`);
    else assert.ok(got.trim().length > model.new_tokens / 2, `after "${prompt}": "${got}"`);
    common.push(inCommon(got.trimStart(), text.trimStart()));
  }
  const mean = common.reduce((a, b) => a + b) / common.length;
  assert.ok(same || mean >= least, `${dtype}: ${common} characters in common`);
  return mean;
}

// Prompts of several lengths at once, padded on the left, give what each gives alone. transformers.js lets a text that
// has ended go on until all have ended, so what was there before its end counts.
export async function checkTogether(pipe, model, dtype) {
  const prompts = model.cases.map(({ prompt }) => prompt);
  assert.ok(new Set(model.cases.map(({ input_ids }) => input_ids.length)).size > 1, 'lengths differ');
  const together = await generated(pipe, model, prompts);
  for (const [i, { prompt, text }] of model.cases.entries()) {
    const alone = (saysTheSame(model, dtype) ? text : await generated(pipe, model, prompt)).trimStart();  // see checkAlone
    const got = together[i].trimStart();
    assert.equal(got.slice(0, alone.length), alone, `"${prompt}" in a batch`);
    assert.ok(model === tiny || got === alone, `"${prompt}" in a batch: all are as long`);
  }
}

// Messages through the chat template that stands in tokenizer_config.json.
export async function checkChats(pipe, model) {
  for (const { messages, input_ids, text } of model.chats) {
    const rendered = pipe.tokenizer.apply_chat_template(messages, { add_generation_prompt: true, return_tensor: false });
    assert.deepEqual(rendered.input_ids ?? rendered, input_ids);
    const [{ generated_text }] = await pipe(messages, { max_new_tokens: model.new_tokens, do_sample: false });
    assert.deepEqual(generated_text, [...messages, { role: 'assistant', content: text }]);
  }
}
