// Decoder fixtures in transformers.js 3 in Node, from bundles of `convert --target tjs3`: version 3 takes the caches' shapes
// from config.json.
import * as library from 'transformers-3';

import { bundles } from './support/bundles.js';
import { testFixtures } from './support/fixture_decoders.js';

library.env.localModelPath = `${bundles}/`;
library.env.allowRemoteModels = false;
library.env.useFSCache = true;  // see node_transformers3.test.js
library.env.cacheDir = `${bundles}/cache`;

testFixtures(library, { more: ['--target', 'tjs3'] });
