"""Fixtures of decoders: the table, and the goldens that make_fixtures.py writes for them.

A golden holds cases as for the other tasks. Positions of padding, where PyTorch and a graph may differ, are NaN there:
whatever a graph gives is right if it is finite. Beside the cases stand `greedy.input_ids`, `greedy.attention_mask` and
`greedy.tokens`: what generate() continues a left-padded batch with.
"""
import copy
from dataclasses import dataclass, field

import numpy as np
import torch
import transformers

# Norm epsilons are large so that a graph with another one is caught; vocabularies and widths are odd.
LLAMA = dict(vocab_size=67, hidden_size=36, num_attention_heads=9, num_key_value_heads=3, head_dim=8,
             num_hidden_layers=2, intermediate_size=28, rms_norm_eps=0.02, max_position_embeddings=64,
             pad_token_id=0, bos_token_id=1, eos_token_id=2)
TOKENS = dict(vocab_size=67, pad_token_id=0, bos_token_id=1, eos_token_id=2)
FAMILIES = {  # family: (class, sizes)
    "llama": ("LlamaForCausalLM", LLAMA),
    "mistral": ("MistralForCausalLM", LLAMA | dict(sliding_window=None)),
    "qwen2": ("Qwen2ForCausalLM", {k: v for k, v in LLAMA.items() if k != "head_dim"} | dict(hidden_size=48,
              num_attention_heads=6, num_key_value_heads=2)),
    "qwen3": ("Qwen3ForCausalLM", LLAMA | dict(hidden_size=28, num_attention_heads=4, num_key_value_heads=2)),
    # Scores are scaled by another number than the head's size.
    "gemma3_text": ("Gemma3ForCausalLM", LLAMA | dict(hidden_size=36, num_attention_heads=6, num_key_value_heads=2,
                    head_dim=16, num_hidden_layers=3, query_pre_attn_scalar=11, sliding_window=4)),
    "gpt2": ("GPT2LMHeadModel", TOKENS | dict(n_embd=40, n_head=5, n_layer=2, n_positions=64, layer_norm_epsilon=0.02)),
    "gpt_neo": ("GPTNeoForCausalLM", TOKENS | dict(hidden_size=40, num_heads=5, num_layers=2, window_size=4,
                attention_types=[[["global", "local"], 1]], max_position_embeddings=64, layer_norm_epsilon=0.02)),
    "gpt_neox": ("GPTNeoXForCausalLM", TOKENS | dict(hidden_size=48, num_attention_heads=3, num_hidden_layers=2,
                 intermediate_size=44, max_position_embeddings=64, layer_norm_eps=0.02)),
    "phi": ("PhiForCausalLM", TOKENS | dict(hidden_size=48, num_attention_heads=3, num_hidden_layers=2,
            intermediate_size=44, max_position_embeddings=64, layer_norm_eps=0.02)),
    "phi3": ("Phi3ForCausalLM", {k: v for k, v in LLAMA.items() if k != "head_dim"} | dict(hidden_size=40,
             num_attention_heads=5, num_key_value_heads=1)),
}
NEW_TOKENS = 12


@dataclass
class DecoderFixture:
    family: str
    variant: str = ""
    config: dict = field(default_factory=dict)  # on top of the family's sizes
    dtype: str = "float32"
    edits: tuple = ()                           # each (tensors, config) -> None, in place, after saving
    task: str = "text-generation"
    model: dict = field(default_factory=dict)
    saved_as: str = ""
    shard_bytes: int = 1 << 30
    files: tuple = ()

    @property
    def name(self):
        return "-".join(filter(None, [self.family, self.task, self.variant]))

    def cls(self, suffix=""):
        return getattr(transformers, FAMILIES[self.family][0])

    def make_config(self):
        return self.cls().config_class(**FAMILIES[self.family][1] | self.config)


# ---- edits: other generations of files

def rope_v4(scaling=None):
    """rope_theta and rope_scaling beside each other, as transformers 4 wrote them."""
    def edit(tensors, config):
        config["rope_theta"] = config.pop("rope_parameters")["rope_theta"]
        config["rope_scaling"] = scaling
        config["torch_dtype"] = config.pop("dtype")
        config["transformers_version"] = "4.41.2"
        config.pop("layer_types", None)
    return edit


def both_heads(tensors, config):
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone()


def head_only(tensors, config):
    tensors["lm_head.weight"] = tensors.pop("model.embed_tokens.weight")


def inverse_frequencies(tensors, config):
    for layer in range(config["num_hidden_layers"]):
        tensors[f"model.layers.{layer}.self_attn.rotary_emb.inv_freq"] = torch.ones(config["head_dim"] // 2)


def gemma3_v4(tensors, config):
    rope = config.pop("rope_parameters")
    config |= dict(rope_theta=rope["full_attention"]["rope_theta"], rope_scaling=dict(rope_type="linear", factor=4.0),
                   rope_local_base_freq=rope["sliding_attention"]["rope_theta"], sliding_window_pattern=2,
                   torch_dtype=config.pop("dtype"), transformers_version="4.50.0")
    config.pop("layer_types")


def partial_v4(scaling=None, **names):
    """As rope_v4, with the rotated part of a head under a name of its own: rope_parameters' name -> this one."""
    def edit(tensors, config):
        parameters = config.pop("rope_parameters")
        config |= {name: parameters[key] for key, name in names.items()}
        config |= dict(rope_scaling=scaling, torch_dtype=config.pop("dtype"), transformers_version="4.41.2")
    return edit


def without_prefix(prefix):
    def edit(tensors, config):
        for name in list(tensors):
            tensors[name.removeprefix(prefix)] = tensors.pop(name)
    return edit


def causal_masks(attention, size=64):
    """The mask as a buffer of every layer, and the number for what it hides."""
    def edit(tensors, config):
        for name in list(tensors):
            layer, found, _ = name.partition(f".{attention}.")
            if found:
                tensors[f"{layer}.{attention}.bias"] = torch.tril(torch.ones(size, size)).bool()[None, None]
                tensors[f"{layer}.{attention}.masked_bias"] = torch.tensor(-1e9)
    return edit


def neox_frequencies(tensors, config):
    for layer in range(config["num_hidden_layers"]):
        tensors[f"gpt_neox.layers.{layer}.attention.rotary_emb.inv_freq"] = torch.ones(4)


def table():
    llama3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                  original_max_position_embeddings=32)
    theta = dict(rope_theta=50.0)  # turns fast enough for tiny texts to tell frequencies apart
    yield from (
        DecoderFixture("llama", "", dict(tie_word_embeddings=True, rope_parameters=llama3 | theta)),
        DecoderFixture("llama", "untied-biases", dict(attention_bias=True, mlp_bias=True, hidden_act="gelu_pytorch_tanh",
                                                      rope_parameters=dict(rope_type="default") | theta)),
        DecoderFixture("llama", "v4-llama3", dict(tie_word_embeddings=True, rope_parameters=llama3 | theta),
                       edits=(rope_v4(llama3), both_heads, inverse_frequencies)),
        DecoderFixture("llama", "v4-linear-bf16", dict(tie_word_embeddings=True,
                                                       rope_parameters=dict(rope_type="linear", factor=4.0) | theta),
                       dtype="bfloat16", edits=(rope_v4(dict(type="linear", factor=4.0)), head_only)),
        DecoderFixture("mistral", "", dict(rope_parameters=dict(rope_type="default") | theta)),
        DecoderFixture("mistral", "window", dict(sliding_window=4, rope_parameters=dict(rope_type="default") | theta)),
        DecoderFixture("qwen2", "", dict(tie_word_embeddings=True, rope_parameters=dict(rope_type="default") | theta)),
        DecoderFixture("qwen2", "window", dict(use_sliding_window=True, sliding_window=5, max_window_layers=1,
                                               rope_parameters=dict(rope_type="default") | theta)),
        DecoderFixture("qwen3", "", dict(tie_word_embeddings=True, rope_parameters=dict(rope_type="default") | theta)),
    )
    # Two rotations, of which one is stretched.
    two = dict(full_attention=dict(rope_type="linear", factor=4.0, rope_theta=50.0),
               sliding_attention=dict(rope_type="default", rope_theta=10.0))
    longrope = dict(short_factor=[1.0, 1.5, 2.25], long_factor=[1.25, 3.0, 7.5])
    partial = dict(rope_type="default", partial_rotary_factor=0.4) | theta
    yield from (
        DecoderFixture("gemma3_text", "", dict(rope_parameters=two, layer_types=["sliding_attention", "full_attention",
                                                                                 "sliding_attention"]), dtype="bfloat16"),
        DecoderFixture("gemma3_text", "v4-biases-untied", dict(
            rope_parameters=two, attention_bias=True, tie_word_embeddings=False,
            layer_types=["sliding_attention", "full_attention", "sliding_attention"]), edits=(gemma3_v4,)),
        DecoderFixture("gpt2", "", edits=(causal_masks("attn"),)),
        DecoderFixture("gpt2", "by-layer-f16", dict(n_inner=28, scale_attn_by_inverse_layer_idx=True, activation_function="relu"),
                       dtype="float16", edits=(without_prefix("transformer."),)),
        DecoderFixture("gpt2", "unscaled-untied", dict(scale_attn_weights=False, tie_word_embeddings=False)),
        DecoderFixture("gpt_neo", ""),
        DecoderFixture("gpt_neo", "old-bf16", dict(intermediate_size=28, attention_types=[[["local"], 1], [["global", "local"], 1]],
                                                   num_layers=3), dtype="bfloat16", edits=(causal_masks("attn.attention"),)),
        DecoderFixture("gpt_neox", "", dict(rope_parameters=dict(rope_type="default", partial_rotary_factor=0.25) | theta)),
        DecoderFixture("gpt_neox", "v4-sequential", dict(
            use_parallel_residual=False, attention_bias=False, hidden_act="gelu_new", rope_parameters=dict(rope_type="default", partial_rotary_factor=0.5) | theta),
            edits=(partial_v4(rope_theta="rotary_emb_base", partial_rotary_factor="rotary_pct"), causal_masks("attention"),
                   neox_frequencies), dtype="bfloat16"),
        DecoderFixture("phi", "", dict(rope_parameters=dict(rope_type="default", partial_rotary_factor=0.5) | theta)),
        DecoderFixture("phi", "v4-norms-grouped", dict(qk_layernorm=True, num_key_value_heads=1, rope_parameters=partial),
                       edits=(partial_v4(rope_theta="rope_theta", partial_rotary_factor="partial_rotary_factor"),)),
        DecoderFixture("phi3", "", dict(rope_parameters=dict(rope_type="default") | theta)),
        DecoderFixture("phi3", "window-tied", dict(sliding_window=5, tie_word_embeddings=True,
                                                   rope_parameters=dict(rope_type="default") | theta)),
        # One text of the goldens is longer than 17 tokens, so that it turns by the other frequencies.
        DecoderFixture("phi3", "v4-longrope", dict(
            original_max_position_embeddings=17, max_position_embeddings=68,
            rope_parameters=dict(rope_type="longrope", partial_rotary_factor=0.75) | theta | longrope),
            edits=(partial_v4(dict(type="longrope") | longrope, rope_theta="rope_theta", partial_rotary_factor="partial_rotary_factor"),)),
    )


# ---- goldens

def positions_of(mask):
    """As generate() and transformers.js number them."""
    return (mask.cumsum(-1) - 1).masked_fill(mask == 0, 1)


def cache_of(past, layers, config):
    cache = transformers.DynamicCache()
    for i in range(layers if past is not None else 0):
        cache.update(past[f"past_key_values.{i}.key"], past[f"past_key_values.{i}.value"], i)
    return cache


def run(model, ids, mask, past, keep):
    """Outputs by the names of the graph. Caches are whole: a sliding window masks, it forgets nothing."""
    layers = model.config.num_hidden_layers
    length = ids.shape[1]
    with torch.no_grad():
        out = model(input_ids=ids, attention_mask=mask, position_ids=positions_of(mask)[:, -length:],
                    past_key_values=cache_of(past, layers, model.config), use_cache=True, logits_to_keep=keep)
    outputs = {"logits": out.logits}
    for i in range(layers):
        outputs[f"present.{i}.key"] = out.past_key_values.layers[i].keys
        outputs[f"present.{i}.value"] = out.past_key_values.layers[i].values
    return outputs


def as_past(outputs, length=None):
    return {name.replace("present", "past_key_values"): value[:, :, :length].contiguous()
            for name, value in outputs.items() if name != "logits"}


def empty_past(outputs):
    return {name: value[:, :, :0] for name, value in as_past(outputs).items()}


def make_cases(model, config):
    """(input_ids, attention_mask, past, num_logits_to_keep), each."""
    batch, length = 3, 7
    ids = torch.randint(3, config.vocab_size, (batch, length))
    mask = (torch.arange(length) >= torch.tensor([[3], [0], [1]])).long()
    ids = torch.where(mask == 1, ids, config.pad_token_id or 0)
    first = run(model, ids, mask, None, 0)
    yield ids, mask, None, 0
    # One more token each, on the caches of the first case.
    grown = torch.cat([mask, torch.ones(batch, 1, dtype=torch.long)], 1)
    yield torch.randint(3, config.vocab_size, (batch, 1)), grown, as_past(first), 1
    # One text as a whole, and in two chunks.
    text = torch.randint(3, config.vocab_size, (1, 11))
    whole = run(model, text, torch.ones_like(text), None, 0)
    yield text, torch.ones_like(text), None, 3
    yield text[:, 6:], torch.ones_like(text), as_past(whole, 6), 0
    # Masks with holes, longer than any window.
    ids = torch.randint(3, config.vocab_size, (2, 19))
    holes = ((torch.rand(2, 19) > 0.25) | (torch.arange(19) == 0)).long()
    yield ids, holes, None, 0
    if hasattr(config, "original_max_position_embeddings"):
        text = torch.randint(3, config.vocab_size, (1, 23))
        yield text, torch.ones_like(text), None, 0
        yield text[:, 20:], torch.ones_like(text), as_past(run(model, text, torch.ones_like(text), None, 0), 20), 1


def unknown(outputs, mask):
    """The outputs with NaN at padding: nothing is promised there."""
    result = {}
    for name, value in outputs.items():
        value = value.clone()
        if name == "logits":
            value[mask[:, mask.shape[1] - value.shape[1]:] == 0] = float("nan")
        else:
            value.masked_fill_((mask == 0)[:, None, :, None], float("nan"))
        result[name] = value
    return result


def greedy(model, config):
    """A left-padded batch and its continuation, where no choice is a close one."""
    for _ in range(50):
        ids = torch.randint(3, config.vocab_size, (3, 6))
        mask = (torch.arange(6) >= torch.tensor([[2], [0], [3]])).long()
        ids = torch.where(mask == 1, ids, config.pad_token_id or 0)
        out = model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=NEW_TOKENS, do_sample=False, num_beams=1,
                             eos_token_id=[], pad_token_id=0, return_dict_in_generate=True, output_logits=True)
        steps = torch.stack(out.logits, 1)
        top = steps.topk(2, dim=-1).values
        if (top[..., 0] - top[..., 1]).min() > 1e-3 * steps.abs().max():
            return {"input_ids": ids, "attention_mask": mask, "tokens": out.sequences[:, 6:].contiguous()}
    raise AssertionError("every continuation has a close choice")


def arrays_of(model):
    """The arrays and the metadata of a golden file."""
    config = model.config
    exact = copy.deepcopy(model).double()
    arrays, metadata = {}, {}
    for i, (ids, mask, past, keep) in enumerate(make_cases(model, config)):
        single = run(model, ids, mask, past, keep)
        double = run(exact, ids, mask, {k: v.double() for k, v in past.items()} if past else None, keep)
        if past is None and keep == 0 and mask.all():  # the cache changes nothing
            assert single["logits"].shape[1] == ids.shape[1]
        inputs = {"input_ids": ids, "attention_mask": mask, "position_ids": positions_of(mask)[:, -ids.shape[1]:],
                  "num_logits_to_keep": torch.tensor(keep)}
        inputs |= past if past is not None else empty_past(single)
        arrays |= {f"case{i}.input.{name}": value.contiguous().numpy() for name, value in inputs.items()}
        expected, distances = unknown(single, mask), unknown(double, mask)
        for name, value in expected.items():
            arrays[f"case{i}.output.{name}"] = np.ascontiguousarray(value.numpy())
            distance = np.nanmax((value.double() - distances[name]).abs().numpy())
            metadata[f"case{i}.fp64_distance.{name}"] = f"{distance:.6e}"
    arrays |= {f"greedy.{name}": value.numpy() for name, value in greedy(model, config).items()}
    return arrays, metadata
