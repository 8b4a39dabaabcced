// Decoder fixtures in transformers.js 4 in Node (native onnxruntime, device cpu).
import * as library from '@huggingface/transformers';

import { bundles } from './support/bundles.js';
import { testFixtures } from './support/fixture_decoders.js';

library.env.localModelPath = `${bundles}/`;
library.env.allowRemoteModels = false;
library.env.useFSCache = false;

testFixtures(library);
