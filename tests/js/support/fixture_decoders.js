// Every decoder fixture through transformers.js' own classes: config.json, names and shapes of caches, positions and masks are
// what it makes of them. A left-padded batch must continue as generate() of PyTorch continues it.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { convert, testdata } from './bundles.js';

const LIMIT = { timeout: 120_000 };
const DTYPES = ['fp32', 'fp16', 'q8', 'q4', 'q4f16'];

function readGreedy(file, Tensor) {
  const bytes = readFileSync(file);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, start));
  const read = (name) => {
    const { dtype, shape, data_offsets: [begin, end] } = header[`greedy.${name}`];
    assert.equal(dtype, 'I64');
    return new Tensor('int64', new BigInt64Array(bytes.buffer.slice(bytes.byteOffset + start + begin, bytes.byteOffset + start + end)), shape);
  };
  return { inputs: read('input_ids'), attention_mask: read('attention_mask'), tokens: read('tokens') };
}

const fixtures = readdirSync(path.join(testdata, 'fixtures')).filter((name) => name.includes('-text-generation')).sort();

// `library`: transformers.js of some version; `more`: options of convert; `known`: which fixtures that version knows.
export function testFixtures({ AutoModelForCausalLM, Tensor }, { more = [], known = () => true } = {}) {
  test('there are fixtures of decoders', () => assert.ok(fixtures.filter(known).length >= 23));

  for (const fixture of fixtures.filter(known)) {
    test(fixture, LIMIT, async (t) => {
      const source = path.join(testdata, 'fixtures', fixture);
      const { inputs, attention_mask, tokens } = readGreedy(path.join(source, 'golden.safetensors'), Tensor);
      convert(fixture, source, { dtypes: DTYPES, more });
      const [batch, count] = tokens.dims;
      const wanted = tokens.tolist().map((row) => row.map(Number));
      for (const dtype of DTYPES) {
        await t.test(dtype, LIMIT, async () => {
          const model = await AutoModelForCausalLM.from_pretrained(fixture, { dtype, device: 'cpu' });
          const options = { max_new_tokens: count, do_sample: false, eos_token_id: null };
          const got = await model.generate({ inputs, attention_mask, ...options });
          assert.deepEqual(got.dims, [batch, inputs.dims[1] + count]);
          const continued = got.tolist().map((row) => row.slice(inputs.dims[1]).map(Number));
          // Codes of 8 and 4 bits may choose other tokens in random models; that they run to the end is all there is to say.
          if (dtype === 'fp32') assert.deepEqual(continued, wanted);
          assert.ok(continued.flat().every((token) => token >= 0 && token < model.config.vocab_size));
          await model.dispose();
        });
      }
    });
  }
}
