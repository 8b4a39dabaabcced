// Does the tokenizer of transformers.js give the ids that Bantam's gives? For scripts/check_js_tokenizer.
//   bantam_encode_data BUNDLE DATA | node compare_tokenizers.js BUNDLE
import path from 'node:path';
import { createInterface } from 'node:readline';

import { AutoTokenizer, env } from '@huggingface/transformers';

const SHOWN = 5;

const bundle = path.resolve(process.argv[2]);
env.localModelPath = `${path.dirname(bundle)}/`;
env.allowRemoteModels = false;
env.useFSCache = false;

const numbers = (tensor) => Array.from(tensor.data, Number);
const firstDifference = (a, b) => {
  for (let i = 0; i < Math.max(a.length, b.length); ++i) if (a[i] !== b[i]) return i;
  return -1;
};

const tokenizer = await AutoTokenizer.from_pretrained(path.basename(bundle));
const tokensAround = (ids, at) => ids.slice(Math.max(0, at - 2), at + 4).map((id) => tokenizer.decode([id])).join(' | ');

let texts = 0;
let tokens = 0;
const different = [];
for await (const line of createInterface({ input: process.stdin })) {
  const { place, text, pair, ids, type_ids: types } = JSON.parse(line);
  const browser = tokenizer(text, { text_pair: pair ?? null });
  const given = numbers(browser.input_ids);
  texts += 1;
  tokens += ids.length;
  let at = firstDifference(ids, given);
  let what = 'ids';
  if (at < 0 && browser.token_type_ids) {
    at = firstDifference(types, numbers(browser.token_type_ids));
    what = 'token types';
  }
  if (at < 0) continue;
  different.push([`${place}: ${what} differ at token ${at}: ${JSON.stringify(text)}`,
                  `  bantam:  ${tokensAround(ids, at)}`, `  browser: ${tokensAround(given, at)}`].join('\n'));
}

if (texts === 0) process.exit(1);  // bantam_encode_data has said why
const equal = texts - different.length;
console.log(`${equal} of ${texts} texts (${tokens} tokens) get the same ids: ${((100 * equal) / texts).toFixed(2)} %`);
for (const text of different.slice(0, SHOWN)) console.log(text);
if (different.length > SHOWN) console.log(`... and ${different.length - SHOWN} more`);
process.exitCode = different.length > 0 ? 1 : 0;
