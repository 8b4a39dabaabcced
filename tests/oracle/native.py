"""Runs models with the native runtime (tests/tools/run_model.cc) from Python."""
import pathlib
import subprocess
import tempfile

import onnx
import onnxruntime


def reference_session(model, optimize=False):
    """onnxruntime on the CPU, one thread; without `optimize` it runs the nodes as they are."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if not optimize:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run(tool, model, cases, input_names, output_names, *flags):
    """What the native runtime gives for every case of inputs: a list of dictionaries of arrays.

    The names are those of the graph, in its order. An error of the runtime is a RuntimeError with its message.
    """
    with tempfile.TemporaryDirectory(prefix="bantam-native-") as temporary:
        folders = []
        for i, inputs in enumerate(cases):
            folder = pathlib.Path(temporary) / str(i)
            folder.mkdir()
            folders.append(folder)
            for j, name in enumerate(input_names):
                proto = onnx.numpy_helper.from_array(inputs[name], name)
                (folder / f"input_{j}.pb").write_bytes(proto.SerializeToString())
        done = subprocess.run([tool, *flags, model, *folders], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr.strip() or f"{tool} ended with {done.returncode}")
        results = []
        for folder in folders:
            protos = [onnx.TensorProto.FromString((folder / f"native_{j}.pb").read_bytes()) for j in range(len(output_names))]
            results.append({name: onnx.numpy_helper.to_array(proto) for name, proto in zip(output_names, protos, strict=True)})
        return results
