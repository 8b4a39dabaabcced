"""The table of fixtures that make_fixtures.py writes: one row, one checkpoint."""
import json
from dataclasses import dataclass, field

import torch
import transformers

TASKS = {  # task: (class suffix, outputs of the ONNX graph)
    "feature-extraction": ("Model", ["last_hidden_state"]),
    "fill-mask": ("ForMaskedLM", ["logits"]),
    "text-classification": ("ForSequenceClassification", ["logits"]),
    "token-classification": ("ForTokenClassification", ["logits"]),
    "question-answering": ("ForQuestionAnswering", ["start_logits", "end_logits"]),
}
# layer_norm_eps is large so that a graph with another epsilon is caught.
SMALL = dict(vocab_size=67, max_position_embeddings=48, hidden_size=20, num_attention_heads=5,
             num_hidden_layers=1, intermediate_size=28, layer_norm_eps=0.02)
BIG = SMALL | dict(vocab_size=131, hidden_size=36, num_attention_heads=3, num_hidden_layers=2, intermediate_size=52)
DISTIL = dict(hidden_size="dim", num_attention_heads="n_heads", num_hidden_layers="n_layers",
              intermediate_size="hidden_dim", layer_norm_eps=None)
FAMILIES = {  # family: (class prefix, graph declares token_type_ids, more config when small, when big)
    "bert": ("Bert", True, {}, {}),
    "distilbert": ("DistilBert", False, {}, {}),
    "roberta": ("Roberta", False, dict(type_vocab_size=1), dict(type_vocab_size=1)),
    "xlm-roberta": ("XLMRoberta", False, dict(type_vocab_size=1), dict(type_vocab_size=1)),
    "mpnet": ("MPNet", False, {}, dict(max_position_embeddings=150)),
    "mobilebert": ("MobileBert", True,
                   dict(embedding_size=12, intra_bottleneck_size=15, num_feedforward_networks=2),
                   dict(embedding_size=20, intra_bottleneck_size=24, num_feedforward_networks=4)),
    "electra": ("Electra", True, dict(embedding_size=12), dict(embedding_size=20)),
    "albert": ("Albert", True, dict(embedding_size=12, num_hidden_layers=2),
               dict(embedding_size=20, num_hidden_layers=3)),
}


@dataclass
class Fixture:
    family: str
    task: str
    variant: str = ""
    config: dict = field(default_factory=dict)  # on top of the family's tiny sizes
    big: bool = False
    dtype: str = "float32"
    model: dict = field(default_factory=dict)   # constructor arguments
    saved_as: str = ""                          # class suffix of the file, where it is not the task's
    edits: tuple = ()                           # each (tensors, config) -> None, in place, after saving
    shard_bytes: int = 1 << 30
    files: tuple = ()                           # each (directory) -> None, writes more files
    longest: int = 19                           # sequence length of the last case

    @property
    def name(self):
        return "-".join(filter(None, [self.family, self.task, self.variant]))

    def cls(self, suffix=""):
        return getattr(transformers, FAMILIES[self.family][0] + (suffix or TASKS[self.task][0]))

    def make_config(self):
        _, _, small, big = FAMILIES[self.family]
        values = (BIG | big if self.big else SMALL | small) | self.config
        if self.family == "distilbert":
            values = {DISTIL.get(k, k): v for k, v in values.items() if DISTIL.get(k, k)}
        return self.cls().config_class(**values)


# ---- edits: what save_pretrained of transformers 5 does not write but files in the wild contain

def old_norm_names(tensors, config):
    for name in list(tensors):
        for new, old in (("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta")):
            if name.endswith(new):
                tensors[name.replace(new, old)] = tensors.pop(name)


def position_ids(tensors, config):
    name = next(n for n in tensors if n.endswith("position_embeddings.weight"))
    rows = torch.arange(tensors[name].shape[0]).unsqueeze(0)
    tensors[name.replace("position_embeddings.weight", "position_ids")] = rows


def leftover_pooler(tensors, config):
    size = config["hidden_size"]
    tensors[f"{config['model_type']}.pooler.dense.weight"] = torch.randn(size, size)
    tensors[f"{config['model_type']}.pooler.dense.bias"] = torch.randn(size)


def prefixed(prefix):
    def edit(tensors, config):
        for name in list(tensors):
            tensors[f"{prefix}.{name}"] = tensors.pop(name)
    return edit


def explicit_decoder(head):
    """The tied decoder written out, as files made from a torch state dict have it."""
    def edit(tensors, config):
        words = next(tensor for name, tensor in tensors.items() if name.endswith("word_embeddings.weight"))
        tensors[f"{head}.decoder.weight"] = words.clone()
        tensors[f"{head}.decoder.bias"] = tensors[f"{head}.bias"].clone()
    return edit


def other_decoder(tensors, config):
    """Two different values where the config says tied: transformers then takes both as they are."""
    tensors["cls.predictions.decoder.weight"] += 0.3 * torch.randn(tensors["cls.predictions.decoder.weight"].shape)


def only_decoder(tensors, config):
    """A tied pair of which the file holds the other name."""
    del tensors["bert.embeddings.word_embeddings.weight"], tensors["cls.predictions.bias"]


def config_v4(tensors, config):
    config["torch_dtype"] = config.pop("dtype")
    config.update(transformers_version="4.30.2", position_embedding_type="absolute", gradient_checkpointing=False)


def config_minimal(tensors, config):
    sizes = {"architectures", "model_type", *SMALL, *filter(None, DISTIL.values())} - {"layer_norm_eps"}
    for key in set(config) - sizes:
        del config[key]


def architecture(name):
    return lambda tensors, config: config.update(architectures=[name])


# ---- more files

def write_json(path, value):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def sentence_transformers(mode):
    def write(directory):
        kinds = ["mean_tokens", "cls_token", "max_tokens", "mean_sqrt_len_tokens"]
        modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
        write_json(directory / "modules.json",
                   [{"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
                    for i, (path, kind) in enumerate(modules)])
        size = json.loads((directory / "config.json").read_text())["hidden_size"]
        write_json(directory / "1_Pooling" / "config.json",
                   {"word_embedding_dimension": size} | {f"pooling_mode_{kind}": kind == mode for kind in kinds})
        write_json(directory / "sentence_bert_config.json", {"max_seq_length": 40, "do_lower_case": False})
        write_json(directory / "config_sentence_transformers.json",
                   {"__version__": {"sentence_transformers": "2.2.2", "transformers": "4.30.2", "pytorch": "2.0.1"}})
    return write


WORDS = """the movie was great bad not un ##able ##ing ##ed read of and it is in good very film plot act ##or
           The Plot PLOT ##\u00e9 caf\u00e9""".split()
TEXTS = ["The movie was great!", "Unreadable PLOT, not a good film.", "caf\u00e9 Cafe\u0301 CAF\u00c9 na\u00efve",
         "the\tfilm\u00a0is\n\u0007in \u4e2d\u6587 zz9", "", "\u2603 it's un-acted...", "plot [MASK] the Plot"]


def vocabulary(special, count):
    letters = "abcdefghijklmnopqrstuvwxyz"
    known = [*special, *letters, *(f"##{c}" for c in letters), *"TMUPC0139.,!?'-\u4e2d\u00e9", *WORDS]
    assert count >= len(known) == len(set(known)), len(known)
    return known + [f"[unused{i}]" for i in range(count - len(known))]


def tokenizer(vocab_only, **options):
    """WordPiece as tokenizer.json or as vocab.txt alone, and tokenized.json: the ids transformers gives to TEXTS."""
    def write(directory):
        config = json.loads((directory / "config.json").read_text())
        bert = dict(pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]")
        mpnet = dict(cls_token="<s>", pad_token="<pad>", sep_token="</s>", mask_token="<mask>", unk_token="[UNK]")
        special = mpnet if config["model_type"] == "mpnet" else bert
        words = vocabulary(list(special.values()), config["vocab_size"])
        (directory / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
        prefix = FAMILIES[config["model_type"]][0]
        write_json(directory / "tokenizer_config.json",
                   {"tokenizer_class": f"{prefix}Tokenizer", "model_max_length": 40} | options | special)
        loaded = transformers.AutoTokenizer.from_pretrained(directory)
        if not vocab_only:
            loaded.save_pretrained(directory)
            (directory / "vocab.txt").unlink()
            loaded = transformers.AutoTokenizer.from_pretrained(directory)
        pairs = [(text, None) for text in TEXTS] + [(TEXTS[0], TEXTS[1])]
        lines = [json.dumps({"text": a, "text_pair": b, "input_ids": loaded(a, b)["input_ids"]}) for a, b in pairs]
        (directory / "tokenized.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
    return write


# ---- the table

def table():
    features, mask, text, token, qa = TASKS
    for family in FAMILIES:
        long = 45 if family == "mpnet" else 19  # the longest distances of mpnet's buckets need more
        yield Fixture(family, features, big=True, longest=140 if family == "mpnet" else long)
        for task in (mask, token, qa):
            yield Fixture(family, task, longest=long)
        for labels in (1, 2, 3) if family == "bert" else (1, 3):
            yield Fixture(family, text, str(labels), dict(num_labels=labels), longest=long)

    old = (old_norm_names, position_ids, config_v4)
    untied = dict(tie_word_embeddings=False, vocab_size=37)
    two, words, few = dict(num_labels=2), dict(vocab_size=131), dict(vocab_size=37)
    cased, uncased = tokenizer(True, do_lower_case=False), tokenizer(True, do_lower_case=True)
    yield from (
        Fixture("bert", features, "no-pooler", model=dict(add_pooling_layer=False)),
        Fixture("bert", features, "prefixed", edits=(prefixed("bert"),)),
        Fixture("bert", features, "old-names", edits=old),
        Fixture("bert", features, "minimal-config", edits=(config_minimal,)),
        Fixture("bert", features, "f16", big=True, dtype="float16"),
        Fixture("bert", features, "bf16", big=True, dtype="bfloat16"),
        Fixture("bert", features, "sentence-mean", words,
                files=(sentence_transformers("mean_tokens"), tokenizer(False, do_lower_case=True))),
        Fixture("bert", mask, "pretraining", few, saved_as="ForPreTraining",
                edits=(old_norm_names, architecture("BertForMaskedLM"))),
        Fixture("bert", mask, "decoder", few, edits=(explicit_decoder("cls.predictions"),)),
        Fixture("bert", mask, "other-decoder", few, edits=(explicit_decoder("cls.predictions"), other_decoder)),
        Fixture("bert", mask, "only-decoder", few, edits=(explicit_decoder("cls.predictions"), only_decoder)),
        Fixture("bert", mask, "untied", untied),
        Fixture("bert", mask, "sharded", few, shard_bytes=8500),
        *(Fixture("bert", mask, name.replace("_", "-"), few | dict(hidden_act=name))
          for name in ("relu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "silu", "swish", "quick_gelu")),
        Fixture("bert", text, "bf16-v4", two, dtype="bfloat16", edits=(config_v4,)),
        Fixture("bert", text, "tokenizer", two | words, files=(tokenizer(False, do_lower_case=False),)),
        Fixture("bert", mask, "tokenizer", words, big=True, files=(tokenizer(False, do_lower_case=True),)),
        Fixture("bert", token, "tokenizer", words | dict(num_labels=3), big=True,
                files=(tokenizer(False, do_lower_case=False),)),
        Fixture("distilbert", qa, "tokenizer", words, big=True, files=(tokenizer(False, do_lower_case=True),)),
        Fixture("bert", text, "vocab-uncased", two | words, files=(uncased,)),
        Fixture("bert", token, "f64", dtype="float64"),
        Fixture("bert", token, "vocab-cased", words, files=(cased,)),
        Fixture("bert", token, "vocab-accents", words,
                files=(tokenizer(True, do_lower_case=True, strip_accents=False, tokenize_chinese_chars=False),)),
        Fixture("bert", qa, "old-names", edits=(leftover_pooler, *old)),
        Fixture("distilbert", features, "sinusoidal", dict(sinusoidal_pos_embds=True), edits=(config_v4,)),
        Fixture("distilbert", features, "minimal-config", edits=(config_minimal,)),
        Fixture("distilbert", mask, "relu", few | dict(activation="relu")),
        Fixture("distilbert", mask, "untied", untied),
        Fixture("distilbert", text, "f16-sharded", two, dtype="float16", shard_bytes=6000),
        Fixture("distilbert", qa, "vocab-cased", words, files=(cased,)),
        Fixture("roberta", features, "no-pooler", model=dict(add_pooling_layer=False)),
        Fixture("roberta", features, "prefixed", edits=(prefixed("roberta"), config_v4)),
        Fixture("roberta", features, "pad-3", dict(pad_token_id=3)),
        Fixture("roberta", mask, "relu", few | dict(hidden_act="relu")),
        Fixture("roberta", mask, "old-names", few, edits=(leftover_pooler, *old)),
        Fixture("roberta", mask, "decoder", few, edits=(explicit_decoder("lm_head"),)),
        Fixture("roberta", mask, "untied", untied),
        Fixture("roberta", text, "bf16", two, dtype="bfloat16"),
        Fixture("xlm-roberta", features, "sentence-cls", files=(sentence_transformers("cls_token"),)),
        Fixture("mpnet", features, "no-pooler", model=dict(add_pooling_layer=False)),
        Fixture("mpnet", features, "sentence-vocab", words, files=(sentence_transformers("mean_tokens"), uncased)),
        Fixture("mpnet", mask, "relu-untied", untied | dict(hidden_act="relu")),
        Fixture("mobilebert", features, "layer-norm", dict(normalization_type="layer_norm")),
        Fixture("mobilebert", features, "no-activation", dict(classifier_activation=False)),
        Fixture("mobilebert", features, "no-trigram", dict(trigram_input=False)),
        Fixture("mobilebert", features, "one-ffn", dict(num_feedforward_networks=1)),
        Fixture("mobilebert", features, "no-bottleneck", dict(use_bottleneck=False)),
        Fixture("mobilebert", features, "bottleneck-attention",
                dict(use_bottleneck_attention=True, key_query_shared_bottleneck=False)),
        Fixture("mobilebert", features, "unshared", dict(key_query_shared_bottleneck=False, intra_bottleneck_size=20)),
        Fixture("mobilebert", mask, "layer-norm", few | dict(normalization_type="layer_norm", hidden_act="gelu")),
        Fixture("mobilebert", mask, "untied", untied),
        Fixture("mobilebert", mask, "pretraining", few, saved_as="ForPreTraining",
                edits=(old_norm_names, architecture("MobileBertForMaskedLM"))),
        Fixture("mobilebert", text, "no-activation", dict(num_labels=3, classifier_activation=False)),
        Fixture("electra", features, "same-size", dict(embedding_size=20)),
        Fixture("electra", mask, "relu", few | dict(hidden_act="relu")),
        Fixture("electra", mask, "untied", untied),
        Fixture("electra", text, "relu", two | dict(hidden_act="relu")),
        Fixture("albert", features, "no-pooler", model=dict(add_pooling_layer=False)),
        Fixture("albert", features, "two-groups", dict(num_hidden_layers=5, num_hidden_groups=2)),
        Fixture("albert", features, "inner-two", dict(inner_group_num=2)),
        Fixture("albert", features, "two-groups-inner-two", dict(num_hidden_groups=2, inner_group_num=2)),
        Fixture("albert", mask, "gelu", few | dict(hidden_act="gelu")),
        Fixture("albert", mask, "untied", untied),
    )
