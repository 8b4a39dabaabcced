#!/usr/bin/env python3
"""`bantam verify` on graphs that were changed with the onnx package and sealed again, so that only the rules of the consumers
can tell: each change is named by the check that it concerns."""
import json
import pathlib
import sys
import tempfile
import unittest

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
from bantam_cli import run  # noqa: E402
from bundle_edits import FIXTURES, Copies, convert, seal  # noqa: E402

FOLDER = tempfile.TemporaryDirectory()
ENCODER = pathlib.Path(FOLDER.name) / "encoder"
DECODER = pathlib.Path(FOLDER.name) / "decoder"


def setUpModule():
    convert(FIXTURES / "bert-token-classification-tokenizer", ENCODER, "--dtype", "fp32", "--shard-size", "64KiB")
    convert(FIXTURES / "llama-text-generation", DECODER, "--dtype", "fp32,q4f16")


def tearDownModule():
    FOLDER.cleanup()


def external(tensor, key):
    return next(entry for entry in tensor.external_data if entry.key == key)


def dims(model, name):
    value = next(value for value in [*model.graph.input, *model.graph.output] if value.name == name)
    return value.type.tensor_type.shape.dim


def end_with(*nodes, tensors=(), domains=()):
    """The graph's last node gives `scores`, of which the nodes make the logits."""
    def change(model):
        for node in model.graph.node:
            for i, name in enumerate(node.output):
                node.output[i] = "scores" if name == "logits" else name
        model.graph.node.extend(nodes)
        model.graph.initializer.extend(tensors)
        model.opset_import.extend(helper.make_opsetid(domain, 1) for domain in domains)
    return change


class Case(unittest.TestCase):
    original = ENCODER

    def setUp(self):
        self.copies = Copies(self.original)
        self.addCleanup(self.copies.folder.cleanup)

    def changed(self, change, file="onnx/model.onnx"):
        bundle = self.copies.fresh()
        model = onnx.load(bundle / file, load_external_data=False)
        change(model)
        (bundle / file).write_bytes(model.SerializeToString())
        seal(bundle)
        result = run("verify", bundle, "--json", "-q")
        self.assertEqual(result.stderr, "")
        return json.loads(result.stdout)

    def expect(self, change, check, part, severity="error", **where):
        found = self.changed(change, **where)
        for finding in found["findings"]:
            if (finding["check"], finding["severity"]) == (check, severity) and part in finding["message"]:
                return found
        self.fail(f"{check}: {part!r} is not among {json.dumps(found['findings'], indent=1)}")


class Encoder(Case):
    original = ENCODER

    def first(self, model):
        return next(tensor for tensor in model.graph.initializer if tensor.data_location == TensorProto.EXTERNAL)

    def test_locations(self):
        for location, part in (("./model.onnx_data", "must be a bare file name"), ("sub/model.onnx_data", "must be a bare file name"),
                               ("../model.onnx_data", "must be a bare file name"), ("", "must be a bare file name"),
                               ("model.onnx_data_7", "is not among the")):
            with self.subTest(location):
                self.expect(lambda model: setattr(external(self.first(model), "location"), "value", location), "shards", part)

    def test_offsets(self):
        def move(offset):
            return lambda model: setattr(external(self.first(model), "offset"), "value", offset)
        self.expect(move("1000000"), "shards", "ends at byte")
        self.expect(move("256"), "shards", "overlap")
        self.expect(move("-4"), "shards", "is not a size")
        self.expect(move("99999999999999999999"), "shards", "is not a size")
        self.expect(move("4"), "contents", "is described otherwise")
        self.expect(move("4"), "index", "has no tensor")
        self.expect(lambda model: setattr(external(self.first(model), "length"), "value", "4"), "shards", "bytes of external data where")

    def test_two_tensors_in_one_place_are_sound(self):
        def twice(model):
            copy = model.graph.initializer.add()
            copy.CopyFrom(self.first(model))
            copy.name = "again"
            model.graph.node.add().CopyFrom(helper.make_node("Identity", ["again"], ["nothing"]))
        self.assertEqual(self.changed(twice)["findings"], [])

    def test_inputs_that_nobody_feeds(self):
        def declare(name, dtype=TensorProto.INT64):
            return lambda model: model.graph.input.append(helper.make_tensor_value_info(name, dtype, ["batch_size", "length"]))
        self.expect(declare("position_ids"), "inputs", '"position_ids", which transformers.js does not feed')
        self.expect(declare("past_key_values.0.key", TensorProto.FLOAT), "caches", "transformers.js makes none for model_type")

    def test_inputs_of_another_type_or_shape(self):
        def dtype(model):
            model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT32
        self.expect(dtype, "inputs", "is int32 where JavaScript feeds int64")

        def fixed(model):
            dim = model.graph.input[0].type.tensor_type.shape.dim[1]
            dim.dim_value = 128
        self.expect(fixed, "inputs", "has the fixed length 128", severity="warning")

    def test_outputs_that_the_pipeline_reads(self):
        def rename(model):
            end_with()(model)
            model.graph.output[0].name = "scores"
        self.expect(rename, "inputs", "has no output logits")

    def test_operators_nobody_has(self):
        def unknown(model):
            model.graph.node.add().CopyFrom(helper.make_node("Frobnicate", ["logits"], ["x"]))
        found = self.expect(unknown, "graphs", "Frobnicate")
        self.assertEqual({device["verdict"] for device in found["variants"][0]["devices"].values()}, {"fails"})

    def test_opsets_that_are_too_new(self):
        def newer(model):
            model.opset_import[0].version = 27
        found = self.changed(newer)
        verdicts = {name: (device["verdict"], device["reason"]) for name, device in found["variants"][0]["devices"].items()}
        self.assertEqual({verdict for verdict, _ in verdicts.values()}, {"fails"}, verdicts)
        self.assertIn("opset 27 is newer than 26", verdicts["wasm"][1])

    def test_newer_ir(self):
        self.expect(lambda model: setattr(model, "ir_version", 99), "graphs", "IR version 99 is newer than 13")

    def test_outputs_that_are_no_floats(self):
        def cast(to):
            def change(model):
                end_with(helper.make_node("Cast", ["scores"], ["logits"], to=to))(model)
                model.graph.output[0].type.tensor_type.elem_type = to
            return change
        self.expect(cast(TensorProto.INT64), "inputs", "output \"logits\" is int64 where the pipeline")
        self.expect(cast(TensorProto.FLOAT16), "inputs", "output \"logits\" is float16", severity="warning")

    def test_inputs_of_processors(self):
        self.expect(lambda model: model.graph.input.append(helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, [1, 3, 2, 2])),
                    "inputs", '"pixel_values", which pipelines for token-classification do not feed')

    def test_graphs_that_are_none(self):
        bundle = self.copies.fresh()
        (bundle / "onnx/model.onnx").write_bytes(b"nothing of the kind")
        seal(bundle)
        found = json.loads(run("verify", bundle, "--json", "-q").stdout)
        self.assertTrue(any(finding["file"] == "onnx/model.onnx" for finding in found["findings"]))


def choose():
    """If, with both branches."""
    def branch(name):
        out = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        return helper.make_graph([helper.make_node("Identity", ["scores"], [name])], name, [], [out])
    yes = numpy_helper.from_array(np.array(True), "yes")
    return end_with(helper.make_node("If", ["yes"], ["logits"], then_branch=branch("a"), else_branch=branch("b")), tensors=[yes])


def twice(model):
    end_with(helper.make_node("Twice", ["scores"], ["logits"], domain="here"), domains=["here"])(model)
    model.functions.append(helper.make_function("here", "Twice", ["x"], ["y"], [helper.make_node("Add", ["x", "x"], ["y"])],
                                                [helper.make_opsetid("", model.opset_import[0].version)]))


def lie(model):
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT16


class Foreign(Case):
    """Graphs in a folder that Bantam did not make: onnxruntime is asked whether it makes a session of each."""
    original = ENCODER
    HALF = numpy_helper.from_array(np.ones(1, np.float16), "half")
    CASES = {
        "as it is": end_with(helper.make_node("Identity", ["scores"], ["logits"])),
        "If": choose(),
        "a local function": twice,
        "an operator that the native runtime lacks": end_with(helper.make_node("Mish", ["scores"], ["logits"])),
        "Einsum": end_with(helper.make_node("Einsum", ["scores"], ["logits"], equation="bsh->bsh")),
        "mixed types": end_with(helper.make_node("Add", ["scores", "half"], ["logits"]), tensors=[HALF]),
        "a type that is not so": lie,
        "a newer IR": lambda model: setattr(model, "ir_version", 99),
        "a newer opset": lambda model: setattr(model.opset_import[0], "version", 99),
        "nothing before it": end_with(helper.make_node("Add", ["scores", "nowhere"], ["logits"])),
    }

    def errors(self, bundle):
        found = json.loads(run("verify", bundle, "--json", "-q").stdout)
        lists = ("bantam.json", "SHA256SUMS")
        return [entry for entry in found["findings"] if entry["severity"] == "error" and entry["file"] not in lists]

    def foreign(self):
        bundle = self.copies.fresh()
        for path in [bundle / "bantam.json", bundle / "SHA256SUMS", *bundle.glob("tensor-cache*.json")]:
            path.unlink()
        return bundle

    def test_errors_are_what_onnxruntime_refuses(self):
        refused = 0
        for name, change in self.CASES.items():
            with self.subTest(name):
                bundle = self.foreign()
                file = bundle / "onnx/model.onnx"
                model = onnx.load(file, load_external_data=False)
                change(model)
                file.write_bytes(model.SerializeToString())
                options = onnxruntime.SessionOptions()
                options.log_severity_level = 4
                try:
                    onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
                    expected = []
                except Exception:
                    expected = ["onnx/model.onnx"]
                    refused += 1
                self.assertEqual(sorted({entry["file"] for entry in self.errors(bundle)}), expected, name)
        self.assertEqual(refused, 5)

    def test_what_tools_leave_behind(self):
        bundle = self.foreign()
        (bundle / ".cache/huggingface").mkdir(parents=True)
        for name in (".nojekyll", ".cache/huggingface/config.json.lock"):
            (bundle / name).touch()
        self.assertEqual(self.errors(bundle), [])

    def test_inputs_of_a_class_that_no_pipeline_feeds(self):
        bundle = self.foreign()
        model = onnx.load(bundle / "onnx/model.onnx", load_external_data=False)
        model.graph.input.append(helper.make_tensor_value_info("style", TensorProto.FLOAT, [1, 256]))
        (bundle / "onnx/model.onnx").write_bytes(model.SerializeToString())
        config = json.loads((bundle / "config.json").read_text())
        config["model_type"] = "style_text_to_speech_2"
        del config["architectures"]
        (bundle / "config.json").write_text(json.dumps(config))
        self.assertEqual(self.errors(bundle), [])

    def test_images_have_a_processor(self):
        bundle = self.foreign()
        model = onnx.load(bundle / "onnx/model.onnx", load_external_data=False)
        model.graph.input.append(helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, [1, 3, 8, 8]))
        (bundle / "onnx/model.onnx").write_bytes(model.SerializeToString())
        config = json.loads((bundle / "config.json").read_text())
        config.update(model_type="vit", architectures=["ViTForImageClassification"])
        (bundle / "config.json").write_text(json.dumps(config))
        named = [(entry["file"], entry["message"]) for entry in self.errors(bundle)]
        self.assertIn(("preprocessor_config.json", "is missing: transformers.js cannot make the processor"), named)
        (bundle / "preprocessor_config.json").write_text("{}")
        self.assertIn("names neither image_processor_type", str(self.errors(bundle)))
        (bundle / "preprocessor_config.json").write_text('{"image_processor_type": "ViTImageProcessor"}')
        self.assertEqual(self.errors(bundle), [])


class Decoder(Case):
    original = DECODER
    KEY = "past_key_values.0.key"

    def set_dim(self, index, **what):
        def change(model):
            dim = dims(model, self.KEY)[index]
            dim.Clear()
            for name, value in what.items():
                setattr(dim, name, value)
        return change

    def test_the_batch_must_have_its_name(self):
        self.expect(self.set_dim(0, dim_param="batch"), "caches", 'is called "batch"; only "batch_size" becomes the batch')

    def test_heads_and_width_must_be_the_numbers_of_the_config(self):
        self.expect(self.set_dim(1, dim_param="heads"), "caches", "must be a number")
        self.expect(self.set_dim(3, dim_param="width"), "caches", "must be a number")
        self.expect(self.set_dim(1, dim_value=7), "caches", "number of heads of \"past_key_values.0.key\" is 7 where config.json says")
        self.expect(self.set_dim(3, dim_value=7), "caches", "width of a head")
        self.expect(self.set_dim(2, dim_value=7), "caches", "is fixed to 7")

    def test_what_goes_in_must_come_out(self):
        def drop(model):
            outputs = [output for output in model.graph.output if output.name != "present.0.value"]
            del model.graph.output[:]
            model.graph.output.extend(outputs)
        self.expect(drop, "caches", 'gives no "present.0.value"')

        def other_type(model):
            next(o for o in model.graph.output if o.name == "present.0.key").type.tensor_type.elem_type = TensorProto.FLOAT
        self.expect(other_type, "caches", '"present.0.key" is float32', file="onnx/model_q4f16.onnx")

    def test_logits_to_keep_is_a_scalar(self):
        def vector(model):
            value = next(value for value in model.graph.input if value.name == "num_logits_to_keep")
            value.type.tensor_type.shape.dim.add().dim_value = 1
        self.expect(vector, "inputs", "is not a scalar")

    def test_token_types_are_not_fed_to_decoders(self):
        def declare(model):
            model.graph.input.append(helper.make_tensor_value_info("token_type_ids", TensorProto.INT64, ["batch_size", "length"]))
        self.expect(declare, "inputs", '"token_type_ids", which transformers.js does not feed')


if __name__ == "__main__":
    unittest.main()
