// What of a WebGPU session ran on the CPU, from the profile that onnxruntime-web prints to the console: one JSON object
// a line, for each node that ran its op, the execution provider, and the types and shapes of inputs and outputs.
import assert from 'node:assert/strict';

// Ops that may sit on the CPU, and there only with integer and boolean tensors: arithmetic on shapes, ids and masks, which
// onnxruntime keeps off the GPU on purpose. The one way out of integers is a Cast: WebGPU has no int64 to cast from.
const SHAPE_OPS = new Set([
  'Add', 'Cast', 'Clip', 'Concat', 'ConstantOfShape', 'CumSum', 'Div', 'Equal', 'Expand', 'Gather', 'Greater', 'GreaterOrEqual',
  'Identity', 'Less', 'LessOrEqual', 'Max', 'Min', 'Mul', 'Neg', 'Not', 'And', 'Or', 'Range', 'ReduceMax', 'ReduceSum', 'Reshape', 'Shape',
  'Size', 'Slice', 'Squeeze', 'Sub', 'Unsqueeze', 'Where',
]);
const INTEGERS = new Set(['int64', 'int32', 'bool', 'uint8', 'int8', 'uint32', 'uint64']);

export function profiledNodes(lines) {
  const nodes = [];
  for (const line of lines.flatMap((text) => text.split('\n'))) {
    if (!line.startsWith('{"cat" : "Node"')) continue;
    const { name, args } = JSON.parse(line.replace(/,\s*$/, ''));
    if (!args.provider || !name.endsWith('_kernel_time')) continue;
    const typesOf = (list) => (list ?? []).flatMap((entry) => Object.keys(entry));
    const outputs = args.op_name === 'Cast' ? [] : typesOf(args.output_type_shape);
    const types = [...typesOf(args.input_type_shape), ...outputs];
    nodes.push({ name: name.replace(/_kernel_time$/, ''), op: args.op_name, provider: args.provider, types });
  }
  return nodes;
}

// The nodes that fell back to the CPU and should not have.
export function fallenBack(nodes) {
  return nodes.filter(({ op, provider, types }) =>
    provider !== 'WebGpuExecutionProvider' && !(SHAPE_OPS.has(op) && types.every((type) => INTEGERS.has(type))));
}

export function assertOnGpu(lines, what) {
  const nodes = profiledNodes(lines);
  const onGpu = nodes.filter(({ provider }) => provider === 'WebGpuExecutionProvider');
  assert.ok(onGpu.length > 0, `${what}: the profile shows no node on WebGPU`);
  const wrong = fallenBack(nodes).map(({ op, name, types }) => `${op} (${name}: ${[...new Set(types)].join(', ')})`);
  assert.deepEqual([...new Set(wrong)], [], `${what}: nodes on the CPU that belong on the GPU`);
  return { gpu: onGpu.length, cpu: nodes.length - onGpu.length };
}
